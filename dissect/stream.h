/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection above L4: finds the protocol by content, feeds its
 * dissector, resynchronises after holes, pairs requests with responses and
 * emits calls.  Knows nothing of packets or TCP state: it is given in-order
 * bytes of both sides with their position and time.
 */
#pragma once

#include "dissect/event.h"

struct stream;

struct stream_options {
	uint64_t protocols;      /* bit per enum protocol that may be found */
	uint32_t body_limit;     /* bytes of a body kept per half */
	uint32_t head_limit;     /* bytes of one message head, and of STEP_MORE */
	uint32_t pending_limit;  /* open requests per connection */
};

/* Shared by all streams of one engine: options, sink and memory budget. */
struct stream_context {
	struct stream_options options;
	struct event_sink events;
	struct coverage *coverage;
	uint64_t buffered;        /* bytes held by all streams together */
	uint64_t buffered_limit;  /* bodies stop being kept beyond it (counted) */
	/* Private to the streams; zero at first, empty when the last is freed. */
	struct message *spare;
	uint32_t spare_count, streams;
};

/* Fixed for the life of a connection. */
struct stream_identity {
	uint64_t connection;
	struct endpoint client, server;
	uint8_t ip_protocol;
	bool midstream;
};

/*
 * Where the bytes given stand.  `position` and `acknowledged` are TCP sequence
 * and acknowledgement numbers unwrapped to 64 bits (any origin, the same for
 * both meanings on one side); 0 for UDP.
 */
struct stream_at {
	int64_t time_ns;
	struct packet_ref packet;
	uint64_t position;      /* of the first byte given */
	uint64_t acknowledged;  /* other side's position this packet acknowledges */
};

struct stream *stream_new(struct stream_context *context,
			  const struct stream_identity *identity);

/* Emits what is still open with `reason` (NO_RESPONSE for a clean close,
 * CAPTURE_ENDED, EVICTED), then frees. */
void stream_free(struct stream *s, enum call_reason reason);

/*
 * The next bytes of one side, beginning at a packet boundary.  The caller
 * guarantees causality: every byte of the other side below
 * `at->acknowledged` was given, or declared missing, before.
 * For UDP: one whole datagram.
 */
void stream_data(struct stream *s, enum side side, struct bytes data,
		 const struct stream_at *at);

/* `missing` bytes (0: unknown) of one side at `at->position` will not come. */
void stream_gap(struct stream *s, enum side side, uint64_t missing,
		const struct stream_at *at);

/* One side said FIN (clean), or was reset (not clean). */
void stream_finish(struct stream *s, enum side side, bool clean);

/* Bytes that a side has sent but the stream has not parsed (no protocol). */
uint64_t stream_undissected(const struct stream *s);
enum protocol stream_protocol(const struct stream *s);
uint32_t stream_calls(const struct stream *s);
/* The content shows that client and server were guessed the wrong way round;
 * the calls carry them exchanged. */
bool stream_reversed(const struct stream *s);
/* The first bytes of a side, up to 32, for traffic of unknown protocol. */
struct bytes stream_first_bytes(const struct stream *s, enum side side);
