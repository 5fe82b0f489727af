/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_packet.h"

#define LONG_HEADER 0x80
#define RETRY_TAG 16

uint64_t
quic_number(struct reader *r)
{
	uint8_t first = reader_u8(r);
	uint64_t value = first & 0x3f;

	for (unsigned left = (1u << (first >> 6)) - 1; left; left--)
		value = value << 8 | reader_u8(r);
	return value;
}

struct quic_id
quic_id_make(struct bytes in)
{
	struct quic_id id = { .size = 0 };

	in = bytes_first(in, sizeof(id.data));
	if (in.size)
		memcpy(id.data, in.data, in.size);
	id.size = (uint8_t)in.size;
	return id;
}

bool
quic_id_is(const struct quic_id *id, struct bytes in)
{
	return bytes_equal(bytes_make(id->data, id->size), in);
}

static struct bytes
read_id(struct reader *r)
{
	uint8_t size = reader_u8(r);

	if (size > QUIC_ID_MAX)
		r->failed = true;
	return reader_take(r, size);
}

/* What is behind the ids of an Initial, 0-RTT or Handshake packet. */
static bool
read_rest(struct quic_packet *p, struct reader *r, struct bytes in)
{
	uint64_t size;

	if (p->type == QUIC_INITIAL) {
		size = quic_number(r); /* the token */
		if (size > reader_left(r))
			return false;
		reader_skip(r, (size_t)size);
	}
	size = quic_number(r);
	if (r->failed || size > reader_left(r) || size < 4)
		return false;
	p->number_at = (size_t)(r->at - in.data);
	p->whole = bytes_first(in, p->number_at + (size_t)size);
	return true;
}

bool
quic_packet_read(struct bytes in, struct quic_packet *out)
{
	struct reader r = reader_make(in);
	uint8_t first = reader_u8(&r);
	unsigned type = first >> 4 & 3;

	*out = (struct quic_packet){ .type = QUIC_SHORT, .whole = in };
	if (!(first & LONG_HEADER))
		return in.size > 0;
	out->number = reader_be32(&r);
	out->to = read_id(&r);
	out->from = read_id(&r);
	if (r.failed)
		return false;
	if (!out->number) {
		out->type = QUIC_NEGOTIATION;
		out->versions = reader_take(&r, reader_left(&r));
		return out->versions.size && out->versions.size % 4 == 0;
	}
	out->version = quic_version_find(out->number);
	if (!out->version)
		return false;
	if (out->version->is_second)
		type = (type + 3) % 4;
	out->type = (enum quic_type)type;
	if (out->type == QUIC_RETRY)
		return reader_left(&r) > RETRY_TAG;
	return read_rest(out, &r, in);
}
