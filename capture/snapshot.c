/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"
#include "capture/home.h"
#include "capture/home_entry.h"
#include "capture/segment_index.h"
#include "capture/snapshot_secrets.h"
#include "capture/staging.h"

#define SEGMENTS_MAX 1000000

static const struct home_kind snapshots = { "snapshot", "snapshots",
					    "manifest.json" };

static int
snapshot_damaged(const char *name, const char *what, struct error *e)
{
	return error_set(e, ERR_CORRUPT,
			 "the manifest of snapshot \"%s\" is damaged: %s", name,
			 what);
}

int
snapshot_load(const char *home, const char *name, json_t **manifest,
	      struct error *e)
{
	return home_entry_load(home, &snapshots, name, manifest, e);
}

static int
snapshot_by_age(const void *a, const void *b)
{
	const json_t *const *left = a, *const *right = b;
	const char *created[2];

	created[0] = json_string_value(json_object_get(*left, "created"));
	created[1] = json_string_value(json_object_get(*right, "created"));
	return strcmp(created[1] ? created[1] : "",
		      created[0] ? created[0] : "");
}

static void
snapshot_without_segments(json_t *manifest, const char *name)
{
	(void)name;
	json_object_del(manifest, "segments");
}

int
snapshot_list(const char *home, json_t **list, struct error *e)
{
	(void)e; /* a home without snapshots is an empty list */
	*list = home_entry_list(home, &snapshots, snapshot_without_segments,
				snapshot_by_age);
	return 0;
}

/* The absolute path of a manifest's segment, or NULL when the manifest lies
 * about where it is; free(3). */
static char *
snapshot_segment_path(const char *path, const json_t *segment)
{
	static const char inside[] = "segments/";
	const char *file = json_string_value(json_object_get(segment, "file"));

	if (!file || strncmp(file, inside, sizeof(inside) - 1) != 0 ||
	    file[sizeof(inside) - 1] == '.' ||
	    strchr(file + sizeof(inside) - 1, '/'))
		return NULL;
	return home_path(path, file, NULL);
}

static int
snapshot_verify_segment(const char *path, const char *name,
			const json_t *segment, struct error *e)
{
	struct segment_index index;
	char hex[HASH_SHA256_HEX];
	char *file = snapshot_segment_path(path, segment);
	int fd, status = 0;

	if (!file || segment_index_parse(segment, &index) < 0) {
		free(file);
		return snapshot_damaged(name, "a segment is not described", e);
	}
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		status = error_set_errno(e, errno, "cannot open %s", file);
	else if (hash_sha256_fd(fd, hex) < 0)
		status = error_set(e, ERR_IO, "cannot read %s", file);
	else if (strcmp(hex, index.sha256) != 0)
		status = error_set(e, ERR_CORRUPT,
				   "%s has changed: its SHA-256 is %s, the "
				   "manifest says %s",
				   file, hex, index.sha256);
	if (fd >= 0)
		close(fd);
	free(file);
	/* A segment that is gone is damage to the snapshot. */
	if (status == ERR_NOTFOUND && e)
		e->code = ERR_CORRUPT;
	return status == ERR_NOTFOUND ? ERR_CORRUPT : status;
}

int
snapshot_verify(const char *home, const char *name,
		const atomic_bool *cancelled, struct error *e)
{
	json_t *manifest, *segments;
	char *path;
	int status = snapshot_load(home, name, &manifest, e);

	if (status < 0)
		return status;
	path = home_path(home, "snapshots", name, NULL);
	segments = json_object_get(manifest, "segments");
	if (!json_is_array(segments))
		status = snapshot_damaged(name, "it lists no segments", e);
	for (size_t i = 0; i < json_array_size(segments) && status == 0; i++) {
		if (cancelled && atomic_load(cancelled))
			status = error_set(e, ERR_CANCELLED,
					   "verification was cancelled");
		else
			status = snapshot_verify_segment(
				path, name, json_array_get(segments, i), e);
	}
	if (status == 0)
		status = snapshot_secrets_verify(path, manifest, e);
	free(path);
	json_decref(manifest);
	return status;
}

/* The name of a dissection that runs, or NULL; free(3). */
static char *
snapshot_running_dissection(const char *path)
{
	static const char suffix[] = ".lock";
	char *inside = home_path(path, "dissections", NULL);
	DIR *directory = opendir(inside);
	const struct dirent *entry;
	char *running = NULL;

	while (directory && !running && (entry = readdir(directory)) != NULL) {
		size_t size = strlen(entry->d_name);
		char *lock;

		if (size < sizeof(suffix) ||
		    strcmp(entry->d_name + size - 5, suffix) != 0)
			continue;
		lock = home_path(inside, entry->d_name, NULL);
		if (file_lock_holder(lock) != 0)
			running = alloc_string_n(entry->d_name, size - 5);
		free(lock);
	}
	if (directory)
		closedir(directory);
	free(inside);
	return running;
}

