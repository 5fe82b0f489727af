/* SPDX-License-Identifier: Apache-2.0 */
/* Segments as the sandboxed reader gets them: the input is one, and its second
 * half another of the same stream; packets go through the export filter. */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "capture/packet_filter.h"
#include "capture/packet_observer.h"
#include "tests/fuzz/fuzz.h"

#define PACKETS_MAX 20000

static int
open_part(void *context, uint32_t index)
{
	const struct bytes *parts = context;
	int fd = memfd_create("segment", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(file_write_all(fd, parts[index].data, parts[index].size) == 0);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void
see_interface(void *context, uint32_t number, const struct pcapng_block *block,
	      bool big_endian)
{
	uint32_t *count = context;

	(void)big_endian;
	assert(number == *count && block->body.size >= 8);
	++*count;
}

static struct packet_filter *
make_filter(void)
{
	static const char *const addresses[] = { "10.0.0.0/8", "fe80::/10" };
	static const uint16_t ports[] = { 53, 80 };
	const struct packet_filter_lists lists = {
		.addresses = addresses,
		.address_count = 2,
		.ports = ports,
		.port_count = 2,
	};
	struct packet_filter *f = packet_filter_new(&lists, NULL);

	assert(f);
	return f;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes parts[] = { bytes_make(data, size),
				 bytes_from(bytes_make(data, size), size / 2),
				 bytes_make(data, size) };
	const struct packet_segment segments[] = { { .stream = 1 },
						   { .stream = 1 },
						   { .stream = 2 } };
	uint32_t interfaces = 0, sum = 0;
	struct packet_filter *filter = make_filter();
	struct packet_record packet;
	struct packet_reader *r = packet_reader_new(
		segments, 3, (struct packet_window){ 0, INT64_MAX },
		(struct packet_segment_source){ parts, open_part });
	bool big;

	packet_reader_observe(r, (struct packet_observer){
					 &interfaces, see_interface, NULL });
	for (int i = 0; i < PACKETS_MAX; i++) {
		if (packet_reader_next(r, &packet) <= 0)
			break;
		assert(packet.length >= packet.captured);
		assert(packet.interface < interfaces);
		for (uint32_t k = 0; k < packet.captured; k++)
			sum += packet.data[k];
		sum += (uint32_t)packet_reader_options(r, &big).size;
		sum += packet_filter_matches(filter, &packet);
	}
	(void)sum;
	packet_filter_free(filter);
	packet_reader_free(r);
	return 0;
}
