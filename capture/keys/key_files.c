/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/key_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/text.h"
#include "capture/keys/process_files.h"

#define SEEN_MAX        65536u
#define NOT_COVERED_MAX 64u
#define PATH_SHOWN      512u
/* Programs that wait to be asked why; of more it is not told. */
#define UNASKED_MAX     1024u
/* All of /proc is looked at again at most so often, and only when a process
 * that was known to map a file is gone. */
#define LOOK_ALL_NS     (30 * CLOCK_NS_PER_S)
/* A file that nobody maps is kept for the next who will. */
#define UNUSED_NS       (60 * CLOCK_NS_PER_S)

/* A file that is probed. */
struct key_target {
	struct key_file id;
	char *path;
	const char *hook;
	int links[KEY_HOOKS_MAX];
	uint32_t link_count;
	uint32_t pid; /* one that maps it, 0: none known */
	uint32_t processes;
	int64_t seen_ns;
	bool is_system, deleted;
};

/* What is known of a file that has been looked into. */
struct key_seen {
	int64_t changed_ns; /* its ctime: inode numbers are used again */
	int32_t target;     /* -1: nothing to probe */
	uint32_t pad;
};

struct key_files {
	struct key_files_settings settings;
	struct map *seen;
	struct key_target *targets;
	uint32_t count;
	json_t *not_covered;
	struct process_file *unasked; /* programs; their paths are owned */
	uint32_t unasked_count;
	uint32_t turn; /* whose process is checked next */
	bool look_again;
	int64_t looked_ns;
	bool counting; /* a look at all processes is under way */
};

struct key_files *
key_files_new(const struct key_files_settings *settings)
{
	struct key_files *f = alloc_zero(1, sizeof(*f));

	f->settings = *settings;
	f->seen = map_new(sizeof(struct key_file), sizeof(struct key_seen),
			  SEEN_MAX);
	f->targets = alloc_zero(settings->files_max, sizeof(*f->targets));
	f->not_covered = json_array();
	f->unasked = alloc_zero(UNASKED_MAX, sizeof(*f->unasked));
	return f;
}

static void
target_detach(struct key_target *t)
{
	for (uint32_t i = 0; i < t->link_count; i++)
		close(t->links[i]);
	free(t->path);
	*t = (struct key_target){ .path = NULL };
}

void
key_files_free(struct key_files *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < f->count; i++)
		target_detach(&f->targets[i]);
	for (uint32_t i = 0; i < f->unasked_count; i++)
		free((char *)(uintptr_t)f->unasked[i].path);
	free(f->unasked);
	free(f->targets);
	map_free(f->seen);
	json_decref(f->not_covered);
	free(f);
}

static int64_t
stat_changed_ns(const struct stat *st)
{
	return st->st_ctim.tv_sec * CLOCK_NS_PER_S + st->st_ctim.tv_nsec;
}

static void
files_not_covered(struct key_files *f, const char *path, const char *why)
{
	char *shown;

	if (json_array_size(f->not_covered) >= NOT_COVERED_MAX)
		return;
	shown = text_printable(bytes_of(path), PATH_SHOWN);
	json_array_append_new(f->not_covered, json_pack("{s:s,s:s}", "path",
							shown, "why", why));
	free(shown);
}

/* Tells the BPF side that this file needs no wake-up. */
static void
files_mark(const struct key_files *f, const struct key_file *id, bool known)
{
	const uint8_t one = 1;

	if (f->settings.known_files < 0)
		return;
	if (known)
		bpf_map_update_elem(f->settings.known_files, id, &one,
				    BPF_ANY);
	else
		bpf_map_delete_elem(f->settings.known_files, id);
}

/* Attaches every hook of the file; all or none. */
static int
files_attach(const struct key_files *f, int fd, const struct key_hooks *hooks,
	     struct key_target *t, struct error *e)
{
	for (uint32_t i = 0; i < hooks->count; i++) {
		const struct key_hook_place *place = &hooks->places[i];
		int link = probe_link_attach(
			f->settings.method,
			f->settings.programs[place->program], fd,
			place->offset,
			place->program == KEY_PROGRAM_HKDF_RETURN, e);

		if (link < 0) {
			target_detach(t);
			return link;
		}
		t->links[t->link_count++] = link;
	}
	return 0;
}

