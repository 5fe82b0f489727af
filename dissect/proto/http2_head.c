/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/http2_head.h"

#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "base/alloc.h"
#include "dissect/proto/counted_memory.h"

/* More entries than a table of the default size of 4096 can have. */
#define UNKNOWN_ENTRIES 128

struct http2_head {
	nghttp2_hd_inflater *inflater;
	nghttp2_mem mem;
};

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
	static const uint8_t entry[] = "\x40\x08" HTTP_FIELDS_UNKNOWN;
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

	h->mem = (nghttp2_mem){ .mem_user_data = memory,
				.malloc = counted_memory_malloc,
				.free = counted_memory_free,
				.calloc = counted_memory_calloc,
				.realloc = counted_memory_realloc };
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

bool
http2_head_decode(struct http2_head *h, struct bytes fragment, bool last,
		  bool wanted, struct http_fields *fields, struct sink *sink)
{
	for (;;) {
		nghttp2_nv nv;
		int flags;
		ssize_t size = inflate_some(h, fragment, last, &nv, &flags);

		if (size < 0)
			return false;
		fragment = bytes_from(fragment, (size_t)size);
		if (flags & NGHTTP2_HD_INFLATE_EMIT && wanted)
			http_fields_add(fields,
					bytes_make(nv.name, nv.namelen),
					bytes_make(nv.value, nv.valuelen),
					sink);
		if (flags & NGHTTP2_HD_INFLATE_FINAL) {
			nghttp2_hd_inflate_end_headers(h->inflater);
			return true;
		}
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !fragment.size)
			return !last;
	}
}
