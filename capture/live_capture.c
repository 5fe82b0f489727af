/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/live_capture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/home.h"
#include "capture/json_file.h"
#include "capture/losses.h"
#include "capture/recorder_client.h"

#define BLOCK_SIZE 512
#define RAW_MAX    100000

bool
live_capture_is(const json_t *capture)
{
	const char *kind = json_string_value(json_object_get(capture, "kind"));

	return kind && strcmp(kind, "live") == 0;
}

static bool
ends_with(const char *name, const char *suffix)
{
	size_t size = strlen(name), end = strlen(suffix);

	return size > end && strcmp(name + size - end, suffix) == 0;
}

/* What lies in raw/: sizes, and losses that no index entry has yet. */
static void
live_add_unsealed(json_t *capture, const char *home, const char *name,
		  struct losses *losses)
{
	char *path = home_path(home, "captures", name, "raw", NULL);
	DIR *directory = opendir(path);
	const struct dirent *entry;
	json_int_t segments = 0, bytes = 0;
	struct stat info;

	while (directory && (entry = readdir(directory)) != NULL &&
	       segments < RAW_MAX) {
		json_t *sidecar = NULL;
		char *file;

		if (ends_with(entry->d_name, ".raw") &&
		    fstatat(dirfd(directory), entry->d_name, &info,
			    AT_SYMLINK_NOFOLLOW) == 0) {
			segments++;
			bytes += info.st_size;
		}
		if (!ends_with(entry->d_name, ".json"))
			continue;
		file = home_path(path, entry->d_name, NULL);
		if (json_file_read(file, &sidecar, NULL) == 0) {
			losses_parse(json_object_get(sidecar, "losses"),
				     losses);
			json_decref(sidecar);
		}
		free(file);
	}
	if (directory)
		closedir(directory);
	free(path);
	if (segments)
		json_object_set_new(capture, "unsealed",
				    json_pack("{s:I,s:I}", "segments",
					      segments, "bytes", bytes));
}

static void
live_set_state(json_t *capture, const char *home, const char *name)
{
	const char *state =
		json_string_value(json_object_get(capture, "state"));
	json_int_t pid = json_integer_value(json_object_get(capture, "pid"));
	int holder = recorder_client_holder(home, name);
	bool ended = state && (strcmp(state, "stopped") == 0 ||
			       strcmp(state, "failed") == 0);

	/* One that has just begun has not written its state yet. */
	if (holder > 0 && holder != pid)
		json_object_set_new(capture, "state", json_string("starting"));
	if (holder != 0)
		return;
	json_object_del(capture, "pid");
	if (ended)
		return;
	json_object_set_new(capture, "state", json_string("failed"));
	json_object_set_new(
		capture, "error",
		json_sprintf("the recorder ended without stopping; what it "
			     "recorded is kept, and aftertap capture --name %s "
			     "goes on with it", name));
}

/* Losses that are of a segment already come from capture.json as well: the
 * file has those of all time, so only newer ones are added. */
static void
live_set_losses(json_t *capture, const struct losses *raw)
{
	struct losses all = { 0 };
	int64_t known = json_integer_value(
		json_object_get(capture, "updated_ns"));

	losses_parse(json_object_get(capture, "losses"), &all);
	for (size_t i = 0; i < raw->count; i++)
		if (raw->items[i].to_ns > known)
			losses_add(&all, &raw->items[i]);
	json_object_set_new(capture, "losses", losses_json(&all));
	json_object_set_new(capture, "lost_packets",
			    json_integer((json_int_t)losses_packets(&all)));
}

void
live_capture_complete(json_t *capture, const char *home, const char *name)
{
	struct losses raw = { 0 };

	if (!live_capture_is(capture))
		return;
	live_set_state(capture, home, name);
	live_add_unsealed(capture, home, name, &raw);
	live_set_losses(capture, &raw);
	json_object_del(capture, "updated_ns");
}

int
live_capture_check_idle(const char *home, const char *name, struct error *e)
{
	if (recorder_client_holder(home, name) == 0)
		return 0;
	return error_set(e, ERR_BUSY,
			 "capture \"%s\" is still being recorded; stop it "
			 "first", name);
}
