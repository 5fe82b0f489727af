/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection above L4: finds the protocol by content, feeds its
 * dissector, resynchronises after holes, pairs requests with responses and
 * emits calls.  Knows nothing of packets or TCP state: it is given in-order
 * bytes of both sides with their position and time.
 */
#pragma once

#include "dissect/stream_context.h"

struct stream;

/* A connection's stream; `context` outlives it. */
struct stream *stream_new(struct stream_context *context,
			  const struct stream_identity *identity);

/* Emits what is still open with `reason` (NO_RESPONSE for a clean close,
 * CAPTURE_ENDED, EVICTED), then frees. */
void stream_free(struct stream *s, enum call_reason reason);

/*
 * The next bytes of one side, beginning at a packet boundary.  The caller
 * guarantees causality: every byte of the other side below
 * `at->acknowledged` was given, or declared missing, before.
 * For UDP and ICMP: one whole datagram.
 */
void stream_data(struct stream *s, enum side side, struct bytes data,
		 const struct stream_at *at);

/* `missing` bytes (0: unknown) of one side at `at->position` will not come. */
void stream_gap(struct stream *s, enum side side, uint64_t missing,
		const struct stream_at *at);

/* One side said FIN (clean), or was reset (not clean). */
void stream_finish(struct stream *s, enum side side, bool clean);

/* No more will come: a search for a message, which may wait for more of one,
 * is decided.  To be called before the following are asked the last time. */
void stream_settle(struct stream *s);

/* Bytes that a side has sent but the stream has not parsed (no protocol). */
uint64_t stream_undissected(const struct stream *s);

/* The last protocol that was found; PROTOCOL_UNKNOWN: none so far. */
enum protocol stream_protocol(const struct stream *s);

/* Calls emitted so far. */
uint32_t stream_calls(const struct stream *s);

/* The content shows that client and server were guessed the wrong way round;
 * the calls carry them exchanged. */
bool stream_reversed(const struct stream *s);
/* The first bytes of a side, up to 32, for traffic of unknown protocol. */
struct bytes stream_first_bytes(const struct stream *s, enum side side);
