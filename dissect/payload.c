/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads and bodies go to separate blocks: heads repeat each other line by
 * line and are read often, bodies are neither.  A block is one zstd frame, so
 * that reading one call decompresses one block.
 *
 * Bodies are recognised by a keyed hash of what was on the wire, before they
 * are decoded: a file served a thousand times is inflated and stored once.
 * The memory of that is a set-associative table of fixed size; what falls out
 * of it is merely stored again.
 */
#include "dissect/payload.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "dissect/content.h"
#include "dissect/head_delta.h"

#define DEDUP_MIN_SIZE 64 /* bytes below which storing is cheaper */
#define DEDUP_WAYS 4
/* Heads repeat what was said a moment ago, in long matches: a table that
 * stays in the fastest cache finds those at twice the speed. */
#define HEADS_HASH_LOG 12
#define HEADS_MIN_MATCH 6
#define SECRET_SIZE 192   /* XXH3's own secret has that many */

/* What became of a body that was seen before. */
struct seen {
	XXH128_hash_t hash; /* of the bytes on the wire */
	uint64_t body_bytes;
	struct payload_ref ref;
	uint8_t encoding;
	bool truncated, undecoded;
};

/*
 * The index of DEDUP_WAYS entries: most bodies are new, and that is told from
 * these few bytes without touching the entries.  `next` goes round; an entry
 * that was asked for since it came by is passed over once.
 */
struct seen_set {
	uint32_t tags[DEDUP_WAYS]; /* 0: the way is empty */
	uint8_t next;
	uint8_t wanted; /* bit per way */
};

/* One kind of payload and its open block. */
struct block {
	struct buf raw;
	uint64_t id; /* of the open block, or of the next */
	bool bodies;
};

struct payload_packer {
	struct payload_options options;
	void (*emit)(void *context, const struct payload_block *block);
	void *context;
	struct block heads, bodies;
	struct head_delta_table references; /* in the open block of heads */
	struct content_decoder *decoder;
	struct buf decoded;    /* scratch: one body */
	struct buf compressed; /* scratch: one block */
	ZSTD_CCtx *zstd;
	struct seen_set *sets;
	struct seen *seen;     /* set × DEDUP_WAYS */
	size_t set_mask;
	uint8_t secret[SECRET_SIZE];
};

static size_t
set_count(size_t entries)
{
	size_t sets = 1;

	while (sets * 2 * DEDUP_WAYS <= entries)
		sets *= 2;
	return sets;
}

struct payload_packer *
payload_packer_new(const struct payload_options *options,
		   void (*emit)(void *context, const struct payload_block *),
		   void *context)
{
	struct payload_packer *p = alloc_zero(1, sizeof(*p));
	size_t sets = set_count(options->dedup_entries);
	/* The last that is appended, body or messages, may overfill it. */
	size_t raw_limit = (size_t)options->block_bytes +
			   (options->body_limit > PAYLOAD_MESSAGES_LIMIT
				    ? options->body_limit
				    : PAYLOAD_MESSAGES_LIMIT);

	assert(options->block_bytes > 0 && options->block_step > 0);
	p->options = *options;
	p->emit = emit;
	p->context = context;
	p->heads.id = options->first_block;
	p->bodies.id = options->first_block + options->block_step;
	buf_init(&p->heads.raw, UINT32_MAX);
	buf_init(&p->bodies.raw, raw_limit);
	p->bodies.bodies = true;
	buf_init(&p->decoded, options->body_limit);
	buf_init(&p->compressed, ZSTD_compressBound(UINT32_MAX));
	p->decoder = content_decoder_new();
	p->zstd = ZSTD_createCCtx();
	if (!p->zstd)
		abort();
	p->sets = alloc_zero(sets, sizeof(*p->sets));
	p->seen = alloc_zero(sets * DEDUP_WAYS, sizeof(*p->seen));
	p->set_mask = sets - 1;
	if (getrandom(p->secret, SECRET_SIZE, 0) != SECRET_SIZE)
		abort();
	return p;
}

