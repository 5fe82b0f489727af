/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of one connection of QUIC (RFC 9000 §2 and §3), whose content is
 * HTTP/3.  What comes out of order waits for what is missing; when that does
 * not come for a while the capture lacks it, and what depends on it is marked.
 */
#pragma once

#include "base/map.h"
#include "dissect/proto/http3.h"
#include "dissect/proto/quic_half.h"

/* Streams that are open at once; the oldest is given up for another. */
#define QUIC_STREAMS 1024
/* Bytes of all of them that wait. */
#define QUIC_STREAMS_BYTES (8u << 20)
/* How long what is missing is waited for: longer than retransmissions take. */
#define QUIC_WAIT_NS 2000000000LL
/* Streams below the highest that may still begin. */
#define QUIC_WINDOW 512

struct quic_stream {
	struct quic_stream *older, *newer;
	struct http3_stream http;
	struct quic_half halves[2];
	struct sink_moment came[2]; /* when the last bytes came */
	int64_t since[2];           /* has waited from then on; 0: does not */
};

/* Which streams of a type have begun: a bit for each of the last ones, that of
 * the highest first. */
struct quic_begun {
	uint64_t count; /* the number of the highest and 1; 0: none */
	uint64_t bits[QUIC_WINDOW / 64];
};

struct quic_streams {
	struct map *by_id;  /* uint64_t to struct quic_stream * */
	struct quic_stream *oldest, *newest;
	struct quic_begun begun[4];
	struct http3 http;
	unsigned waiting;   /* directions that wait */
	int64_t earliest;   /* no later than since when any does */
	size_t bytes;       /* that wait */
};

/* Of a connection whose calls carry `label`; `channels` counts them.  NULL when
 * there is no memory left. */
struct quic_streams *quic_streams_new(uint64_t *channels, struct bytes label,
				      struct sink *sink);

/* A STREAM frame of `side`; `last`: the direction ends with it. */
struct quic_chunk {
	uint64_t stream, offset;
	struct bytes data;
	bool last;
};
void quic_streams_data(struct quic_streams *s, enum side side,
		       const struct quic_chunk *chunk, struct sink *sink);

/* RESET_STREAM of `side`. */
void quic_streams_reset(struct quic_streams *s, enum side side, uint64_t id,
			uint64_t code, struct sink *sink);

/* Gives up what has been waited for too long now. */
void quic_streams_tick(struct quic_streams *s, struct sink *sink);

/* Nothing more comes: what waits is said as far as it can be. */
void quic_streams_flush(struct quic_streams *s, struct sink *sink);

/* The connection is over: calls that are not fail with `error` (NULL: of
 * nothing in particular). */
void quic_streams_close(struct quic_streams *s, const char *error,
			struct sink *sink);

/* Frees all.  Without a sink calls are left as they are, and memory is not
 * given back; NULL is allowed. */
void quic_streams_free(struct quic_streams *s, struct sink *sink);
