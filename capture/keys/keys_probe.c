/* SPDX-License-Identifier: Apache-2.0 */
/* What can be covered here, for "aftertap doctor". */
#include "capture/keys/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/text.h"
#include "capture/keys/key_hooks.h"
#include "capture/keys/key_loader.h"
#include "capture/keys/process_files.h"

#define FILES_MAX  65536u
#define PATH_SHOWN 256u

/* A file that speaks TLS, and how many processes map it. */
struct probe_file {
	char *path;
	const char *name, *why; /* as struct key_hooks */
	uint32_t processes;
	uint32_t pid; /* the first one */
};

struct probe {
	struct map *files; /* struct key_file to struct probe_file */
};

static void
probe_add(json_t *list, bool ok, const char *detail, const char *fix)
{
	json_array_append_new(list, json_pack("{s:s,s:b,s:s,s:s?}", "check",
					      "tls keys", "ok", (int)ok,
					      "detail", detail, "fix", fix));
}

static int
probe_visit(void *context, const struct process_file *file)
{
	struct probe *p = context;
	struct probe_file *known = map_get(p->files, &file->id);
	struct key_hooks hooks;
	int fd;

	if (file->pid == (uint32_t)getpid())
		return 0; /* it has all these names in it */
	if (!known) {
		known = map_put(p->files, &file->id, NULL);
		fd = process_file_open("/proc", file);
		if (!known || fd < 0)
			return 0;
		hooks = key_hooks_find(fd, file->path,
				       process_file_is_program("/proc", file),
				       true);
		close(fd);
		known->name = hooks.name;
		known->why = hooks.why;
		known->pid = file->pid;
		if (known->name || known->why)
			known->path = alloc_string(file->path);
	}
	known->processes++;
	return 0;
}

static void
probe_tell(json_t *list, const struct probe_file *file)
{
	char *path = text_printable(bytes_of(file->path), PATH_SHOWN);
	char *detail = alloc_format(
		"%s: %s (%u process%s, first %u)", path,
		file->name ? file->name : file->why, file->processes,
		file->processes == 1 ? "" : "es", file->pid);

	probe_add(list, file->name != NULL, detail,
		  file->name ? NULL : "its TLS stays unread");
	free(detail);
	free(path);
}

/* Every file once, those that can be covered first. */
static void
probe_processes(json_t *list)
{
	struct probe p = { map_new(sizeof(struct key_file),
				   sizeof(struct probe_file), FILES_MAX) };
	int unread = process_files_all("/proc", probe_visit, &p);
	const void *key;
	void *value;
	char text[96];

	for (int covered = 1; covered >= 0; covered--)
		for (size_t at = 0; map_next(p.files, &at, &key, &value);) {
			const struct probe_file *file = value;

			if (file->path && (file->name != NULL) == covered)
				probe_tell(list, file);
		}
	for (size_t at = 0; map_next(p.files, &at, &key, &value);)
		free(((struct probe_file *)value)->path);
	map_free(p.files);
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
