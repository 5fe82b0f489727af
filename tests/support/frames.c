/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/frames.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/bytes.h"

static void
put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void
put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static size_t
frame_size(const struct frame *f)
{
	return FRAME_SIZE - f->start;
}

void
frame_start(struct frame *f, const void *payload, size_t size)
{
	f->start = FRAME_SIZE;
	frame_push(f, payload, size);
}

void
frame_push(struct frame *f, const void *data, size_t size)
{
	assert(size <= f->start);
	f->start -= size;
	if (size > 0)
		memcpy(f->bytes + f->start, data, size);
}

static uint8_t
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = strchr(digits, tolower((unsigned char)c));

	assert(c && at);
	return (uint8_t)(at - digits);
}

void
frame_push_hex(struct frame *f, const char *hex)
{
	uint8_t data[512];
	size_t digits = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert(digits / 2 < sizeof(data));
		if (digits % 2 == 0)
			data[digits / 2] = (uint8_t)(hex_digit(*hex) << 4);
		else
			data[digits / 2] |= hex_digit(*hex);
		digits++;
	}
	assert(digits % 2 == 0);
	frame_push(f, data, digits / 2);
}

void
frame_tcp(struct frame *f, const struct frame_tcp *tcp)
{
	size_t payload = frame_size(f);
	uint8_t header[20] = { 0 };

	if (tcp->options)
		frame_push_hex(f, tcp->options);
	put16(header, tcp->source);
	put16(header + 2, tcp->target);
	put32(header + 4, tcp->seq);
	put32(header + 8, tcp->ack);
	header[12] = (uint8_t)((20 + frame_size(f) - payload) / 4 << 4);
	header[13] = tcp->flags;
	put16(header + 14, tcp->window);
	frame_push(f, header, sizeof(header));
}

void
frame_udp(struct frame *f, uint16_t source, uint16_t target)
{
	uint8_t header[8] = { 0 };

	put16(header, source);
	put16(header + 2, target);
	put16(header + 4, frame_size(f) + sizeof(header));
	frame_push(f, header, sizeof(header));
}

void
frame_ipv4(struct frame *f, const struct frame_ipv4 *ip)
{
	uint8_t header[20] = { 0x45 };
	size_t total = frame_size(f) + sizeof(header);

	put16(header + 2, total > 0xffff ? 0 : total);
	put16(header + 4, ip->id);
	put16(header + 6, ip->fragment);
	header[8] = ip->ttl ? ip->ttl : 64;
	header[9] = ip->protocol;
	assert(inet_pton(AF_INET, ip->source, header + 12) == 1);
	assert(inet_pton(AF_INET, ip->target, header + 16) == 1);
	frame_push(f, header, sizeof(header));
}

void
frame_ipv6(struct frame *f, const char *source, const char *target,
	   uint8_t next_header)
{
	uint8_t header[40] = { 0x60 };

	put16(header + 4, frame_size(f) > 0xffff ? 0 : frame_size(f));
	header[6] = next_header;
	header[7] = 64;
	assert(inet_pton(AF_INET6, source, header + 8) == 1);
	assert(inet_pton(AF_INET6, target, header + 24) == 1);
	frame_push(f, header, sizeof(header));
}

void
frame_ethernet(struct frame *f, uint16_t ethertype)
{
	uint8_t header[14] = { 0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1 };

	put16(header + 12, ethertype);
	frame_push(f, header, sizeof(header));
}

struct packet_record
frame_record(const struct frame *f, uint16_t link_type, int64_t time_ns)
{
	return (struct packet_record){
		.time_ns = time_ns,
		.data = f->bytes + f->start,
		.captured = (uint32_t)frame_size(f),
		.length = (uint32_t)frame_size(f),
		.link_type = link_type,
	};
}
