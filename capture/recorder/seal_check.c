/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/input.h"
#include "capture/pcapng.h"
#include "capture/segment_index.h"

/* zstd's own checksums hold over all bytes of a frame; this one is over what
 * tells packets apart and in which order they came. */
#define DIGEST_DATA 64

void
seal_sum_packet(struct seal_sum *sum, int64_t time_ns, uint32_t interface,
		struct bytes data)
{
	struct hash_key key = { sum->digest ^ (uint64_t)time_ns,
				(uint64_t)interface << 32 | data.size };

	sum->packets++;
	sum->bytes += data.size;
	sum->digest = hash_bytes(key, bytes_first(data, DIGEST_DATA));
}

static int
seal_sum_file(int fd, struct seal_sum *sum, struct error *e)
{
	struct pcapng_packet packet;
	struct pcapng_block block;
	struct pcapng reader;
	struct input in;
	int status = input_open(&in, fd, NULL);

	pcapng_init(&reader, &in);
	if (status == 0)
		status = 1;
	while (status > 0) {
		status = pcapng_next(&reader, &block);
		if (status <= 0 || !pcapng_is_packet(block.type))
			continue;
		if (pcapng_packet(&reader, &block, &packet) < 0)
			status = ERR_CORRUPT;
		else
			seal_sum_packet(sum, packet.time_ns, packet.interface,
					bytes_make(packet.data,
						   packet.captured));
	}
	if (status < 0)
		error_set(e, status, "the sealed segment cannot be read: %s",
			  reader.problem ? reader.problem : err_text(status));
	pcapng_free(&reader);
	input_close(&in);
	return status;
}

int
seal_check(const char *directory, uint32_t number,
	   const struct seal_sum *written, struct error *e)
{
	char *path = alloc_format("%s/%06u" SEGMENT_SUFFIX, directory, number);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct seal_sum read = { 0 };
	int status;

	if (fd < 0) {
		status = error_set_errno(e, errno, "cannot open %s", path);
	} else {
		status = seal_sum_file(fd, &read, e);
		close(fd);
	}
	if (status == 0 && (read.packets != written->packets ||
			    read.bytes != written->bytes ||
			    read.digest != written->digest))
		status = error_set(e, ERR_CORRUPT,
				   "%s does not hold what was written to it",
				   path);
	free(path);
	return status;
}
