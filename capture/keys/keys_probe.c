/* SPDX-License-Identifier: Apache-2.0 */
/* What can be covered here, for "aftertap doctor". */
#include "capture/keys/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/text.h"
#include "capture/keys/key_hooks.h"
#include "capture/keys/key_loader.h"
#include "capture/keys/process_files.h"

#define FILES_MAX  65536u
#define KINDS_MAX  4096u
#define PATH_SHOWN 256u
#define NAME_SIZE  16 /* TASK_COMM_LEN */
/* Of one process; what it has more of is left out. */
#define SHOWN_MAX  3

/* A file that speaks TLS. */
struct probe_file {
	char *path;
	const char *name, *why; /* as struct key_hooks */
};

/* Processes of one name that map the same such files. */
struct probe_kind {
	char name[NAME_SIZE];
	struct key_file covered[SHOWN_MAX], other[SHOWN_MAX];
};

struct probe_processes {
	uint32_t count, first;
};

struct probe {
	struct map *files; /* struct key_file to struct probe_file */
	struct map *kinds; /* struct probe_kind to struct probe_processes */
	uint32_t pid;      /* the one that is being looked at */
	struct probe_kind kind;
};

static void
probe_add(json_t *list, bool ok, const char *detail, const char *fix)
{
	json_array_append_new(list, json_pack("{s:s,s:b,s:s,s:s?}", "check",
					      "tls keys", "ok", (int)ok,
					      "detail", detail, "fix", fix));
}

/* All files of a process were seen. */
static void
probe_end_process(struct probe *p)
{
	const struct probe_kind *kind = &p->kind;
	struct probe_processes *processes;

	if (kind->covered[0].inode == 0 && kind->other[0].inode == 0)
		return;
	processes = map_put(p->kinds, kind, NULL);
	if (!processes)
		return;
	if (processes->count++ == 0)
		processes->first = p->pid;
}

static void
probe_begin_process(struct probe *p, uint32_t pid)
{
	char *path = alloc_format("/proc/%u/comm", pid);
	FILE *comm = fopen(path, "re");

	probe_end_process(p);
	p->pid = pid;
	memset(&p->kind, 0, sizeof(p->kind));
	if (comm && fgets(p->kind.name, NAME_SIZE, comm))
		p->kind.name[strcspn(p->kind.name, "\n")] = '\0';
	if (comm)
		fclose(comm);
	free(path);
}

static void
probe_note(struct key_file *files, const struct key_file *file)
{
	for (int i = 0; i < SHOWN_MAX; i++) {
		if (memcmp(&files[i], file, sizeof(*file)) == 0)
			return;
		if (files[i].inode == 0) {
			files[i] = *file;
			return;
		}
	}
}

static const struct probe_file *
probe_look(struct probe *p, const struct process_file *file)
{
	struct probe_file *known = map_get(p->files, &file->id);
	bool is_program = process_file_is_program("/proc", file);
	struct key_hooks hooks;
	int fd;

	if (known)
		return known;
	known = map_put(p->files, &file->id, NULL);
	fd = process_file_open("/proc", file);
	if (!known || fd < 0)
		return known;
	hooks = key_hooks_find(fd, file->path, is_program);
	if (key_hooks_unasked(&hooks, is_program))
		hooks.why = key_hooks_why(fd);
	close(fd);
	known->name = hooks.name;
	known->why = hooks.why;
	if (known->name || known->why)
		known->path = alloc_string(file->path);
	return known;
}

static int
probe_visit(void *context, const struct process_file *file)
{
	struct probe *p = context;
	const struct probe_file *known;

	if (file->pid == (uint32_t)getpid())
		return 0; /* it has all these names in it */
	if (file->pid != p->pid)
		probe_begin_process(p, file->pid);
	known = probe_look(p, file);
	if (known && known->path)
		probe_note(known->name ? p->kind.covered : p->kind.other,
			   &file->id);
	return 0;
}

