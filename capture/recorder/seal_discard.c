/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal_discard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/recorder/raw_file.h"
#include "capture/source/raw_reader.h"

static void
discard_count(struct raw_file *f, struct seal_result *result)
{
	struct raw_reader reader;
	struct raw_packet packet;

	raw_reader_init(&reader, (enum raw_format)f->header.format, f->records);
	raw_file_rewind(f);
	while (raw_reader_next(&reader, &packet) > 0) {
		int64_t at = packet.time_ns;

		raw_file_read_on(f, packet.offset);
		if (f->header.clock_kind != RAW_CLOCK_UTC)
			at = clock_map_utc(&f->header.clock, (uint64_t)at);
		if (result->packets == 0 || at < result->first_ns)
			result->first_ns = at;
		if (result->packets == 0 || at > result->last_ns)
			result->last_ns = at;
		result->packets++;
	}
	raw_reader_free(&reader);
	result->missing = f->missing;
	result->counted = f->missing == 0;
	if (f->problem)
		snprintf(result->problem, sizeof(result->problem), "%s",
			 f->problem);
}

int
seal_discard(const char *directory, uint32_t number,
	     struct seal_result *result, struct error *e)
{
	char *raw = alloc_format("%s/raw/%06u.raw", directory, number);
	char *sidecar = alloc_format("%s/raw/%06u.json", directory, number);
	char *plain = alloc_format("%s/raw/%06u.plain", directory, number);
	struct raw_file file;
	int status = raw_file_open(raw, &file, e);

	*result = (struct seal_result){ 0 };
	if (status == 0)
		discard_count(&file, result);
	else if (status == ERR_CORRUPT || status == ERR_TRUNCATED)
		snprintf(result->problem, sizeof(result->problem),
			 "no header is whole");
	raw_file_close(&file);
	if (result->counted || result->problem[0]) {
		status = 0;
		(void)unlink(sidecar);
		(void)unlink(plain);
		if (unlink(raw) < 0)
			status = error_set_errno(e, errno, "cannot remove %s",
						 raw);
	}
	free(raw);
	free(sidecar);
	free(plain);
	return status;
}