int
snapshot_delete(const char *home, const char *name, struct error *e)
{
	char *path = home_entry_path(home, &snapshots, name, e);
	char *running;
	int status;

	if (!path)
		return ERR_NOTFOUND;
	running = snapshot_running_dissection(path);
	if (running)
		status = error_set(e, ERR_BUSY,
				   "dissection \"%s\" of snapshot \"%s\" is "
				   "running; stop it first",
				   running, name);
	else
		status = staging_remove(path, e);
	free(running);
	free(path);
	return status;
}

/* Streams are numbered as (capture, stream of the capture) pairs appear. */
struct stream_key {
	uint32_t capture; /* position in the manifest's captures */
	uint32_t stream;
};

static uint32_t
snapshot_capture_position(const json_t *manifest, const json_t *segment)
{
	const char *name =
		json_string_value(json_object_get(segment, "capture"));
	json_t *captures = json_object_get(manifest, "captures");

	for (size_t i = 0; i < json_array_size(captures); i++) {
		const char *other = json_string_value(
			json_object_get(json_array_get(captures, i), "name"));

		if (name && other && strcmp(name, other) == 0)
			return (uint32_t)i;
	}
	return UINT32_MAX;
}

static int
snapshot_open_segment(struct snapshot *s, const char *path, const json_t *entry,
		      struct map *streams)
{
	struct packet_segment *segment = &s->segments[s->segment_count];
	struct frame_checks *checks = &s->checks[s->segment_count];
	struct stream_key key = { .capture = 0 };
	struct segment_index index;
	uint32_t *number;
	bool added;

	if (segment_index_parse(entry, &index) < 0)
		return ERR_CORRUPT;
	s->paths[s->segment_count] = snapshot_segment_path(path, entry);
	if (!s->paths[s->segment_count])
		return ERR_CORRUPT;
	if (frame_checks_get(entry, checks) < 0)
		return ERR_CORRUPT;
	key.capture = snapshot_capture_position(s->manifest, entry);
	key.stream = index.stream;
	number = map_put(streams, &key, &added);
	if (added)
		*number = (uint32_t)map_count(streams);
	*segment = (struct packet_segment){
		.stream = *number,
		.first_ns = index.first_ns,
		.last_ns = index.last_ns,
		.stored_bytes = index.stored_bytes,
		.frame_checks = checks->items,
		.frame_check_count = checks->count,
	};
	s->segment_count++;
	return 0;
}

static int
snapshot_open_segments(struct snapshot *s, const char *path)
{
	json_t *entries = json_object_get(s->manifest, "segments");
	size_t count = json_array_size(entries);
	struct map *streams;
	int status = 0;

	if (!json_is_array(entries) || count > SEGMENTS_MAX)
		return ERR_CORRUPT;
	s->segments = alloc_zero(count + 1, sizeof(*s->segments));
	s->checks = alloc_zero(count + 1, sizeof(*s->checks));
	s->paths = alloc_zero(count + 1, sizeof(char *));
	streams =
		map_new(sizeof(struct stream_key), sizeof(uint32_t), count + 1);
	for (size_t i = 0; i < count && status == 0; i++)
		status = snapshot_open_segment(
			s, path, json_array_get(entries, i), streams);
	map_free(streams);
	return status;
}

static struct packet_window
snapshot_window(const json_t *manifest)
{
	struct packet_window window = { INT64_MIN, INT64_MAX };
	const json_t *from = json_object_get(manifest, "from_ns");
	const json_t *to = json_object_get(manifest, "to_ns");

	if (json_is_integer(from))
		window.from_ns = json_integer_value(from);
	if (json_is_integer(to))
		window.to_ns = json_integer_value(to);
	return window;
}

int
snapshot_open(const char *home, const char *name, struct snapshot *s,
	      struct error *e)
{
	int status;

	*s = (struct snapshot){ .segments = NULL };
	status = snapshot_load(home, name, &s->manifest, e);
	if (status < 0)
		return status;
	s->path = home_path(home, "snapshots", name, NULL);
	s->window = snapshot_window(s->manifest);
	status = snapshot_open_segments(s, s->path);
	if (status < 0) {
		snapshot_close(s);
		return snapshot_damaged(name, "a segment is not described", e);
	}
	return 0;
}

void
snapshot_close(struct snapshot *s)
{
	if (s->paths)
		for (uint32_t i = 0; s->paths[i]; i++)
			free(s->paths[i]);
	for (uint32_t i = 0; i < s->segment_count; i++)
		frame_checks_free(&s->checks[i]);
	free(s->checks);
	free(s->paths);
	free(s->path);
	free(s->segments);
	json_decref(s->manifest);
	*s = (struct snapshot){ .segments = NULL };
}

static int
snapshot_source_open(void *context, uint32_t index)
{
	const struct snapshot *s = context;
	int fd;

	if (index >= s->segment_count)
		return ERR_NOTFOUND;
	fd = open(s->paths[index], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? ERR_IO : fd;
}

struct packet_segment_source
snapshot_source(struct snapshot *s)
{
	return (struct packet_segment_source){ s, snapshot_source_open };
}
