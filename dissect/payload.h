/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs heads and bodies into zstd blocks before they leave the parser, so
 * that the writer moves opaque bytes only.  Identical content is stored once
 * (128-bit keyed XXH3); content encodings (gzip, deflate, br, zstd) are undone
 * here, inside the sandbox, with ratio and size limits.
 */
#pragma once

#include "base/err.h"
#include "dissect/event.h"

struct payload_packer;

/* call_half.messages has at most that many bytes. */
#define PAYLOAD_MESSAGES_LIMIT (256u << 10)

struct payload_options {
	uint32_t block_bytes;       /* raw size at which a block is closed */
	int level;                  /* zstd */
	uint32_t body_limit;        /* decoded bytes kept */
	uint32_t ratio_limit;       /* decoded / wire beyond which decoding stops */
	/* Ids: first + n × step, n even for heads, odd for bodies, each kind
	 * in the order its blocks are emitted. */
	uint64_t first_block, block_step;
	size_t dedup_entries;       /* bounded table of content seen */
};

/* A finished block, handed over before any call that refers to it. */
struct payload_block {
	uint64_t block;
	bool bodies;               /* else heads */
	uint32_t raw_size;
	struct bytes compressed;
};

/*
 * A packer that hands its blocks to `emit`.  Its secret comes from
 * getrandom(2): call before entering a sandbox.
 */
struct payload_packer *
payload_packer_new(const struct payload_options *options,
		   void (*emit)(void *context, const struct payload_block *),
		   void *context);

/* Open blocks are dropped.  NULL is allowed. */
void payload_packer_free(struct payload_packer *p);

/*
 * Stores head and body of both halves and fills in their payload_refs,
 * body_bytes, and the TRUNCATED/UNDECODED flags.  The refs may point into a
 * block that is still open: call payload_packer_flush before the call is
 * made visible.
 */
void payload_packer_call(struct payload_packer *p, struct call_event *call,
			 struct coverage *coverage);

/* Closes and emits the open blocks. */
void payload_packer_flush(struct payload_packer *p);
