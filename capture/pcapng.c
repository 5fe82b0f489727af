/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcapng.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

__extension__ typedef unsigned __int128 uint128;

#define TSRESOL_DEFAULT 6

bool
pcapng_detect(struct bytes start)
{
	return bytes_starts_with(start, "\x0a\x0d\x0d\x0a");
}

void
pcapng_init(struct pcapng *p, struct input *in)
{
	*p = (struct pcapng){ .in = in };
}

void
pcapng_free(struct pcapng *p)
{
	free(p->interfaces);
	*p = (struct pcapng){ .in = NULL };
}

static int
pcapng_bad(struct pcapng *p, const char *problem)
{
	p->problem = problem;
	return ERR_CORRUPT;
}

/* What it means that the input has fewer bytes than wanted. */
static int
pcapng_short(struct pcapng *p)
{
	if (p->in->status == 0) {
		p->problem = "it ends inside a block";
		return ERR_TRUNCATED;
	}
	p->problem = input_problem(p->in);
	return p->in->status;
}

/*
 * A section header decides about the byte order of its own length; body is 16
 * bytes at least (byte order, version, section length).
 */
static int
pcapng_section_order(struct pcapng *p, const uint8_t *header)
{
	if (pcapng_u32(header + PCAPNG_HEADER, false) == PCAPNG_BYTE_ORDER)
		p->big_endian = false;
	else if (pcapng_u32(header + PCAPNG_HEADER, true) == PCAPNG_BYTE_ORDER)
		p->big_endian = true;
	else
		return pcapng_bad(p, "a section header has no byte-order mark");
	return 0;
}

static int
pcapng_begin_section(struct pcapng *p, struct bytes body)
{
	if (body.size < 16)
		return pcapng_bad(p, "a section header is too short");
	if (pcapng_u16(body.data + 4, p->big_endian) != 1)
		return pcapng_bad(p, "a section has an unknown pcapng version");
	p->section++;
	p->interface_count = 0;
	return 0;
}

static void
pcapng_interface_options(struct pcapng *p, struct bytes options,
			 struct pcapng_interface *interface)
{
	struct pcapng_option option;

	while (pcapng_option_next(&options, p->big_endian, &option)) {
		const uint8_t *value = option.value.data;

		if (option.code == PCAPNG_INTERFACE_TSRESOL &&
		    option.value.size == 1)
			interface->tsresol = value[0];
		if (option.code == PCAPNG_INTERFACE_TSOFFSET &&
		    option.value.size == 8)
			interface->tsoffset =
				(int64_t)pcapng_u64(value, p->big_endian);
	}
}

static int
pcapng_begin_interface(struct pcapng *p, struct bytes body)
{
	struct pcapng_interface *interface;

	if (body.size < 8)
		return pcapng_bad(p, "an interface description is too short");
	if (p->interface_count == PCAPNG_INTERFACES_MAX)
		return pcapng_bad(p, "a section has too many interfaces");
	if (p->interface_count == p->interface_capacity) {
		p->interface_capacity =
			p->interface_capacity ? p->interface_capacity * 2 : 8;
		p->interfaces =
			alloc_resize(p->interfaces, p->interface_capacity,
				     sizeof(*p->interfaces));
	}
	interface = &p->interfaces[p->interface_count++];
	*interface = (struct pcapng_interface){
		.link_type = pcapng_u16(body.data, p->big_endian),
		.snaplen = pcapng_u32(body.data + 4, p->big_endian),
		.tsresol = TSRESOL_DEFAULT,
	};
	pcapng_interface_options(p, bytes_from(body, 8), interface);
	return 0;
}

/* Checks the length of the block at the front and gets it into memory whole. */
static int
pcapng_whole_block(struct pcapng *p, uint32_t *type, uint32_t *length)
{
	struct input *in = p->in;

	if (!input_need(in, PCAPNG_OVERHEAD))
		return pcapng_short(p);
	*type = pcapng_u32(in->at, p->big_endian);
	if (*type == PCAPNG_SECTION) {
		int status = pcapng_section_order(p, in->at);

		if (status < 0)
			return status;
	} else if (p->section == 0) {
		return pcapng_bad(p, "it does not begin with a section header");
	}
	*length = pcapng_u32(in->at + 4, p->big_endian);
	if (*length < PCAPNG_OVERHEAD || *length % 4 != 0)
		return pcapng_bad(p, "a block has an impossible length");
	if (*length > PCAPNG_BLOCK_MAX)
		return pcapng_bad(p, "a block claims more than 16 MiB");
	if (!input_need(in, *length))
		return pcapng_short(p);
	if (pcapng_u32(in->at + *length - 4, p->big_endian) != *length)
		return pcapng_bad(p, "the two lengths of a block differ");
	return 0;
}

int
pcapng_next(struct pcapng *p, struct pcapng_block *block)
{
	uint32_t length = 0;
	int status;

	input_consume(p->in, p->pending);
	p->pending = 0;
	p->offset = input_offset(p->in);
	if (!input_need(p->in, 1))
		return p->in->status == 0 ? 0 : pcapng_short(p);
	status = pcapng_whole_block(p, &block->type, &length);
	if (status < 0)
		return status;
	block->offset = p->offset;
	block->body =
		bytes_make(p->in->at + PCAPNG_HEADER, length - PCAPNG_OVERHEAD);
	if (block->type == PCAPNG_SECTION)
		status = pcapng_begin_section(p, block->body);
	else if (block->type == PCAPNG_INTERFACE)
		status = pcapng_begin_interface(p, block->body);
	if (status < 0)
		return status;
	p->pending = length;
	/* The next block, whose headers will be wanted before its bytes. */
	__builtin_prefetch(p->in->at + length);
	__builtin_prefetch(p->in->at + length + 64);
	return 1;
}

