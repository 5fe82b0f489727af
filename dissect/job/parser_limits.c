/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/parser_limits.h"

#include <string.h>

#include "base/alloc.h"

#define MIB ((uint64_t)1 << 20)
#define WRITER_BYTES (64 * MIB) /* what the writer needs for itself */
#define SHARE_MIN (32 * MIB)
/* Of a share: a block and a body being packed, twice each, and the reader's
 * windows. */
#define FIXED_BYTES (16 * MIB)
/* Code, libraries, stacks, and what malloc reserves and does not touch. */
#define UNTOUCHED_BYTES (96 * MIB)

#define BLOCK_BYTES (256u << 10)
#define COMPRESSION_LEVEL 1
#define RATIO_LIMIT 200
#define COMPRESSION_REACH (512u << 10) /* its window */
#define EVENT_FACTOR 16
#define EVENT_FLOOR (16 * MIB) /* for what does not depend on packets */
#define DEDUP_ENTRIES 16384 /* 53 bytes each */

/* What a tracked connection costs at most beside what its buffers hold. */
#define CONNECTION_BYTES 3072

/* A secret of TLS with what finds it, doubled while its table grows. */
#define SECRET_BYTES 384

static uint64_t
share(const struct parser_setup *setup)
{
	uint64_t memory = setup->options->memory_bytes;
	uint64_t each = memory > WRITER_BYTES ?
				(memory - WRITER_BYTES) / setup->count : 0;

	return each > SHARE_MIN ? each : SHARE_MIN;
}

uint64_t
parser_address_space(const struct parser_setup *setup)
{
	return share(setup) + UNTOUCHED_BYTES;
}

/* It was forked from the writer, and has what that has. */
uint64_t
naming_address_space(const struct job_options *options)
{
	return options->memory_bytes + UNTOUCHED_BYTES;
}

/*
 * A small request or datagram takes about 100 bytes of events and came in
 * about as many bytes of packet; pipelined ones of 16 bytes are the worst
 * case of calls.  A body may store more than it was on the wire when it
 * repeats itself farther back than level 1 looks.
 */
uint64_t
parser_event_limit(const struct parser_setup *setup)
{
	uint64_t body = setup->options->max_body / COMPRESSION_REACH;
	uint64_t factor =
		EVENT_FACTOR + (body < RATIO_LIMIT ? body : RATIO_LIMIT);

	return EVENT_FLOOR + factor * setup->uncompressed_bytes;
}

static void
fill_filter(struct engine_filter *filter, const struct job_options *options)
{
	size_t count = options->address_count;
	uint8_t *bits;

	filter->ports = options->port_count ? options->ports : NULL;
	filter->port_count = options->port_count;
	if (count == 0)
		return;
	filter->ips = alloc_zero(count, sizeof(*filter->ips));
	filter->ip_bits = bits = alloc_zero(count, 1);
	filter->ip_count = count;
	for (size_t i = 0; i < count; i++) {
		memcpy(filter->ips[i], options->addresses[i].ip,
		       sizeof(filter->ips[i]));
		bits[i] = options->addresses[i].bits;
	}
}

/*
 * Of what is left of the share, a sixth for messages (their buffers double as
 * they grow, so they may take a third), an eighth for bytes behind holes, a
 * twelfth for processes and sockets and five for connections; what is left is
 * what malloc loses.
 */
static struct engine_options
engine_limits(const struct parser_setup *setup)
{
	struct engine_options engine = engine_defaults();
	uint64_t room = share(setup) - FIXED_BYTES;

	engine.stream.protocols = setup->options->protocols;
	engine.stream.body_limit = setup->options->max_body;
	engine.shard_index = setup->index;
	engine.shard_count = setup->count;
	engine.reassembly_limit = room / 8;
	engine.body_memory_limit = room / 6;
	engine.identity_limit = room / 12;
	engine.secret_limit = (uint32_t)(room / 12 / SECRET_BYTES);
	engine.connection_limit =
		(uint32_t)(room * 5 / 12 / CONNECTION_BYTES);
	fill_filter(&engine.filter, setup->options);
	return engine;
}

struct parser_limits
parser_limits(const struct parser_setup *setup)
{
	return (struct parser_limits){
		.engine = engine_limits(setup),
		.payload = {
			.block_bytes = BLOCK_BYTES,
			.level = COMPRESSION_LEVEL,
			.body_limit = setup->options->max_body,
			.ratio_limit = RATIO_LIMIT,
			.first_block = setup->index,
			.block_step = setup->count,
			.dedup_entries = DEDUP_ENTRIES,
		},
		.application = {
			.body_limit = setup->options->max_body,
			.ratio_limit = RATIO_LIMIT,
		},
	};
}