static void
probe_tell_files(const struct probe *p, struct buf *text,
		 const struct key_file *files, const char *before)
{
	for (int i = 0; i < SHOWN_MAX && files[i].inode; i++) {
		const struct probe_file *file = map_get(p->files, &files[i]);
		char *path = text_printable(bytes_of(file->path), PATH_SHOWN);

		buf_format(text, "%s%s%s (%s)", i ? ", " : "", i ? "" : before,
			   path, file->name ? file->name : file->why);
		free(path);
	}
}

/* "nginx (5 processes, first 812): by /usr/lib/libcrypto.so.3 (OpenSSL …)" */
static void
probe_tell(const struct probe *p, json_t *list, const struct probe_kind *kind,
	   const struct probe_processes *processes)
{
	bool covered = kind->covered[0].inode != 0;
	char *name = text_printable(bytes_of(kind->name), PATH_SHOWN);
	struct buf text;

	buf_init(&text, (SHOWN_MAX * 2 + 1) * (PATH_SHOWN + 256));
	buf_format(&text, "%s (%u process%s, first %u): ", name,
		   processes->count, processes->count == 1 ? "" : "es",
		   processes->first);
	probe_tell_files(p, &text, kind->covered, "by ");
	probe_tell_files(p, &text, kind->other,
			 covered ? "; but not what " : "not by ");
	probe_add(list, covered, buf_cstr(&text),
		  covered ? NULL : "its TLS stays unread");
	buf_free(&text);
	free(name);
}

static void
probe_free(struct probe *p)
{
	const void *key;
	void *value;

	for (size_t at = 0; map_next(p->files, &at, &key, &value);)
		free(((struct probe_file *)value)->path);
	map_free(p->files);
	map_free(p->kinds);
}

/* Every kind of process once, those that can be covered first. */
static void
probe_processes(json_t *list)
{
	struct probe p = {
		.files = map_new(sizeof(struct key_file),
				 sizeof(struct probe_file), FILES_MAX),
		.kinds = map_new(sizeof(struct probe_kind),
				 sizeof(struct probe_processes), KINDS_MAX),
	};
	int unread = process_files_all("/proc", probe_visit, &p);
	const void *key;
	void *value;
	char text[96];

	probe_end_process(&p);
	for (int covered = 1; covered >= 0; covered--)
		for (size_t at = 0; map_next(p.kinds, &at, &key, &value);) {
			const struct probe_kind *kind = key;

			if ((kind->covered[0].inode != 0) == covered)
				probe_tell(&p, list, kind, value);
		}
	probe_free(&p);
	if (unread > 0) {
		snprintf(text, sizeof(text),
			 "%d processes could not be looked into", unread);
		probe_add(list, false, text, "needs CAP_SYS_PTRACE");
	}
}

static int
probe_ignore(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

static void
probe_loader(json_t *list)
{
	struct key_loader_settings settings = {
		.ring_bytes = 1u << 16,
		.on_secret = probe_ignore,
		.on_program = probe_ignore,
	};
	struct key_loader loader = { .skeleton = NULL };
	struct error e = { .code = 0 };
	const json_t *lack;
	size_t i;

	if (key_loader_open(&loader, &settings, &e) < 0)
		probe_add(list, false, e.text,
			  e.code == ERR_DENIED ? "run as root or grant them"
					       : NULL);
	else
		probe_add(list, true,
			  loader.method == PROBE_MULTI
				  ? "programs load and attach (uprobe_multi)"
				  : "programs load and attach (PMU uprobes)",
			  NULL);
	json_array_foreach (loader.degraded, i, lack)
		probe_add(list, false,
			  json_string_value(json_object_get(lack, "why")),
			  NULL);
	key_loader_close(&loader);
}

json_t *
keys_probe(void)
{
	json_t *list = json_array();

	probe_loader(list);
	probe_processes(list);
	return list;
}
