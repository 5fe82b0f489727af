/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/snapshot_secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "capture/home.h"

/* A handshake derives its secrets about when its packets are recorded. */
#define AROUND_NS    (60 * CLOCK_NS_PER_S)
#define CAPTURES_MAX 100000u

static struct packet_window
secrets_window(struct packet_window window)
{
	if (window.from_ns > INT64_MIN + AROUND_NS)
		window.from_ns -= AROUND_NS;
	if (window.to_ns < INT64_MAX - AROUND_NS)
		window.to_ns += AROUND_NS;
	return window;
}

/* Makes the file; how many secrets, or an error. */
static int64_t
secrets_copy_staged(const char *from, const char *staged, const char *file,
		    struct packet_window window, char hex[HASH_SHA256_HEX],
		    struct error *e)
{
	char *directory = home_path(staged, "secrets", NULL);
	char *to = home_path(staged, file, NULL);
	int64_t count = file_make_dirs(directory, e);

	if (count == 0)
		count = secrets_copy(from, to, secrets_window(window), hex, e);
	if (count > 0 && file_sync_dir(directory) < 0)
		count = error_set(e, ERR_IO, "cannot sync %s", directory);
	if (count == 0)
		rmdir(directory);
	free(directory);
	free(to);
	return count;
}

int
snapshot_secrets_add(const char *home, const char *staged, const char *capture,
		     struct packet_window window, json_t *list,
		     struct error *e)
{
	char *from = home_path(home, "captures", capture, "secrets.keys", NULL);
	char *file = alloc_format("secrets/%s.keys", capture);
	char hex[HASH_SHA256_HEX];
	int64_t count = 0;

	if (file_exists(from) && access(from, R_OK) != 0)
		json_array_append_new(
			list, json_pack("{s:s,s:s}", "capture", capture,
					"missing", strerror(errno)));
	else if (file_exists(from))
		count = secrets_copy_staged(from, staged, file, window, hex,
					    e);
	if (count > 0)
		json_array_append_new(
			list, json_pack("{s:s,s:s,s:I,s:s}", "file", file,
					"capture", capture, "count",
					(json_int_t)count, "sha256", hex));
	free(file);
	free(from);
	return count < 0 ? (int)count : 0;
}

/* The absolute path of an entry's file, or NULL when it has none or lies about
 * where it is; free(3). */
static char *
secrets_entry_path(const char *path, const json_t *entry)
{
	static const char inside[] = "secrets/";
	const char *file = json_string_value(json_object_get(entry, "file"));

	if (!file || strncmp(file, inside, sizeof(inside) - 1) != 0 ||
	    file[sizeof(inside) - 1] == '.' ||
	    strchr(file + sizeof(inside) - 1, '/'))
		return NULL;
	return home_path(path, file, NULL);
}

static int
secrets_verify_one(const char *path, const json_t *entry, struct error *e)
{
	const char *wanted =
		json_string_value(json_object_get(entry, "sha256"));
	char *file = secrets_entry_path(path, entry);
	char hex[HASH_SHA256_HEX];
	int fd, status = 0;

	if (!file && json_object_get(entry, "missing"))
		return 0;
	if (!file || !wanted) {
		free(file);
		return error_set(e, ERR_CORRUPT,
				 "the manifest does not describe its secrets");
	}
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		status = error_set(e, ERR_CORRUPT, "cannot open %s: %s", file,
				   strerror(errno));
	else if (hash_sha256_fd(fd, hex) < 0)
		status = error_set(e, ERR_IO, "cannot read %s", file);
	else if (strcmp(hex, wanted) != 0)
		status = error_set(e, ERR_CORRUPT,
				   "%s has changed: its SHA-256 is not what "
				   "the manifest says", file);
	if (fd >= 0)
		close(fd);
	free(file);
	return status;
}

int
snapshot_secrets_verify(const char *path, const json_t *manifest,
			struct error *e)
{
	const json_t *entry, *list = json_object_get(manifest, "secrets");
	int status = 0;
	size_t i;

	json_array_foreach (list, i, entry) {
		status = secrets_verify_one(path, entry, e);
		if (status < 0)
			break;
	}
	return status;
}

int
snapshot_secrets_load(const char *path, const json_t *manifest,
		      struct secret_list *list, struct error *e)
{
	const struct packet_window all = { INT64_MIN, INT64_MAX };
	const json_t *entries = json_object_get(manifest, "secrets");
	size_t count = json_array_size(entries);
	int status = 0;

	for (size_t i = 0; i < count && i < CAPTURES_MAX && status == 0; i++) {
		char *file = secrets_entry_path(path,
						json_array_get(entries, i));

		if (file)
			status = secrets_load(file, all, list, e);
		free(file);
	}
	return status;
}