void
payload_packer_free(struct payload_packer *p)
{
	if (!p)
		return;
	buf_free(&p->heads.raw);
	buf_free(&p->bodies.raw);
	buf_free(&p->decoded);
	buf_free(&p->compressed);
	content_decoder_free(p->decoder);
	ZSTD_freeCCtx(p->zstd);
	free(p->sets);
	free(p->seen);
	free(p);
}

static void
set_level(struct payload_packer *p, const struct block *b)
{
	int own = 0; /* the level's choice */

	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel,
			       p->options.level);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_hashLog,
			       b->bodies ? own : HEADS_HASH_LOG);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_minMatch,
			       b->bodies ? own : HEADS_MIN_MATCH);
}

/* Compresses the open block and hands it over. */
static void
block_close(struct payload_packer *p, struct block *b)
{
	size_t bound = ZSTD_compressBound(b->raw.size);
	struct payload_block out;
	uint8_t *at;
	size_t size;

	if (b->raw.size == 0)
		return;
	buf_reset(&p->compressed);
	at = buf_reserve(&p->compressed, bound);
	set_level(p, b);
	size = ZSTD_compress2(p->zstd, at, bound, b->raw.data, b->raw.size);
	assert(!ZSTD_isError(size)); /* the room suffices by contract */
	out = (struct payload_block){
		.block = b->id,
		.bodies = b->bodies,
		.raw_size = (uint32_t)b->raw.size,
		.compressed = bytes_make(at, size),
	};
	p->emit(p->context, &out);
	buf_reset(&b->raw);
	if (!b->bodies)
		memset(&p->references, 0, sizeof(p->references));
	b->id += 2 * p->options.block_step;
}

/* Appends to the open block, or to a new one when that would overfill it. */
static struct payload_ref
block_append(struct payload_packer *p, struct block *b, struct bytes in)
{
	struct payload_ref ref = { 0 };

	if (in.size == 0)
		return ref;
	if (b->raw.size + in.size > p->options.block_bytes)
		block_close(p, b);
	ref.block = b->id;
	ref.offset = (uint32_t)b->raw.size;
	if (b->bodies)
		buf_bytes(&b->raw, in);
	else
		head_delta_append(&p->references, &b->raw, in);
	assert(!b->raw.failed); /* callers cap what they give */
	ref.size = (uint32_t)(b->raw.size - ref.offset);
	return ref;
}

static uint32_t
seen_tag(XXH128_hash_t hash)
{
	uint32_t tag = (uint32_t)hash.high64;

	return tag ? tag : 1;
}

/* What is known of this content, or NULL. */
static const struct seen *
seen_find(struct payload_packer *p, XXH128_hash_t hash, enum encoding encoding)
{
	size_t index = hash.low64 & p->set_mask;
	struct seen_set *set = &p->sets[index];
	uint32_t tag = seen_tag(hash);

	for (unsigned i = 0; i < DEDUP_WAYS; i++) {
		const struct seen *entry = &p->seen[index * DEDUP_WAYS + i];

		if (set->tags[i] != tag ||
		    !XXH128_isEqual(entry->hash, hash) ||
		    entry->encoding != encoding)
			continue;
		set->wanted |= (uint8_t)(1u << i);
		return entry;
	}
	return NULL;
}

static void
seen_add(struct payload_packer *p, const struct seen *entry)
{
	size_t index = entry->hash.low64 & p->set_mask;
	struct seen_set *set = &p->sets[index];
	unsigned way = set->next;

	while (set->wanted & (1u << way)) {
		set->wanted &= (uint8_t)~(1u << way);
		way = (way + 1) % DEDUP_WAYS;
	}
	set->next = (uint8_t)((way + 1) % DEDUP_WAYS);
	set->tags[way] = seen_tag(entry->hash);
	p->seen[index * DEDUP_WAYS + way] = *entry;
}

/* Undoes the encoding and stores the result, or the wire form if it is bad. */
static void
store_body(struct payload_packer *p, const struct call_half *half,
	   struct seen *result)
{
	struct bytes body = half->body;
	enum content_result content = CONTENT_BAD;
	uint64_t decoded = 0;

