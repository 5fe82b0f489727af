/* SPDX-License-Identifier: Apache-2.0 */
/* All that a parser is given; copied by fork. */
#pragma once

#include "capture/packet_reader.h"
#include "capture/secrets.h"
#include "dissect/job/job_options.h"

struct parser_setup {
	const struct job_options *options;
	const struct packet_segment *segments;
	uint32_t segment_count;
	uint64_t uncompressed_bytes; /* of all segments */
	struct packet_window window;
	struct secret_list *secrets; /* of TLS, known before */
	struct bytes descriptors; /* a FileDescriptorSet; empty: none */
	unsigned index, count; /* this shard, of how many */
};
