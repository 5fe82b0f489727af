/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_half.h"

#include <stdlib.h>

#include "base/alloc.h"

void
quic_half_init(struct quic_half *h)
{
	h->final = QUIC_SIZE_UNKNOWN;
}

void
quic_half_end(struct quic_half *h, uint64_t final)
{
	if (h->final == QUIC_SIZE_UNKNOWN && final >= h->next)
		h->final = final;
}

static uint64_t
end_of(const struct quic_piece *piece)
{
	return piece->offset + piece->data.size;
}

void
quic_half_free_piece(struct quic_piece *piece, struct sink *sink)
{
	if (sink)
		sink_give_back(sink, sizeof(*piece) + piece->data.size);
	buf_free(&piece->data);
	free(piece);
}

/* A new piece at `link`; NULL when there is no room for it. */
static struct quic_piece *
insert(struct quic_half *h, struct quic_piece **link, uint64_t offset,
       struct sink *sink)
{
	struct quic_piece *piece;

	if (h->count >= QUIC_HALF_PIECES || !sink_keep(sink, sizeof(*piece)))
		return NULL;
	piece = alloc_zero(1, sizeof(*piece));
	piece->offset = offset;
	buf_init(&piece->data, QUIC_HALF_BYTES);
	piece->next = *link;
	*link = piece;
	h->count++;
	return piece;
}

static bool
append(struct quic_half *h, struct quic_piece *piece, struct bytes data,
       struct sink *sink)
{
	if (data.size > QUIC_HALF_BYTES - h->bytes ||
	    !sink_keep(sink, data.size))
		return false;
	buf_bytes(&piece->data, data);
	piece->moment = sink_moment(sink);
	h->bytes += data.size;
	return true;
}

/* Keeps what of the bytes is not kept already; false when there is no room. */
static bool
keep(struct quic_half *h, uint64_t offset, struct bytes data,
     struct sink *sink)
{
	struct quic_piece **link = &h->pieces;

	while (data.size) {
		struct quic_piece *before = NULL;
		struct bytes part = data;

		while (*link && (*link)->offset <= offset) {
			before = *link;
			link = &before->next;
		}
		if (before && end_of(before) > offset) {
			uint64_t known = end_of(before) - offset;

			if (known >= data.size)
				return true;
			offset += known;
			data = bytes_from(data, (size_t)known);
			continue;
		}
		if (*link && (*link)->offset - offset < data.size)
			part.size = (size_t)((*link)->offset - offset);
		if (!before || end_of(before) != offset)
			before = insert(h, link, offset, sink);
		if (!before || !append(h, before, part, sink))
			return false;
		offset += part.size;
		data = bytes_from(data, part.size);
		link = &before->next;
	}
	return true;
}

struct bytes
quic_half_add(struct quic_half *h, uint64_t offset, struct bytes data,
	      struct sink *sink, bool *full)
{
	struct bytes none = bytes_make(NULL, 0);

	*full = false;
	if (offset < h->next) {
		uint64_t known = h->next - offset;

		if (known >= data.size)
			return none;
		data = bytes_from(data, (size_t)known);
		offset = h->next;
	}
	if (!data.size)
		return none;
	if (offset > h->next) {
		*full = !keep(h, offset, data, sink);
		return none;
	}
	/* What is kept came before. */
	if (h->pieces && h->pieces->offset - offset < data.size) {
		uint64_t rest = h->pieces->offset - offset;

		*full = !keep(h, h->pieces->offset,
			      bytes_from(data, (size_t)rest), sink);
		data = bytes_first(data, (size_t)rest);
	}
	h->next += data.size;
	return data;
}

struct quic_piece *
quic_half_take(struct quic_half *h)
{
	struct quic_piece *piece = h->pieces;

	if (!piece || piece->offset != h->next)
		return NULL;
	h->pieces = piece->next;
	h->count--;
	h->bytes -= piece->data.size;
	h->next += piece->data.size;
	return piece;
}

uint64_t
quic_half_skip(struct quic_half *h)
{
	uint64_t end = h->pieces ? h->pieces->offset : h->final;
	uint64_t missing;

	if (end == QUIC_SIZE_UNKNOWN || end <= h->next)
		return 0;
	missing = end - h->next;
	h->next = end;
	return missing;
}

bool
quic_half_is_over(const struct quic_half *h)
{
	return h->next >= h->final;
}

void
quic_half_drop(struct quic_half *h, struct sink *sink)
{
	while (h->pieces) {
		struct quic_piece *piece = h->pieces;

		h->pieces = piece->next;
		quic_half_free_piece(piece, sink);
	}
	h->count = h->bytes = 0;
}