/* The index of the new target, or -1. */
static int32_t
files_add_target(struct key_files *f, const struct process_file *file, int fd,
		 const struct key_hooks *hooks)
{
	struct key_target *t = &f->targets[f->count];
	struct error error = { .code = 0 };

	if (f->count == f->settings.files_max) {
		files_not_covered(f, file->path,
				  "as many files are probed as are allowed");
		return -1;
	}
	if (files_attach(f, fd, hooks, t, &error) < 0) {
		files_not_covered(f, file->path, error.text);
		return -1;
	}
	t->id = file->id;
	t->path = alloc_string(file->path);
	t->hook = hooks->name;
	t->pid = file->pid;
	t->processes = file->pid ? 1 : 0;
	t->seen_ns = clock_monotonic_ns();
	t->deleted = file->deleted;
	return (int32_t)f->count++;
}

static void
files_ask_later(struct key_files *f, const struct process_file *file)
{
	struct process_file *later = &f->unasked[f->unasked_count];

	if (f->unasked_count == UNASKED_MAX)
		return;
	*later = *file;
	later->path = alloc_string(file->path);
	f->unasked_count++;
}

bool
key_files_unasked(const struct key_files *f)
{
	return f->unasked_count > 0;
}

/* The newest first: it may end soon, and cannot be opened then. */
void
key_files_ask(struct key_files *f)
{
	const struct process_file *file = &f->unasked[--f->unasked_count];
	int fd = process_file_open(f->settings.proc, file);
	const char *why = fd < 0 ? NULL : key_hooks_why(fd);

	if (why)
		files_not_covered(f, file->path, why);
	if (fd >= 0)
		close(fd);
	free((char *)(uintptr_t)file->path);
}

/* Looks into an open file and remembers what came of it. */
static int32_t
files_add(struct key_files *f, const struct process_file *file, int fd,
	  bool is_program)
{
	struct key_hooks hooks = key_hooks_find(fd, file->path, is_program);
	struct key_seen *seen;
	int32_t target = -1;
	struct stat st;

	if (hooks.count > 0)
		target = files_add_target(f, file, fd, &hooks);
	else if (hooks.why)
		files_not_covered(f, file->path, hooks.why);
	else if (key_hooks_unasked(&hooks, is_program))
		files_ask_later(f, file);
	seen = map_put(f->seen, &file->id, NULL);
	if (seen && fstat(fd, &st) == 0)
		*seen = (struct key_seen){ stat_changed_ns(&st), target, 0 };
	files_mark(f, &file->id, seen != NULL);
	return target;
}

/* True when the file with a known number is not the one that was known. */
static bool
files_is_other(const struct key_files *f, const struct key_seen *seen,
	       const struct process_file *file)
{
	struct stat st;
	char *path;
	bool other;

	if (seen->target >= 0 || file->deleted)
		return false; /* what is probed cannot be freed meanwhile */
	path = alloc_format("%s/%u/root%s", f->settings.proc, file->pid,
			    file->path);
	other = stat(path, &st) == 0 && st.st_ino == file->id.inode &&
		stat_changed_ns(&st) != seen->changed_ns;
	free(path);
	return other;
}

static int
files_visit(void *context, const struct process_file *file)
{
	struct key_files *f = context;
	const struct key_seen *seen = map_get(f->seen, &file->id);
	struct key_target *t;
	int fd;

	if (seen && seen->target >= 0) {
		t = &f->targets[seen->target];
		t->processes += f->counting || t->pid != file->pid;
		t->pid = file->pid;
		t->seen_ns = clock_monotonic_ns();
		t->deleted |= file->deleted;
		return 0;
	}
	if (seen && !files_is_other(f, seen, file))
		return 0;
	fd = process_file_open(f->settings.proc, file);
	if (fd < 0)
		return 0;
	files_add(f, file, fd, process_file_is_program(f->settings.proc, file));
	close(fd);
	return 0;
}

void
key_files_look(struct key_files *f, uint32_t pid)
{
	process_files(f->settings.proc, pid, files_visit, f);
}

/* Forgets all that has nothing to probe, so that the table has room. */
static void
files_forget_seen(struct key_files *f)
{
	map_free(f->seen);
	f->seen = map_new(sizeof(struct key_file), sizeof(struct key_seen),
			  SEEN_MAX);
	for (uint32_t i = 0; i < f->count; i++) {
		struct key_seen *seen =
			map_put(f->seen, &f->targets[i].id, NULL);

		seen->target = (int32_t)i;
	}
}

