/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http3_qpack.h"

#include <stdlib.h>

#include <nghttp3/nghttp3.h>

#include "base/alloc.h"
#include "base/reader.h"
#include "dissect/proto/counted_memory.h"

/* Sections that wait are none of its business: they are tried again. */
#define BLOCKED_MAX SIZE_MAX

struct http3_qpack {
	nghttp3_qpack_decoder *decoder;
	nghttp3_mem mem;
	size_t capacity;
	uint64_t needed;
};

static void
renew(struct http3_qpack *q)
{
	nghttp3_qpack_decoder_del(q->decoder);
	q->decoder = NULL;
	if (nghttp3_qpack_decoder_new(&q->decoder, q->capacity, BLOCKED_MAX,
				      &q->mem))
		abort();
}

struct http3_qpack *
http3_qpack_new(uint64_t capacity, size_t *memory)
{
	struct http3_qpack *q = alloc_zero(1, sizeof(*q));

	q->capacity = capacity < HTTP3_TABLE_LIMIT ? (size_t)capacity
						   : HTTP3_TABLE_LIMIT;
	q->mem = (nghttp3_mem){ .user_data = memory,
				.malloc = counted_memory_malloc,
				.free = counted_memory_free,
				.calloc = counted_memory_calloc,
				.realloc = counted_memory_realloc };
	renew(q);
	return q;
}

void
http3_qpack_free(struct http3_qpack *q)
{
	if (!q)
		return;
	nghttp3_qpack_decoder_del(q->decoder);
	free(q);
}

/* What a decoder would tell the encoder grows until it is taken. */
static void
drop_answers(struct http3_qpack *q)
{
	size_t size = nghttp3_qpack_decoder_get_decoder_streamlen(q->decoder);
	nghttp3_buf answers = { .begin = NULL };

	if (!size)
		return;
	answers.begin = answers.pos = answers.last = alloc_resize(NULL, size, 1);
	answers.end = answers.begin + size;
	nghttp3_qpack_decoder_write_decoder(q->decoder, &answers);
	free(answers.begin);
}

bool
http3_qpack_instruct(struct http3_qpack *q, struct bytes in)
{
	nghttp3_ssize taken;

	if (!in.size)
		return true;
	taken = nghttp3_qpack_decoder_read_encoder(q->decoder, in.data,
						   in.size);
	drop_answers(q);
	return taken == (nghttp3_ssize)in.size;
}

static void
add(const nghttp3_qpack_nv *nv, bool emit, struct http_fields *fields,
    struct sink *sink)
{
	nghttp3_vec name = nghttp3_rcbuf_get_buf(nv->name);
	nghttp3_vec value = nghttp3_rcbuf_get_buf(nv->value);

	if (emit)
		http_fields_add(fields, bytes_make(name.base, name.len),
				bytes_make(value.base, value.len), sink);
	nghttp3_rcbuf_decref(nv->name);
	nghttp3_rcbuf_decref(nv->value);
}

enum http3_section
http3_qpack_read(struct http3_qpack *q, uint64_t stream, struct bytes section,
		 bool emit, struct http_fields *fields, struct sink *sink)
{
	nghttp3_qpack_stream_context *context = NULL;
	enum http3_section result = HTTP3_SECTION_BAD;
	uint8_t flags = 0;

	if (nghttp3_qpack_stream_context_new(&context, (int64_t)stream,
					     &q->mem))
		abort();
	while (!(flags & (NGHTTP3_QPACK_DECODE_FLAG_FINAL |
			  NGHTTP3_QPACK_DECODE_FLAG_BLOCKED))) {
		nghttp3_qpack_nv nv;
		nghttp3_ssize taken = nghttp3_qpack_decoder_read_request(
			q->decoder, context, &nv, &flags, section.data,
			section.size, 1);

		if (taken < 0)
			break;
		section = bytes_from(section, (size_t)taken);
		if (flags & NGHTTP3_QPACK_DECODE_FLAG_EMIT)
			add(&nv, emit, fields, sink);
		else if (!taken && !flags)
			break;
	}
	if (flags & NGHTTP3_QPACK_DECODE_FLAG_FINAL)
		result = HTTP3_SECTION_READ;
	else if (flags & NGHTTP3_QPACK_DECODE_FLAG_BLOCKED)
		result = HTTP3_SECTION_WAITS;
	q->needed = nghttp3_qpack_stream_context_get_ricnt(context);
	nghttp3_qpack_stream_context_del(context);
	if (result == HTTP3_SECTION_BAD && !q->capacity)
		renew(q); /* it believes its peer to be wrong for good */
	drop_answers(q);
	return result;
}

uint64_t
http3_qpack_count(const struct http3_qpack *q)
{
	return nghttp3_qpack_decoder_get_icnt(q->decoder);
}

uint64_t
http3_qpack_needed(const struct http3_qpack *q)
{
	return q->needed;
}

/* Sections without their dynamic table. */

/* An integer with a prefix of `bits` of a byte that was read (RFC 7541 §5.1).
 * Longer ones than any size or index that there is fail. */
static uint64_t
prefixed(struct reader *r, uint8_t first, unsigned bits)
{
	uint64_t mask = (1u << bits) - 1, value = first & mask;

	if (value < mask)
		return value;
	for (unsigned shift = 0; shift < 35; shift += 7) {
		uint8_t byte = reader_u8(r);

		value += (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	r->failed = true;
	return 0;
}

bool
http3_qpack_refers(struct bytes section)
{
	return section.size && section.data[0];
}

static void
skip_string(struct reader *r, uint8_t first, unsigned bits)
{
	uint64_t size = prefixed(r, first, bits);

	if (size > reader_left(r))
		r->failed = true;
	else
		reader_skip(r, (size_t)size);
}

static void
put_unknown(struct buf *out)
{
	static const char name[] = HTTP_FIELDS_UNKNOWN;

	/* A literal name without Huffman coding (RFC 9204 §4.5.6). */
	buf_u8(out, 0x27);
	buf_u8(out, sizeof(name) - 1 - 7);
	buf_append(out, name, sizeof(name) - 1);
}

/* The field line at the front of what is read (RFC 9204 §4.5). */
static void
put_line(struct reader *r, struct buf *out)
{
	const uint8_t *start = r->at;
	uint8_t first = reader_u8(r);
	bool known = true, literal = true;

	if (first & 0x80) {
		prefixed(r, first, 6);
		known = first & 0x40;
		literal = false;
	} else if (first & 0x40) {
		prefixed(r, first, 4);
		known = first & 0x10;
	} else if (first & 0x20) {
		skip_string(r, first, 3);
	} else {
		prefixed(r, first, first & 0x10 ? 4 : 3);
		literal = !(first & 0x10);
		known = false;
	}
	if (!known) {
		put_unknown(out);
		start = r->at;
	}
	if (literal)
		skip_string(r, reader_u8(r), 7);
	else if (!known)
		buf_u8(out, 0);
	if (!r->failed)
		buf_append(out, start, (size_t)(r->at - start));
}

void
http3_qpack_unknown(struct bytes section, struct buf *out)
{
	struct reader r = reader_make(section);

	prefixed(&r, reader_u8(&r), 8);
	prefixed(&r, reader_u8(&r), 7);
	buf_append(out, "\0", 2);
	while (reader_left(&r) && !out->failed && !r.failed)
		put_line(&r, out);
	out->failed |= r.failed;
}
