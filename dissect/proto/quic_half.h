/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a stream of QUIC: what STREAM frames carry, in order (RFC
 * 9000 §2.2).  Pieces behind a gap are kept, apart from each other, within
 * limits; what came first counts where they overlap.
 */
#pragma once

#include "base/buf.h"
#include "dissect/sink_inner.h"

/* Gaps between what is kept, and its bytes. */
#define QUIC_HALF_PIECES 64
#define QUIC_HALF_BYTES (1u << 20)
#define QUIC_SIZE_UNKNOWN UINT64_MAX

struct quic_piece {
	struct quic_piece *next;
	uint64_t offset;
	struct sink_moment moment; /* when its last bytes came */
	struct buf data;
};

struct quic_half {
	uint64_t next;  /* offset of the next byte that is to be given */
	uint64_t final; /* how many there are, or QUIC_SIZE_UNKNOWN */
	struct quic_piece *pieces; /* owned */
	size_t count, bytes;       /* of pieces */
};

/* Zeroed memory becomes an empty one. */
void quic_half_init(struct quic_half *h);

/* The side has said where its direction ends; the first to say so counts. */
void quic_half_end(struct quic_half *h, uint64_t final);

/*
 * Takes bytes that are at `offset`: what can be given at once is returned, and
 * no longer awaited; what is behind a gap is kept.  `*full` says that it could
 * not be kept, and is forgotten.
 */
struct bytes quic_half_add(struct quic_half *h, uint64_t offset,
			   struct bytes data, struct sink *sink, bool *full);

/* A kept piece to which there is no gap any more, taken out; NULL: none.  To be
 * given and freed by quic_half_free_piece.  Its data may be empty. */
struct quic_piece *quic_half_take(struct quic_half *h);
void quic_half_free_piece(struct quic_piece *piece, struct sink *sink);

/* Gives up the gap that is waited for, or the end behind which nothing is
 * kept; how long it is, 0: there is none. */
uint64_t quic_half_skip(struct quic_half *h);

/* All has been given. */
bool quic_half_is_over(const struct quic_half *h);

/* Forgets what is kept; without a sink its memory is not given back. */
void quic_half_drop(struct quic_half *h, struct sink *sink);
