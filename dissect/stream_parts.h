/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a stream, shared by its own files only. */
#pragma once

#include "dissect/channel.h"
#include "dissect/lane.h"
#include "dissect/pair.h"
#include "dissect/stream.h"

struct inner; /* dissect/stream_inner.c */

/* What a dissector talks to: the side being fed. */
struct sink {
	struct stream *stream;
	enum side side;
	enum side role;          /* of the message selected in `channel` */
	struct channel *channel; /* NULL: none, or none selected */
};

/* What comes behind a message with MESSAGE_UPGRADE. */
struct upgrade {
	enum protocol protocol;  /* UNKNOWN: to be found */
	uint64_t channel;        /* 0: none */
	struct message *request; /* that waits in the channel; owned */
	struct buf settings;
};

struct stream {
	struct stream_context *context;
	struct stream_identity identity;
	const struct dissector *dissector; /* NULL: not known (any more) */
	enum protocol protocol;            /* the last one known */
	void *conn;
	uint64_t kept;                     /* bytes that the state has beside */
	struct lane lanes[2];
	struct channels channels;
	struct pair pair;
	struct sink sink;
	struct inner *inner; /* what the dissector found inside; or NULL */
	bool inner_lost[2]; /* and before it was found, by side: not all */
	uint32_t messages;  /* since the dissector was chosen */
	bool upgrade;       /* the message that just ended changes protocol */
	struct upgrade next;
	bool settled;       /* at least one message was found, ever */
	bool reversed;      /* sides are the other way round than given */
};

/* What carries it, by the number of its IP protocol. */
static inline enum transport
stream_transport(const struct stream *s)
{
	switch (s->identity.ip_protocol) {
	case 17:
		return TRANSPORT_UDP;
	case 1:
		return TRANSPORT_ICMP;
	case 58:
		return TRANSPORT_ICMPV6;
	default:
		return TRANSPORT_TCP;
	}
}

/* The stream inside, NULL allowed: a side has ended; all has ended. */
void inner_finish(struct inner *inner, enum side side, bool clean);
void inner_free(struct inner *inner, enum call_reason reason);
/* The stream itself, NULL when there is none. */
const struct stream *inner_stream(const struct inner *inner);

/* From `outside` on, bytes of a side are missing or not understood. */
void inner_hole(struct inner *inner, enum side side, uint64_t outside);
/* stream_gap at `position`, of bytes that end at `behind`: `missing` is what
 * a dissector may count with. */
void stream_hole(struct stream *s, enum side side, uint64_t missing,
		 uint64_t position, uint64_t behind);

/* The next protocol begins. */
void stream_adopt_next(struct stream *s);

/* Channels (stream_channel.c). */

static inline bool
stream_has_channels(const struct stream *s)
{
	return s->dissector && s->dissector->channel_size;
}

/* The selection, if there can be one, is over. */
static inline void
stream_deselect(struct stream *s, struct lane *lane)
{
	if (!stream_has_channels(s))
		return;
	s->sink.channel = NULL;
	lane->open = NULL;
}

/* A message was begun in, or ends in, the selected channel. */
void stream_channel_begin(struct sink *s, struct message *m);
void stream_channel_end(struct sink *s, struct message *m);
/* Ends the open messages of `side`, incomplete. */
void stream_channels_end(struct stream *s, enum side side);
/* Emits what all channels hold and forgets them. */
void stream_channels_flush(struct stream *s, enum call_reason reason);
/* A request that waits in a new channel. */
void stream_channel_carry(struct stream *s, uint64_t id, struct message *m);
