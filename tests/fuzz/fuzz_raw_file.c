/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crash left in raw/: any header, any records behind it, any sidecar,
 * any plaintext beside it.
 * The first byte is the size of the sidecar in units of 4; then it, then what
 * follows a header that is made here, because a checksum guards the real one.
 * With bit 2 of the second byte the last half of that is the plaintext.
 */
#include "fuzz.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/recorder/raw_header.h"
#include "capture/recorder/seal.h"
#include "capture/source/source.h"

static void
put(const char *directory, const char *name, const uint8_t *head,
    struct bytes data)
{
	char *path = alloc_format("%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert(fd >= 0);
	if (head)
		assert(file_write_all(fd, head, RAW_PAGE) == 0);
	assert(file_write_all(fd, data.data, data.size) == 0);
	close(fd);
	free(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const folders[] = { "raw", "segments" };
	char directory[] = "/tmp/aftertap-fuzz-XXXXXX";
	struct bytes all = bytes_make(data, size), sidecar, plain;
	struct raw_header header = { .format = RAW_FORMAT_RECORDS,
				     .clock_kind = RAW_CLOCK_MONOTONIC,
				     .generation = 1,
				     .clock = { 1, { { 1, 1 } } } };
	uint8_t page[RAW_PAGE] = { 0 };
	struct seal_result result;

	if (size < 4 || !mkdtemp(directory))
		return 0;
	sidecar = bytes_first(bytes_from(all, 3), (size_t)data[0] * 4);
	all = bytes_from(all, 3 + sidecar.size);
	plain = bytes_from(all, data[1] & 4 ? all.size / 2 : all.size);
	all = bytes_first(all, all.size - plain.size);
	header.format = data[1] & 1 ? RAW_FORMAT_BLOCKS : RAW_FORMAT_RECORDS;
	header.committed = all.size + data[2];
	raw_boot_id(header.boot_id);
	raw_header_encode(&header, page);
	for (int i = 0; i < 2; i++) {
		char *path = alloc_format("%s/%s", directory, folders[i]);

		assert(mkdir(path, 0700) == 0);
		free(path);
	}
	put(directory, "raw/000001.raw", data[1] & 2 ? NULL : page, all);
	put(directory, "raw/000001.json", NULL, sidecar);
	if (plain.size > 0)
		put(directory, "raw/000001.plain", NULL, plain);
	(void)seal_segment(directory, 1, &result, NULL);
	assert(file_remove_tree(directory, NULL) == 0);
	return 0;
}