/* Splits what follows a packet block's fixed fields into data and options. */
static int
pcapng_packet_data(struct pcapng *p, struct bytes body, size_t fixed,
		   struct pcapng_packet *packet)
{
	size_t padded = ((size_t)packet->captured + 3) & ~(size_t)3;

	if (packet->captured > body.size - fixed)
		return pcapng_bad(p, "a packet is longer than its block");
	if (packet->captured > PCAPNG_PACKET_MAX)
		return pcapng_bad(p, "a packet claims more than 16 MiB");
	packet->data = body.data + fixed;
	packet->options = bytes_from(body, fixed + padded);
	return 0;
}

static int
pcapng_packet_simple(struct pcapng *p, struct bytes body,
		     struct pcapng_packet *packet)
{
	uint32_t snaplen;

	if (body.size < 4 || p->interface_count == 0)
		return pcapng_bad(p, "a simple packet has no interface");
	snaplen = p->interfaces[0].snaplen;
	*packet = (struct pcapng_packet){
		.length = pcapng_u32(body.data, p->big_endian),
		.time_ns = p->last_ns,
		.data = body.data + 4,
	};
	packet->captured = packet->length;
	if (snaplen != 0 && packet->captured > snaplen)
		packet->captured = snaplen;
	if (packet->captured > body.size - 4 ||
	    packet->captured > PCAPNG_PACKET_MAX)
		return pcapng_bad(p, "a packet is longer than its block");
	return 0;
}

int
pcapng_packet(struct pcapng *p, const struct pcapng_block *block,
	      struct pcapng_packet *packet)
{
	const uint8_t *at = block->body.data;
	bool big = p->big_endian;
	uint64_t stamp;
	const struct pcapng_interface *interface;

	if (block->type == PCAPNG_SIMPLE_PACKET)
		return pcapng_packet_simple(p, block->body, packet);
	if (block->body.size < PCAPNG_EPB_FIXED)
		return pcapng_bad(p, "a packet block is too short");
	*packet = (struct pcapng_packet){
		.captured = pcapng_u32(at + 12, big),
		.length = pcapng_u32(at + 16, big),
		.timed = true,
	};
	if (block->type == PCAPNG_ENHANCED_PACKET) {
		packet->interface = pcapng_u32(at, big);
	} else {
		packet->interface = pcapng_u16(at, big);
		packet->drops = pcapng_u16(at + 2, big);
		if (packet->drops == UINT16_MAX) /* not known */
			packet->drops = 0;
	}
	if (packet->interface >= p->interface_count)
		return pcapng_bad(p, "a packet is of an undeclared interface");
	interface = &p->interfaces[packet->interface];
	stamp = (uint64_t)pcapng_u32(at + 4, big) << 32 |
		pcapng_u32(at + 8, big);
	packet->time_ns =
		pcapng_time_ns(stamp, interface->tsresol, interface->tsoffset);
	p->last_ns = packet->time_ns;
	return pcapng_packet_data(p, block->body, PCAPNG_EPB_FIXED, packet);
}

/* `seconds` and a fraction as nanoseconds, kept within int64_t and >= 0. */
static int64_t
pcapng_clamp(uint128 seconds, uint64_t fraction_ns, int64_t tsoffset)
{
	const uint128 most = (uint128)INT64_MAX / CLOCK_NS_PER_S - 1;

	if (tsoffset < 0) {
		uint64_t back = 0 - (uint64_t)tsoffset;

		if (seconds < back)
			return 0;
		seconds -= back;
	} else {
		seconds += (uint64_t)tsoffset;
	}
	if (seconds > most)
		return INT64_MAX - 1;
	return (int64_t)((uint64_t)seconds * CLOCK_NS_PER_S + fraction_ns);
}

/* Units a second of a tsresol value, or 0 when there are more than 10^19. */
static uint64_t
pcapng_units(uint8_t tsresol)
{
	uint64_t units = 1;

	if (tsresol & 0x80)
		return (tsresol & 0x7f) < 64 ? units << (tsresol & 0x7f) : 0;
	if (tsresol > 19)
		return 0;
	for (unsigned i = 0; i < tsresol; i++)
		units *= 10;
	return units;
}

int64_t
pcapng_time_ns(uint64_t stamp, uint8_t tsresol, int64_t tsoffset)
{
	uint64_t units, fraction;

	if (tsresol == 9 && tsoffset == 0 && stamp < INT64_MAX)
		return (int64_t)stamp;
	units = pcapng_units(tsresol);
	if (units == 0) { /* 2^64 of these units are at most a few seconds */
		units = UINT64_MAX;
		stamp = 0;
	}
	fraction =
		(uint64_t)((uint128)(stamp % units) * CLOCK_NS_PER_S / units);
	return pcapng_clamp(stamp / units, fraction, tsoffset);
}

bool
pcapng_option_next(struct bytes *options, bool big_endian,
		   struct pcapng_option *option)
{
	uint16_t size;

	if (options->size < 4)
		return false;
	option->code = pcapng_u16(options->data, big_endian);
	size = pcapng_u16(options->data + 2, big_endian);
	if (option->code == PCAPNG_OPTION_END || size > options->size - 4)
		return false;
	option->value = bytes_make(options->data + 4, size);
	*options = bytes_from(*options, 4 + (((size_t)size + 3) & ~(size_t)3));
	return true;
}
