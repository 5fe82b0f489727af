/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http2_head.h"

#include <malloc.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "base/alloc.h"
#include "base/text.h"
#include "dissect/proto/grpc.h"
#include "dissect/proto/http_head.h"

/* More entries than a table of the default size of 4096 can have. */
#define UNKNOWN_ENTRIES 128
/* Of one header block, decoded: one byte may stand for an entry of the table,
 * whose size is HTTP2_TABLE_LIMIT. */
#define FIELDS_LIMIT (512u << 10)

struct http2_head {
	nghttp2_hd_inflater *inflater;
	nghttp2_mem mem;
	size_t *memory;
};

/* What libnghttp2 allocates is counted, and aborts as ours does. */

static void *
take(void *block, void *context)
{
	struct http2_head *h = context;

	if (!block)
		abort();
	*h->memory += malloc_usable_size(block);
	return block;
}

static void *
count_malloc(size_t size, void *context)
{
	return take(malloc(size ? size : 1), context);
}

static void
count_free(void *block, void *context)
{
	struct http2_head *h = context;

	if (block)
		*h->memory -= malloc_usable_size(block);
	free(block);
}

static void *
count_calloc(size_t count, size_t size, void *context)
{
	return take(calloc(count ? count : 1, size ? size : 1), context);
}

static void *
count_realloc(void *block, size_t size, void *context)
{
	struct http2_head *h = context;

	if (block)
		*h->memory -= malloc_usable_size(block);
	return take(realloc(block, size ? size : 1), context);
}

/* One call of the inflater; the bytes it took, or -1. */
static ssize_t
inflate_some(struct http2_head *h, struct bytes in, bool last, nghttp2_nv *nv,
	     int *flags)
{
	static const uint8_t nothing;

	*flags = 0;
	return nghttp2_hd_inflate_hd2(h->inflater, nv, flags,
				      in.size ? in.data : &nothing, in.size,
				      last);
}

/*
 * Fills the table with entries that say that they are not known.  An index
 * counts from the newest entry, so those that are added from now on are found
 * where they are, and all others are these.
 */
static void
fill_with_unknown(struct http2_head *h)
{
	/* A size update to HTTP2_TABLE_LIMIT, then literals with incremental
	 * indexing and an empty value (RFC 7541 §6.2.1, §6.3). */
	static const uint8_t resize[] = { 0x3f, 0xe1, 0xff, 0x03 };
	static const uint8_t entry[] = "\x40\x08" HTTP2_UNKNOWN;
	uint8_t block[sizeof(resize) + UNKNOWN_ENTRIES * sizeof(entry)];
	struct bytes in;

	memcpy(block, resize, sizeof(resize));
	for (size_t i = 0; i < UNKNOWN_ENTRIES; i++)
		memcpy(block + sizeof(resize) + i * sizeof(entry), entry,
		       sizeof(entry));
	in = bytes_make(block, sizeof(block));
	for (;;) {
		nghttp2_nv nv;
		int flags;
		ssize_t size = inflate_some(h, in, true, &nv, &flags);

		if (size < 0)
			abort(); /* our own block */
		in = bytes_from(in, (size_t)size);
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
	}
	nghttp2_hd_inflate_end_headers(h->inflater);
}

struct http2_head *
http2_head_new(bool midway, size_t *memory)
{
	struct http2_head *h = alloc_zero(1, sizeof(*h));

	h->memory = memory;
	h->mem = (nghttp2_mem){ .mem_user_data = h,
				.malloc = count_malloc,
				.free = count_free,
				.calloc = count_calloc,
				.realloc = count_realloc };
	if (nghttp2_hd_inflate_new2(&h->inflater, &h->mem) ||
	    nghttp2_hd_inflate_change_table_size(h->inflater,
						 HTTP2_TABLE_LIMIT))
		abort();
	if (midway)
		fill_with_unknown(h);
	return h;
}

void
http2_head_free(struct http2_head *h)
{
	if (!h)
		return;
	nghttp2_hd_inflate_del(h->inflater);
	free(h);
}

/* Fields. */

static bool
is(struct bytes name, const char *text)
{
	return bytes_equal(name, bytes_of(text));
}

static void
emit_path(struct bytes value, struct sink *sink)
{
	const uint8_t *mark = value.size ? memchr(value.data, '?', value.size)
					 : NULL;

	if (mark) {
		size_t size = (size_t)(mark - value.data);

		sink_field(sink, FIELD_QUERY, bytes_from(value, size + 1));
		value.size = size;
	}
	sink_field(sink, FIELD_PATH, value);
}

static void
emit_pseudo(struct bytes name, struct bytes value, struct http2_fields *fields,
	    struct sink *sink)
{
	uint64_t status;

	if (is(name, ":method")) {
		sink_field(sink, FIELD_METHOD, value);
	} else if (is(name, ":path")) {
		emit_path(value, sink);
	} else if (is(name, ":authority")) {
		sink_field(sink, FIELD_HOST, value);
	} else if (is(name, HTTP2_UNKNOWN)) {
		sink_incomplete(sink);
	} else if (is(name, ":status") && value.size == 3 &&
		   text_u64(value, &status)) {
		fields->status = (int32_t)status;
		sink_status(sink, (int32_t)status);
		if (status >= 400)
			sink_flags(sink, MESSAGE_IS_ERROR);
	}
}

static void
emit_known(struct bytes name, struct bytes value, struct http2_fields *fields,
	   struct sink *sink)
{
	switch (name.size) {
	case 4:
		if (is(name, "host") && !sink_value(sink, FIELD_HOST).size)
			sink_field(sink, FIELD_HOST, value);
		break;
	case 10:
		if (is(name, "user-agent"))
			sink_field(sink, FIELD_USER_AGENT, value);
		break;
	case 12:
		if (is(name, "content-type")) {
			http_content_type(value, sink);
			fields->grpc = grpc_is_content_type(value);
			if (fields->grpc)
				sink_timed(sink);
		}
		break;
	case 16:
		if (is(name, "content-encoding"))
			sink_encoding(sink, http_encoding(value));
		break;
	default:
		break;
	}
	if (bytes_starts_with(name, "grpc-"))
		grpc_field(name, value, &fields->grpc_status, sink);
}

static void
emit(const nghttp2_nv *nv, struct http2_fields *fields, struct sink *sink)
{
	struct bytes name = bytes_make(nv->name, nv->namelen);
	struct bytes value = bytes_make(nv->value, nv->valuelen);

	if (name.size + value.size > FIELDS_LIMIT - fields->size) {
		fields->size = FIELDS_LIMIT;
		sink_truncated(sink);
		return;
	}
	fields->size += (uint32_t)(name.size + value.size);
	sink_header(sink, name, value);
	if (name.size && name.data[0] == ':')
		emit_pseudo(name, value, fields, sink);
	else
		emit_known(name, value, fields, sink);
}

bool
http2_head_decode(struct http2_head *h, struct bytes fragment, bool last,
		  bool wanted, struct http2_fields *fields, struct sink *sink)
{
	for (;;) {
		nghttp2_nv nv;
		int flags;
		ssize_t size = inflate_some(h, fragment, last, &nv, &flags);

		if (size < 0)
			return false;
		fragment = bytes_from(fragment, (size_t)size);
		if (flags & NGHTTP2_HD_INFLATE_EMIT && wanted)
			emit(&nv, fields, sink);
		if (flags & NGHTTP2_HD_INFLATE_FINAL) {
			nghttp2_hd_inflate_end_headers(h->inflater);
			return true;
		}
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !fragment.size)
			return !last;
	}
}
