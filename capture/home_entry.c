/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/home_entry.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/home.h"
#include "capture/json_file.h"

int
home_entry_missing(const struct home_kind *kind, const char *name,
		   struct error *e)
{
	char *shown = text_printable(bytes_of(name), 100);

	error_set(e, ERR_NOTFOUND, "there is no %s named \"%s\"", kind->what,
		  shown);
	free(shown);
	return ERR_NOTFOUND;
}

char *
home_entry_path(const char *home, const struct home_kind *kind,
		const char *name, struct error *e)
{
	char *path;

	if (!text_is_name(name)) {
		home_entry_missing(kind, name, e);
		return NULL;
	}
	path = home_path(home, kind->folder, name, NULL);
	if (file_exists(path))
		return path;
	free(path);
	home_entry_missing(kind, name, e);
	return NULL;
}

int
home_entry_load(const char *home, const struct home_kind *kind,
		const char *name, json_t **entry, struct error *e)
{
	char *path = home_entry_path(home, kind, name, e);
	char *file;
	int status;

	if (!path)
		return ERR_NOTFOUND;
	file = home_path(path, kind->file, NULL);
	status = json_file_read(file, entry, e);
	if (status == ERR_NOTFOUND)
		status = home_entry_missing(kind, name, e);
	free(file);
	free(path);
	return status;
}

json_t *
home_entry_list(const char *home, const struct home_kind *kind,
		void (*prepare)(json_t *entry, const char *name),
		int (*compare)(const void *, const void *))
{
	char *path = home_path(home, kind->folder, NULL);
	DIR *directory = opendir(path);
	const struct dirent *found;
	json_t *items = json_array();

	free(path);
	while (directory && (found = readdir(directory)) != NULL) {
		json_t *entry;

		if (text_is_name(found->d_name) &&
		    home_entry_load(home, kind, found->d_name, &entry, NULL) ==
			    0) {
			prepare(entry, found->d_name);
			json_array_append_new(items, entry);
		}
	}
	if (directory)
		closedir(directory);
	return home_entry_sort(items, compare);
}

json_t *
home_entry_sort(json_t *items, int (*compare)(const void *, const void *))
{
	size_t count = json_array_size(items);
	json_t **all = alloc_zero(count + 1, sizeof(json_t *));
	json_t *sorted = json_array();

	for (size_t i = 0; i < count; i++)
		all[i] = json_array_get(items, i);
	qsort(all, count, sizeof(json_t *), compare);
	for (size_t i = 0; i < count; i++)
		json_array_append(sorted, all[i]);
	free(all);
	json_decref(items);
	return sorted;
}
