/* SPDX-License-Identifier: Apache-2.0 */
/* The stream inside a stream. */
#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/sink_inner.h"
#include "dissect/stream_parts.h"

/* What it may take that is counted nowhere else: two streams' worth of state
 * with the ciphers that feed it. */
#define INNER_CHARGE 8192
/* Streams within streams: TLS through a proxy that speaks TLS is two. */
#define INNER_DEPTH 3
/* Ends of records that acknowledgements are looked up in: more than what a
 * sender has in flight when the packets still wait for each other. */
#define INNER_ENDS 32

/*
 * One side: where the bytes inside stand relative to those outside.  Behind a
 * hole outside it is not known yet how much is missing inside, but the other
 * side acknowledges what comes there: until the next bytes inside, positions
 * are as far from each other as those outside are.
 */
struct inner_side {
	uint64_t position; /* of the next byte inside */
	bool finished;
	bool open;         /* there is such a hole … */
	bool told;         /* … and the stream inside knows of it */
	uint64_t hole;     /* outside: where `position` is */
	unsigned count;    /* ends noted so far */
	struct {
		uint64_t outside, inside;
	} ends[INNER_ENDS]; /* the latest, in a ring */
};

struct inner {
	struct stream *stream;
	struct stream_context *context;
	struct inner_side sides[2];
	size_t label_size;
	char label[INNER_LABEL_MAX];
};

struct stream_context *
sink_context(struct sink *s)
{
	return s->stream->context;
}

const struct stream_identity *
sink_identity(const struct sink *s)
{
	return &s->stream->identity;
}

int64_t
sink_time(struct sink *s)
{
	const struct lane *lane = &s->stream->lanes[s->side];

	return lane_mark(lane, lane->position)->time_ns;
}

struct sink_moment
sink_moment(const struct sink *s)
{
	const struct mark *now = &s->stream->lanes[s->side].now;

	return (struct sink_moment){ now->time_ns, now->packet };
}

void
sink_set_moment(struct sink *s, const struct sink_moment *moment)
{
	struct mark *now = &s->stream->lanes[s->side].now;

	now->time_ns = moment->time_ns;
	now->packet = moment->packet;
}

bool
sink_inner_open(struct sink *s, struct bytes tls)
{
	struct stream *outer = s->stream;
	struct stream_context *context = outer->context;
	struct stream_identity identity = outer->identity;
	struct inner *inner;

	inner_free(outer->inner, CALL_REASON_NO_RESPONSE);
	outer->inner = NULL;
	if (identity.depth == INNER_DEPTH ||
	    context->buffered + INNER_CHARGE > context->buffered_limit)
		return false;
	identity.depth++;
	inner = alloc_zero(1, sizeof(*inner));
	inner->context = context;
	context->buffered += INNER_CHARGE;
	tls = bytes_first(tls, sizeof(inner->label));
	inner->label_size = tls.size;
	if (tls.size)
		memcpy(inner->label, tls.data, tls.size);
	identity.midstream = false;
	identity.tls = bytes_make(inner->label, tls.size);
	for (int side = 0; side < 2; side++) {
		inner->sides[side].position = 1;
		inner->sides[side].open = outer->inner_lost[side] ||
					  outer->lanes[side].broken;
		inner->sides[side].hole = outer->lanes[side].origin;
		outer->inner_lost[side] = false;
	}
	inner->stream = stream_new(context, &identity);
	outer->inner = inner;
	return true;
}

bool
sink_inner_is_open(const struct sink *s)
{
	return s->stream->inner != NULL;
}

void
sink_inner_adopt(struct sink *s, const char *protocol, struct bytes settings)
{
	struct stream *inner = s->stream->inner->stream;

	inner->identity.midstream = s->stream->identity.midstream;
	for (int side = 0; side < 2; side++)
		inner->lanes[side].broken = inner->identity.midstream;
	inner->next.protocol = registry_find(bytes_of(protocol));
	assert(inner->next.protocol != PROTOCOL_UNKNOWN);
	buf_bytes(&inner->next.settings, settings);
	stream_adopt_next(inner);
}

