/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/imports.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/home.h"
#include "server/jobs/job.h"

#define NAME_LIMIT 100

int
imports_files(const char *home, const char *name, struct import_files *files,
	      struct error *e)
{
	char *directory = home_path(home, "captures", ".jobs", NULL);
	int rc = file_make_dirs(directory, e);

	files->status = alloc_format("%s/%s.json", directory, name);
	files->lock = alloc_format("%s/%s.lock", directory, name);
	files->log = alloc_format("%s/%s.log", directory, name);
	free(directory);
	return rc;
}

void
imports_files_free(struct import_files *files)
{
	free(files->status);
	free(files->lock);
	free(files->log);
}

/* The entry of one job, or NULL when it completed or cannot be read. */
static json_t *
import_entry(const char *directory, const char *name)
{
	char *status_path = alloc_format("%s/%s.json", directory, name);
	char *lock_path = alloc_format("%s/%s.lock", directory, name);
	json_t *status = NULL, *entry = NULL;
	const char *state = NULL;

	if (job_status(status_path, lock_path, &status, NULL) == 0)
		state = json_string_value(json_object_get(status, "state"));
	if (state && strcmp(state, "completed") != 0) {
		bool alive = strcmp(state, "running") == 0 ||
			     strcmp(state, "pending") == 0;

		entry = json_object();
		json_object_set_new(entry, "name", json_string(name));
		json_object_set_new(entry, "state",
				    json_string(alive ? "importing" : state));
		json_object_update_missing(entry, status);
	}
	json_decref(status);
	free(status_path);
	free(lock_path);
	return entry;
}

json_t *
imports_list(const char *home)
{
	char *directory = home_path(home, "captures", ".jobs", NULL);
	json_t *list = json_array();
	struct dirent **entries;
	int count = scandir(directory, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *file = entries[i]->d_name;
		size_t n = strlen(file);
		char *name = n > 5 && strcmp(file + n - 5, ".json") == 0
				     ? alloc_string_n(file, n - 5)
				     : NULL;
		json_t *entry = name && text_is_name(name)
					? import_entry(directory, name)
					: NULL;

		if (entry)
			json_array_append_new(list, entry);
		free(name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(directory);
	return list;
}

static bool
cut_suffix(char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	if (n <= m || strcmp(name + n - m, suffix) != 0)
		return false;
	name[n - m] = '\0';
	return true;
}

char *
imports_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = alloc_string(slash ? slash + 1 : path);
	char *start = name;

	(void)(cut_suffix(name, ".gz") || cut_suffix(name, ".zst") ||
	       cut_suffix(name, ".lz4"));
	(void)(cut_suffix(name, ".pcap") || cut_suffix(name, ".pcapng") ||
	       cut_suffix(name, ".cap") || cut_suffix(name, ".ntar"));
	if (strlen(name) > NAME_LIMIT)
		name[NAME_LIMIT] = '\0';
	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			*c = '-';
	while (*start == '.' || *start == '-')
		start++;
	start = alloc_string(*start ? start : "import");
	free(name);
	return start;
}
