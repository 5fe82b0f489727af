/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcap_file.h"

#include "base/clock.h"
#include "base/err.h"

#define MAGIC_MICROSECONDS 0xa1b2c3d4u
#define MAGIC_NANOSECONDS  0xa1b23c4du
#define MAGIC_KUZNETZOV    0xa1b2cd34u

#define RECORD_HEADER 16
/* Interface index, protocol and packet type follow the usual fields. */
#define RECORD_HEADER_KUZNETZOV 24
/* In the link type field: the upper four bits count 16-bit words of FCS. */
#define FCS_PRESENT 0x04000000u

static bool
pcap_known_magic(uint32_t magic)
{
	return magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS ||
	       magic == MAGIC_KUZNETZOV;
}

bool
pcap_detect(struct bytes start)
{
	return start.size >= 4 &&
	       (pcap_known_magic(pcapng_u32(start.data, false)) ||
		pcap_known_magic(pcapng_u32(start.data, true)));
}

/* Fewer bytes than wanted: the end, or what input says. */
static int
pcap_short(struct pcap_file *f, const char *where)
{
	if (f->in->status == 0) {
		f->problem = where;
		return ERR_TRUNCATED;
	}
	f->problem = input_problem(f->in);
	return f->in->status;
}

int
pcap_open(struct pcap_file *f, struct input *in)
{
	uint32_t magic, network;

	*f = (struct pcap_file){ .in = in };
	if (!input_need(in, PCAP_HEADER))
		return pcap_short(f, "it ends inside the file header");
	f->big_endian = !pcap_known_magic(pcapng_u32(in->at, false));
	magic = pcapng_u32(in->at, f->big_endian);
	f->nanoseconds = magic == MAGIC_NANOSECONDS;
	f->record_header = magic == MAGIC_KUZNETZOV ? RECORD_HEADER_KUZNETZOV
						    : RECORD_HEADER;
	/* Newer than 2.4 does not exist, but some write nonsense there. */
	if (pcapng_u16(in->at + 4, f->big_endian) < 2) {
		f->problem = "the file header has an unknown version";
		return ERR_CORRUPT;
	}
	f->swapped_lengths = pcapng_u16(in->at + 6, f->big_endian) <= 3;
	f->snaplen = pcapng_u32(in->at + 16, f->big_endian);
	network = pcapng_u32(in->at + 20, f->big_endian);
	f->link_type = (uint16_t)network;
	if (network & FCS_PRESENT)
		f->fcs_length = (uint8_t)(network >> 28 << 1);
	f->pending = PCAP_HEADER;
	return 0;
}

static int64_t
pcap_time_ns(const struct pcap_file *f, const uint8_t *record)
{
	int64_t seconds = pcapng_u32(record, f->big_endian);
	int64_t fraction = pcapng_u32(record + 4, f->big_endian);

	return seconds * CLOCK_NS_PER_S +
	       (f->nanoseconds ? fraction : fraction * 1000);
}

int
pcap_next(struct pcap_file *f, struct pcapng_packet *packet)
{
	struct input *in = f->in;

	input_consume(in, f->pending);
	f->pending = 0;
	f->offset = input_offset(in);
	if (!input_need(in, f->record_header)) {
		if (input_available(in) == 0 && in->status == 0)
			return 0;
		return pcap_short(f, "it ends inside a packet header");
	}
	*packet = (struct pcapng_packet){
		.time_ns = pcap_time_ns(f, in->at),
		.captured = pcapng_u32(in->at + 8, f->big_endian),
		.length = pcapng_u32(in->at + 12, f->big_endian),
		.timed = true,
	};
	if (f->swapped_lengths && packet->captured > packet->length) {
		uint32_t length = packet->captured;

		packet->captured = packet->length;
		packet->length = length;
	}
	if (packet->captured > PCAPNG_PACKET_MAX) {
		f->problem = "a packet claims more than 16 MiB";
		return ERR_CORRUPT;
	}
	if (!input_need(in, f->record_header + packet->captured))
		return pcap_short(f, "it ends inside a packet");
	packet->data = in->at + f->record_header;
	f->pending = f->record_header + packet->captured;
	return 1;
}
