/* SPDX-License-Identifier: Apache-2.0 */
/* A file to import, of any format and packing: every event is converted as for
 * a segment, and nothing is handed out that is not inside of the input. */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "capture/capture_file.h"
#include "capture/pcapng_convert.h"
#include "tests/fuzz/fuzz.h"

/* A bomb is cut off: it costs time only, and that is not what we look for. */
#define EVENTS_MAX 20000

/* Reads every byte, so that a sanitizer sees those that are not there. */
static unsigned
touch(struct bytes in)
{
	unsigned sum = 0;

	for (size_t i = 0; i < in.size; i++)
		sum += in.data[i];
	return sum;
}

static void
convert_block(const struct capture_file *f, const struct capture_event *event,
	      struct buf *out)
{
	const struct pcapng *p = &f->pcapng;
	struct bytes body = event->block.body;

	if (event->block.type == PCAPNG_STATISTICS && body.size >= 12 &&
	    p->interface_count > 0)
		pcapng_convert_statistics(out, body, event->big_endian,
					  &p->interfaces[0], 0);
	else
		pcapng_convert_body(out, event->block.type, body,
				    event->big_endian);
}

static void
take(const struct capture_file *f, const struct capture_event *event,
     struct buf *out)
{
	const struct pcapng_packet *packet = &event->packet;

	buf_reset(out);
	switch (event->kind) {
	case CAPTURE_EVENT_PACKET:
		assert(packet->captured <= PCAPNG_PACKET_MAX);
		assert(packet->time_ns >= 0 && packet->time_ns < INT64_MAX);
		touch(bytes_make(packet->data, packet->captured));
		pcapng_convert_options(out, PCAPNG_ENHANCED_PACKET,
				       packet->options, event->big_endian);
		break;
	case CAPTURE_EVENT_SECTION:
	case CAPTURE_EVENT_INTERFACE:
		pcapng_convert_options(out, PCAPNG_INTERFACE, event->options,
				       event->big_endian);
		break;
	case CAPTURE_EVENT_BLOCK:
		convert_block(f, event, out);
		break;
	}
	assert(!out->failed);
	touch(buf_view(out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_event event = { .kind = CAPTURE_EVENT_BLOCK };
	struct capture_file f;
	struct buf out;
	struct error e;
	int fd = memfd_create("input", MFD_CLOEXEC);

	assert(fd >= 0 && file_write_all(fd, data, size) == 0);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	buf_init(&out, PCAPNG_BLOCK_MAX * 2);
	if (capture_file_open(&f, fd, "input", NULL, &e) == 0) {
		int status = 1;

		for (int i = 0; i < EVENTS_MAX && status > 0; i++) {
			status = capture_file_next(&f, &event);
			if (status > 0)
				take(&f, &event, &out);
		}
		if (status < 0)
			assert(capture_file_problem(&f)[0]);
	} else {
		assert(e.text[0]);
	}
	capture_file_close(&f);
	buf_free(&out);
	close(fd);
	return 0;
}