	if (half->encoding != ENCODING_NONE) {
		buf_reset(&p->decoded);
		content = content_decode(p->decoder, half->encoding, body,
					 p->options.ratio_limit, &p->decoded,
					 &decoded);
		result->undecoded = content == CONTENT_BAD;
		result->truncated = content == CONTENT_CUT;
	}
	if (content != CONTENT_BAD) {
		body = buf_view(&p->decoded);
		result->body_bytes = decoded;
	} else {
		result->body_bytes = half->body_wire_bytes;
	}
	if (body.size > p->options.body_limit) {
		body = bytes_first(body, p->options.body_limit);
		result->truncated = true;
	}
	result->ref = block_append(p, &p->bodies, body);
}

/* What a body is recognised by.  Its set is asked for early: heads are packed
 * while it comes into the cache. */
static XXH128_hash_t
body_hash(const struct payload_packer *p, const struct call_half *half)
{
	XXH128_hash_t hash = { 0 };

	if (half->body.size < DEDUP_MIN_SIZE)
		return hash;
	hash = XXH3_128bits_withSecret(half->body.data, half->body.size,
				       p->secret, SECRET_SIZE);
	__builtin_prefetch(&p->sets[hash.low64 & p->set_mask]);
	return hash;
}

/* Fills in what became of the half's body. */
static struct seen
pack_body(struct payload_packer *p, const struct call_half *half,
	  XXH128_hash_t hash)
{
	struct seen result = { .encoding = (uint8_t)half->encoding,
			       .hash = hash };
	const struct seen *hit;

	if (half->body.size < DEDUP_MIN_SIZE) {
		store_body(p, half, &result);
		return result;
	}
	hit = seen_find(p, result.hash, half->encoding);
	if (hit) {
		result = *hit;
		if (half->encoding == ENCODING_NONE || result.undecoded)
			result.body_bytes = half->body_wire_bytes;
		return result;
	}
	store_body(p, half, &result);
	if (result.ref.size > 0)
		seen_add(p, &result);
	return result;
}

static void
pack_half(struct payload_packer *p, struct call_half *half, XXH128_hash_t hash,
	  uint32_t *flags, const uint32_t news[2])
{
	half->body_ref = (struct payload_ref){ 0 };
	half->messages_ref = block_append(p, &p->bodies, half->messages);
	half->body_bytes = half->body_wire_bytes;
	if (half->body.size > 0) {
		struct seen body = pack_body(p, half, hash);

		half->body_ref = body.ref;
		half->body_bytes = body.body_bytes;
		*flags |= body.truncated ? news[0] : 0;
		*flags |= body.undecoded ? news[1] : 0;
	}
}

void
payload_packer_call(struct payload_packer *p, struct call_event *call,
		    struct coverage *coverage)
{
	static const uint32_t of_request[2] = { CALL_REQUEST_TRUNCATED,
						CALL_REQUEST_UNDECODED };
	static const uint32_t of_response[2] = { CALL_RESPONSE_TRUNCATED,
						 CALL_RESPONSE_UNDECODED };
	XXH128_hash_t request = body_hash(p, &call->request);
	XXH128_hash_t response = body_hash(p, &call->response);
	uint32_t before = call->flags;
	uint32_t news;

	call->request.head_ref = block_append(p, &p->heads, call->request.head);
	call->response.head_ref =
		block_append(p, &p->heads, call->response.head);
	pack_half(p, &call->request, request, &call->flags, of_request);
	pack_half(p, &call->response, response, &call->flags, of_response);
	news = call->flags & ~before;
	coverage->bodies_truncated += (news & CALL_REQUEST_TRUNCATED) != 0;
	coverage->bodies_truncated += (news & CALL_RESPONSE_TRUNCATED) != 0;
	coverage->bodies_undecoded += (news & CALL_REQUEST_UNDECODED) != 0;
	coverage->bodies_undecoded += (news & CALL_RESPONSE_UNDECODED) != 0;
}

void
payload_packer_flush(struct payload_packer *p)
{
	block_close(p, &p->heads);
	block_close(p, &p->bodies);
}