void
key_files_look_all(struct key_files *f)
{
	if (map_count(f->seen) > SEEN_MAX / 2)
		files_forget_seen(f);
	for (uint32_t i = 0; i < f->count; i++) {
		f->targets[i].processes = 0;
		f->targets[i].pid = 0;
	}
	f->counting = true;
	process_files_all(f->settings.proc, files_visit, f);
	f->counting = false;
	f->look_again = false;
	f->looked_ns = clock_monotonic_ns();
}

/* One library of the system, by its name in a directory. */
static void
files_add_library(struct key_files *f, const char *directory, const char *name)
{
	char *path = alloc_format("%s/%s", directory, name);
	struct process_file file = { .path = path };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		int32_t target;

		file.id.inode = st.st_ino;
		file.id.device =
			major(st.st_dev) << 20 | (minor(st.st_dev) & 0xfffff);
		target = map_get(f->seen, &file.id)
				 ? -1
				 : files_add(f, &file, fd, false);
		if (target >= 0)
			f->targets[target].is_system = true;
	}
	if (fd >= 0)
		close(fd);
	free(path);
}

static bool
files_is_library_name(const char *name)
{
	return strncmp(name, "libcrypto.so.3", 14) == 0 ||
	       strncmp(name, "libcrypto.so.1.1", 16) == 0 ||
	       strncmp(name, "libnettle.so.", 13) == 0 ||
	       strncmp(name, "libgnutls.so.", 13) == 0;
}

void
key_files_add_system(struct key_files *f)
{
	static const char *const directories[] = {
		"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib",
		"/lib/x86_64-linux-gnu",     "/lib64",     "/lib",
	};

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories);
	     i++) {
		DIR *directory = opendir(directories[i]);
		const struct dirent *entry;

		while (directory && (entry = readdir(directory)) != NULL)
			if (files_is_library_name(entry->d_name))
				files_add_library(f, directories[i],
						  entry->d_name);
		if (directory)
			closedir(directory);
	}
}

static void
files_remove(struct key_files *f, uint32_t index)
{
	struct key_seen *seen;

	map_remove(f->seen, &f->targets[index].id);
	files_mark(f, &f->targets[index].id, false);
	target_detach(&f->targets[index]);
	if (index != --f->count) {
		f->targets[index] = f->targets[f->count];
		f->targets[f->count] = (struct key_target){ .path = NULL };
		seen = map_get(f->seen, &f->targets[index].id);
		if (seen)
			seen->target = (int32_t)index;
	}
}

static int
files_is_mapped(void *context, const struct process_file *file)
{
	const struct key_file *wanted = context;

	return file->id.inode == wanted->inode &&
	       file->id.device == wanted->device;
}

/* Checks one process of one file, in turn. */
static void
files_check_one(struct key_files *f, int64_t now)
{
	struct key_target *t;

	if (f->count == 0)
		return;
	t = &f->targets[f->turn++ % f->count];
	if (t->is_system)
		return;
	if (t->pid && process_files(f->settings.proc, t->pid, files_is_mapped,
				    &t->id) == 1)
		t->seen_ns = now;
	else
		f->look_again = true;
}

void
key_files_missed(struct key_files *f)
{
	f->look_again = true;
}

void
key_files_tick(struct key_files *f)
{
	int64_t now = clock_monotonic_ns();

	files_check_one(f, now);
	if (!f->look_again || now - f->looked_ns < LOOK_ALL_NS)
		return;
	key_files_look_all(f);
	for (uint32_t i = f->count; i > 0; i--) {
		const struct key_target *t = &f->targets[i - 1];

		if (!t->is_system && t->processes == 0 &&
		    now - t->seen_ns > UNUSED_NS)
			files_remove(f, i - 1);
	}
}

void
key_files_describe(const struct key_files *f, json_t *into)
{
	json_t *files = json_array();

	for (uint32_t i = 0; i < f->count; i++) {
		const struct key_target *t = &f->targets[i];
		char *shown = text_printable(bytes_of(t->path), PATH_SHOWN);

		json_array_append_new(
			files, json_pack("{s:s,s:s,s:b,s:i}", "path", shown,
					 "hook", t->hook, "deleted",
					 (int)t->deleted, "processes",
					 (int)t->processes));
		free(shown);
	}
	json_object_set_new(into, "files", files);
	json_object_set(into, "not_covered", f->not_covered);
}
