/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "capture/capture.h"
#include "capture/home.h"
#include "capture/home_entry.h"
#include "capture/json_file.h"
#include "capture/live_capture.h"
#include "capture/segment_index.h"
#include "capture/staging.h"

#define SEGMENTS_MAX 1000000

static const struct home_kind captures = { "capture", "captures",
					   "capture.json" };

int
capture_load(const char *home, const char *name, json_t **capture,
	     struct error *e)
{
	int status = home_entry_load(home, &captures, name, capture, e);

	if (status == 0)
		live_capture_complete(*capture, home, name);
	return status;
}

static int
capture_by_first(const void *a, const void *b)
{
	json_t *const *left = a, *const *right = b;
	const char *first[2], *name[2];
	int order;

	for (int i = 0; i < 2; i++) {
		const json_t *capture = i ? *right : *left;

		first[i] = json_string_value(json_object_get(capture, "first"));
		name[i] = json_string_value(json_object_get(capture, "name"));
	}
	order = strcmp(first[0] ? first[0] : "", first[1] ? first[1] : "");
	return order ? order : strcmp(name[0], name[1]);
}

static void
capture_name(json_t *capture, const char *name)
{
	json_object_set_new(capture, "name", json_string(name));
}

int
capture_list(const char *home, json_t **list, struct error *e)
{
	json_t *capture;
	size_t i;

	(void)e; /* a home without captures is an empty list */
	*list = home_entry_list(home, &captures, capture_name,
				capture_by_first);
	json_array_foreach (*list, i, capture)
		live_capture_complete(
			capture, home,
			json_string_value(json_object_get(capture, "name")));
	return 0;
}

static int
capture_by_file(const void *a, const void *b)
{
	json_t *const *left = a, *const *right = b;
	struct segment_index index[2];

	segment_index_parse(*left, &index[0]);
	segment_index_parse(*right, &index[1]);
	return (index[0].number > index[1].number) -
	       (index[0].number < index[1].number);
}

/* Reads the index entry `name` of a segment into `items`. */
static int
capture_read_entry(const char *segments, const char *name, json_t *items,
		   struct error *e)
{
	struct segment_index index;
	char *path = home_path(segments, name, NULL);
	json_t *entry;
	int status = json_file_read(path, &entry, e);

	if (status == ERR_NOTFOUND) { /* evicted since the folder was read */
		free(path);
		return 0;
	}
	if (status == 0 && (segment_index_parse(entry, &index) < 0 ||
			    json_array_size(items) >= SEGMENTS_MAX)) {
		json_decref(entry);
		status = error_set(e, ERR_CORRUPT,
				   "%s is not the index entry of a segment",
				   path);
	}
	if (status == 0)
		json_array_append_new(items, entry);
	free(path);
	return status;
}

int
capture_segments(const char *home, const char *name, json_t **segments,
		 struct error *e)
{
	char *path = home_entry_path(home, &captures, name, e);
	char *inside = path ? home_path(path, "segments", NULL) : NULL;
	DIR *directory = inside ? opendir(inside) : NULL;
	const struct dirent *entry;
	json_t *items = json_array();
	int status = path ? 0 : ERR_NOTFOUND;

	while (status == 0 && directory &&
	       (entry = readdir(directory)) != NULL) {
		size_t size = strlen(entry->d_name);

		/* A dot begins the temporary name of one being written. */
		if (entry->d_name[0] != '.' && size > 5 &&
		    strcmp(entry->d_name + size - 5, ".json") == 0)
			status = capture_read_entry(inside, entry->d_name,
						    items, e);
	}
	if (directory)
		closedir(directory);
	free(inside);
	free(path);
	if (status < 0)
		json_decref(items);
	else
		*segments = home_entry_sort(items, capture_by_file);
	return status;
}

int
capture_delete(const char *home, const char *name, struct error *e)
{
	char *path = home_entry_path(home, &captures, name, e);
	char *lock;
	int status;

	if (!path)
		return ERR_NOTFOUND;
	lock = home_path(path, "job.lock", NULL);
	status = live_capture_check_idle(home, name, e);
	if (status == 0 && file_lock_holder(lock) != 0)
		status = error_set(e, ERR_BUSY,
				   "capture \"%s\" is still being imported",
				   name);
	if (status == 0)
		status = staging_remove(path, e);
	free(lock);
	free(path);
	return status;
}
