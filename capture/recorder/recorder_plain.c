/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of plaintext, in a file beside the open raw segment. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "capture/recorder/recorder_internal.h"

static void
recorder_lose_plain(struct recorder *r)
{
	int64_t now = clock_wall_ns();
	const struct loss loss = {
		.cause = r->disk == DISK_FULL ? LOSS_DISK_FULL
					      : LOSS_DISK_ERROR,
		.packets = LOSS_PACKETS_UNKNOWN,
		.from_ns = now,
		.to_ns = now,
	};

	recorder_lose(r, &loss);
}

static int
recorder_open_plain(struct recorder *r)
{
	char *path = alloc_format("%s/raw/%06u.plain", r->directory,
				  r->open.number);

	r->plain = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r->plain_bytes = 0;
	free(path);
	return r->plain;
}

void
recorder_take_plain(struct recorder *r, struct bytes records)
{
	if (!r->drain || records.size == 0)
		return;
	if (r->open.number && r->plain_bytes >= r->settings.segment_bytes)
		recorder_close_segment(r);
	if (r->disk != DISK_GOOD || !recorder_have_segment(r) ||
	    (r->plain < 0 && recorder_open_plain(r) < 0)) {
		recorder_lose_plain(r);
		return;
	}
	if (file_write_all(r->plain, records.data, records.size) < 0) {
		/* Half a record would hide those behind it: none may follow. */
		if (ftruncate(r->plain, (off_t)r->plain_bytes) < 0 ||
		    lseek(r->plain, (off_t)r->plain_bytes, SEEK_SET) < 0)
			recorder_close_segment(r);
		recorder_lose_plain(r);
		return;
	}
	r->plain_bytes += records.size;
	r->written_bytes += records.size;
}

void
recorder_close_plain(struct recorder *r)
{
	if (r->plain >= 0)
		close(r->plain);
	r->plain = -1;
	r->plain_bytes = 0;
}
