/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes and segments of CQL, and how they are compressed. */
#include <lz4.h>
#include <zlib.h>

#include "dissect/proto/cql_parts.h"
#include "dissect/proto/snappy.h"

#define CRC24_START 0x875060u
#define CRC24_POLYNOMIAL 0x1974f0bu
#define SEGMENT_SIZES 0x1ffffu
/* What a body is at most when it is decompressed. */
#define INFLATED_LIMIT (1u << 20)

/* Those that are read, and those that drivers ask for first. */
static bool
is_version(unsigned version)
{
	return (version >= 3 && version <= 6) || version == 0x41 ||
	       version == 0x42;
}

enum verdict
cql_head_read(struct bytes in, enum side side, struct cql_head *head)
{
	/* A bit for each opcode that a side sends. */
	static const uint32_t opcodes[] = { 0xaea2, 0x1514d };
	struct reader r = reader_make(in);
	uint8_t version = reader_u8(&r);

	*head = (struct cql_head){
		.version = version & 0x7f,
		.response = version >> 7,
		.flags = reader_u8(&r),
	};
	head->stream = (int16_t)reader_be16(&r);
	head->opcode = reader_u8(&r);
	head->length = reader_be32(&r);
	if (in.size && (!is_version(head->version) ||
			head->response != (side == SIDE_SERVER)))
		return VERDICT_NO;
	/* Of others only the question whether they are spoken. */
	if (in.size > 4 && head->version > 5 && in.data[4] != CQL_STARTUP &&
	    in.data[4] != CQL_OPTIONS)
		return VERDICT_NO;
	if (in.size > 1 && in.data[1] > 0x1f)
		return VERDICT_NO;
	if (in.size > 2 && side == SIDE_CLIENT && in.data[2] >> 7)
		return VERDICT_NO;
	if (in.size > 4 && (in.data[4] > CQL_AUTH_SUCCESS ||
			    !(opcodes[side] >> in.data[4] & 1)))
		return VERDICT_NO;
	if (r.failed)
		return VERDICT_MAYBE;
	/* A server says -1 where it answers nothing. */
	if (head->stream < -1 ||
	    (head->stream < 0 && head->opcode != CQL_EVENT &&
	     head->opcode != CQL_ERROR))
		return VERDICT_NO;
	return head->length > CQL_LENGTH_LIMIT ? VERDICT_NO : VERDICT_YES;
}

/* Segments. */

static uint32_t
crc24(struct bytes in)
{
	uint32_t crc = CRC24_START;

	for (size_t i = 0; i < in.size; i++) {
		crc ^= (uint32_t)in.data[i] << 16;
		for (int bit = 0; bit < 8; bit++) {
			crc <<= 1;
			if (crc & 0x1000000)
				crc ^= CRC24_POLYNOMIAL;
		}
	}
	return crc & 0xffffff;
}

static uint64_t
little(const uint8_t *in, size_t size)
{
	uint64_t number = 0;

	while (size--)
		number = number << 8 | in[size];
	return number;
}

static bool
has_sum(struct bytes in, size_t size)
{
	return in.size >= size + 3 &&
	       crc24(bytes_first(in, size)) == little(in.data + size, 3);
}

enum verdict
cql_segment_read(struct bytes in, struct cql_segment *segment)
{
	uint64_t bits;

	*segment = (struct cql_segment){ .head = 0 };
	if (has_sum(in, 3)) {
		bits = little(in.data, 3);
		segment->head = 6;
		segment->whole = bits >> 17 & 1;
		if (bits >> 18)
			return VERDICT_NO;
	} else if (has_sum(in, 5)) {
		bits = little(in.data, 5);
		segment->head = 8;
		segment->inflated = bits >> 17 & SEGMENT_SIZES;
		segment->whole = bits >> 34 & 1;
		if (bits >> 35)
			return VERDICT_NO;
	} else {
		return in.size < 8 ? VERDICT_MAYBE : VERDICT_NO;
	}
	segment->payload = bits & SEGMENT_SIZES;
	segment->size = segment->head + segment->payload + 4;
	return segment->payload ? VERDICT_YES : VERDICT_NO;
}

bool
cql_segment_is_right(const struct cql_segment *segment, struct bytes in)
{
	static const uint8_t start[] = { 0xfa, 0x2d, 0x55, 0xca };
	const uint8_t *payload = in.data + segment->head;
	uLong sum = crc32(crc32(0, NULL, 0), start, sizeof(start));

	sum = crc32(sum, payload, segment->payload);
	return sum == little(payload + segment->payload, 4);
}

/* Compression. */

static bool
inflate_lz4(struct bytes in, uint32_t size, struct buf *out)
{
	uint8_t *room;
	int got;

	if (!size || size > INFLATED_LIMIT || in.size > INT32_MAX)
		return false;
	room = buf_reserve(out, size);
	if (!room)
		return false;
	got = LZ4_decompress_safe((const char *)in.data, (char *)room,
				  (int)in.size, (int)size);
	if (got != (int)size)
		return false;
	out->size += size;
	return true;
}

bool
cql_inflate_segment(struct bytes in, uint32_t inflated, struct buf *out)
{
	return inflate_lz4(in, inflated, out);
}

bool
cql_inflate_body(enum cql_codec codec, struct bytes in, struct buf *out)
{
	struct reader r = reader_make(in);
	uint32_t size = reader_be32(&r);

	if (!in.size)
		return true;
	/* Without a STARTUP, what it can be read as. */
	if (codec != CQL_CODEC_SNAPPY && !r.failed &&
	    (size ? inflate_lz4(bytes_from(in, 4), size, out)
		  : in.size <= 5))
		return true;
	return codec != CQL_CODEC_LZ4 && snappy_block(in, out);
}
