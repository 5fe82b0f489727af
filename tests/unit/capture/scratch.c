/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/capture.h"
#include "capture/home.h"
#include "capture/staging.h"

int
scratch_setup(void **state)
{
	char *path = alloc_string(access("/dev/shm", W_OK) == 0
					  ? "/dev/shm/aftertap-XXXXXX"
					  : "/tmp/aftertap-XXXXXX");

	assert_non_null(mkdtemp(path));
	*state = path;
	return 0;
}

int
scratch_teardown(void **state)
{
	/* Read-only directories of snapshots: taken apart by their owner. */
	char *snapshots = home_path(*state, "snapshots", NULL);
	DIR *directory = opendir(snapshots);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)) != NULL) {
		char *path;

		if (entry->d_name[0] == '.')
			continue;
		path = home_path(snapshots, entry->d_name, NULL);
		staging_discard(path);
		free(path);
	}
	if (directory)
		closedir(directory);
	free(snapshots);
	file_remove_tree(*state, NULL);
	free(*state);
	return 0;
}

char *
scratch_file(const char *home, const char *name, struct bytes data)
{
	char *path = home_path(home, name, NULL);

	assert_int_equal(file_write_atomic(path, data, 0644, NULL), 0);
	return path;
}

void
scratch_block(struct buf *out, uint32_t type, struct bytes body)
{
	uint32_t size = (uint32_t)body.size + 12;

	buf_le32(out, type);
	buf_le32(out, size);
	buf_bytes(out, body);
	buf_le32(out, size);
}

void
scratch_pcap(struct buf *out, uint32_t link_type)
{
	buf_init(out, 64u << 20);
	buf_le32(out, 0xa1b2c3d4);
	buf_le16(out, 2);
	buf_le16(out, 4);
	buf_le64(out, 0);
	buf_le32(out, 262144);
	buf_le32(out, link_type);
}

void
scratch_packet(struct buf *out, int64_t ms, size_t size, uint8_t fill)
{
	int64_t us = ms * 1000;
	uint8_t *at;

	buf_le32(out, (uint32_t)(SCRATCH_EPOCH + us / 1000000));
	buf_le32(out, (uint32_t)(us % 1000000));
	buf_le32(out, (uint32_t)size);
	buf_le32(out, (uint32_t)size);
	at = buf_reserve(out, size);
	assert_non_null(at);
	memset(at, fill, size);
	out->size += size;
}

char *
scratch_capture(const char *home, const char *name, int count, int64_t from_ms,
		int64_t step_ms)
{
	struct buf data;
	char *path;

	scratch_pcap(&data, 1);
	for (int i = 0; i < count; i++)
		scratch_packet(&data, from_ms + i * step_ms, 100, (uint8_t)i);
	path = scratch_file(home, name, buf_view(&data));
	buf_free(&data);
	return path;
}

json_t *
scratch_import(const char *home, const char *name, const char *file)
{
	struct import_request request = {
		.name = name,
		.files = &file,
		.file_count = 1,
		.node = "here",
	};
	struct error e = { .code = 0 };
	json_t *capture = NULL;

	if (capture_import(home, &request, &capture, &e) != 0)
		fail_msg("%s", e.text);
	return capture;
}

void
scratch_import_packets(const char *home, const char *name, int count,
		       int64_t from_ms, int64_t step_ms)
{
	char *file =
		scratch_capture(home, "scratch.pcap", count, from_ms, step_ms);

	json_decref(scratch_import(home, name, file));
	unlink(file);
	free(file);
}

int
scratch_entries(const char *home, const char *directory)
{
	char *path = home_path(home, directory, NULL);
	DIR *open_directory = opendir(path);
	int count = 0;

	while (open_directory && readdir(open_directory))
		count++;
	if (open_directory) {
		closedir(open_directory);
		count -= 2; /* . and .. */
	}
	free(path);
	return count;
}

json_int_t
scratch_integer(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

const char *
scratch_string(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_string(value));
	return json_string_value(value);
}
