/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a stream. */
#include "dissect/stream.h"

#include "dissect/stream_parts.h"

uint64_t
stream_undissected(const struct stream *s)
{
	uint64_t size = 0;

	for (int side = 0; side < 2; side++) {
		size += s->lanes[side].undissected;
		if (s->lanes[side].state != LANE_RUN)
			size += s->lanes[side].held.size;
	}
	if (s->inner)
		size += stream_undissected(inner_stream(s->inner));
	return size;
}

enum protocol
stream_protocol(const struct stream *s)
{
	enum protocol inside = s->inner
				       ? stream_protocol(inner_stream(s->inner))
				       : PROTOCOL_UNKNOWN;

	return inside ? inside : s->protocol;
}

uint32_t
stream_calls(const struct stream *s)
{
	return s->pair.place.calls +
	       (s->inner ? stream_calls(inner_stream(s->inner)) : 0);
}

bool
stream_reversed(const struct stream *s)
{
	return s->reversed;
}

struct bytes
stream_first_bytes(const struct stream *s, enum side side)
{
	const struct lane *lane =
		&s->lanes[s->reversed ? side_other(side) : side];

	if (s->protocol != PROTOCOL_UNKNOWN)
		return bytes_make(NULL, 0);
	return bytes_make(lane->first, lane->first_size);
}
