/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/parser_limits.h"

#include <string.h>

#include "base/alloc.h"

#define MIB ((uint64_t)1 << 20)
#define WRITER_BYTES (64 * MIB) /* what the writer needs for itself */
#define SHARE_MIN (24 * MIB)
/* Code, libraries, stacks, and what malloc reserves and does not touch. */
#define UNTOUCHED_BYTES (96 * MIB)

#define BLOCK_BYTES (512u << 10)
#define COMPRESSION_LEVEL 1
#define RATIO_LIMIT 200
#define DEDUP_ENTRIES 16384 /* 53 bytes each */

/* Roughly what a tracked connection costs beside its buffered bytes. */
#define CONNECTION_BYTES 1024

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

static uint64_t
at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
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
 * A quarter of the share each for bytes behind holes, for bodies and for
 * connections; the rest is the packer's, the readers' and slack.
 */
static struct engine_options
engine_limits(const struct parser_setup *setup)
{
	struct engine_options engine = engine_defaults();
	uint64_t quarter = share(setup) / 4;

	engine.stream.protocols = setup->options->protocols;
	engine.stream.body_limit = setup->options->max_body;
	engine.shard_index = setup->index;
	engine.shard_count = setup->count;
	engine.reassembly_limit = at_most(engine.reassembly_limit, quarter);
	engine.body_memory_limit = at_most(engine.body_memory_limit, quarter);
	engine.connection_limit = (uint32_t)at_most(engine.connection_limit,
						    quarter / CONNECTION_BYTES);
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
	};
}