/* How much inside is acknowledged by who acknowledges `outside`. */
static uint64_t
inside_of(const struct inner_side *side, uint64_t outside)
{
	unsigned kept = side->count < INNER_ENDS ? side->count : INNER_ENDS;
	uint64_t oldest = 1;

	if (side->open && outside >= side->hole)
		return side->position + (outside - side->hole);
	for (unsigned i = 1; i <= kept; i++) {
		unsigned at = (side->count - i) % INNER_ENDS;

		if (side->ends[at].outside <= outside)
			return side->ends[at].inside;
		oldest = side->ends[at].inside;
	}
	return kept < INNER_ENDS ? 1 : oldest;
}

static void
note_end(struct inner_side *side, uint64_t outside)
{
	unsigned at = side->count++ % INNER_ENDS;

	side->ends[at].outside = outside;
	side->ends[at].inside = side->position;
}

void
inner_hole(struct inner *inner, enum side side, uint64_t outside)
{
	if (!inner || inner->sides[side].open)
		return;
	inner->sides[side].open = true;
	inner->sides[side].told = false;
	inner->sides[side].hole = outside;
}

/* `missing` bytes inside (0: unknown), and what comes next is carried at
 * `outside`. */
static void
tell_hole(struct inner *inner, enum side number, uint64_t missing,
	  uint64_t outside)
{
	struct inner_side *side = &inner->sides[number];
	uint64_t at = side->position, passed = missing ? missing : 1;

	if (side->open && outside > side->hole)
		passed = outside - side->hole;
	side->position += passed;
	side->told = true;
	side->hole = outside;
	stream_hole(inner->stream, number, missing, at, side->position);
	note_end(side, outside);
}

void
sink_inner_resume(struct sink *s)
{
	struct inner *inner = s->stream->inner;
	uint64_t position = s->stream->lanes[s->side].position;
	struct inner_side *side;

	if (!inner)
		return;
	side = &inner->sides[s->side];
	if (side->open && (!side->told || side->hole < position))
		tell_hole(inner, s->side, 0, position);
	side->open = false;
}

void
sink_inner_data(struct sink *s, struct bytes plain, size_t offset, size_t end)
{
	struct stream *outer = s->stream;
	struct lane *lane = &outer->lanes[s->side];
	struct inner *inner = outer->inner;
	struct inner_side *side;
	uint64_t outside = lane->position + offset, last;

	if (!inner || !plain.size)
		return;
	side = &inner->sides[s->side];
	sink_inner_resume(s);
	last = lane->position + end - 1;
	while (plain.size) {
		const struct mark *mark = lane_mark(lane, outside);
		uint64_t room = outside < last
					? lane_boundary(lane, outside) - outside
					: plain.size;
		struct bytes part = bytes_first(
			plain, room < plain.size ? (size_t)room : plain.size);
		struct stream_at at = {
			.time_ns = mark->time_ns,
			.packet = mark->packet,
			.position = side->position,
			.acknowledged =
				inside_of(&inner->sides[side_other(s->side)],
					  mark->acknowledged),
		};

		side->position += part.size;
		outside = outside + part.size < last ? outside + part.size
						     : last;
		plain = bytes_from(plain, part.size);
		stream_data(inner->stream, s->side, part, &at);
	}
	note_end(side, lane->position + end);
}

void
sink_inner_gap(struct sink *s, uint64_t missing, size_t end)
{
	struct stream *outer = s->stream;

	if (!outer->inner)
		outer->inner_lost[s->side] = true;
	else
		tell_hole(outer->inner, s->side, missing,
			  outer->lanes[s->side].position + end);
}

void
sink_inner_lost(struct sink *s, enum side side)
{
	s->stream->inner_lost[side] = true;
}

void
inner_finish(struct inner *inner, enum side side, bool clean)
{
	if (!inner || inner->sides[side].finished)
		return;
	inner->sides[side].finished = true;
	stream_finish(inner->stream, side, clean);
}

void
sink_inner_finish(struct sink *s)
{
	inner_finish(s->stream->inner, s->side, true);
}

const struct stream *
inner_stream(const struct inner *inner)
{
	return inner->stream;
}

void
inner_free(struct inner *inner, enum call_reason reason)
{
	if (!inner)
		return;
	stream_free(inner->stream, reason);
	inner->context->buffered -= INNER_CHARGE;
	free(inner);
}
