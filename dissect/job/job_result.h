/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers' accounts add up to. */
#pragma once

#include "capture/snapshot.h"
#include "dissect/job/job_status.h"
#include "dissect/job/parser.h"

/* The part of the snapshot that the options ask for. */
struct packet_window job_result_window(const struct job_options *options,
				       const struct snapshot *snapshot);

/* The stored bytes of the segments that a window touches. */
uint64_t job_result_bytes(const struct snapshot *snapshot,
			  struct packet_window window);

/* The bytes of all segments, uncompressed, as the manifest has them. */
uint64_t job_result_uncompressed(const struct snapshot *snapshot);

/* What the database says of where it comes from (new reference). */
json_t *job_result_meta(const struct job_options *options,
			const struct snapshot *snapshot);

/* Brings bytes, packets, faults and parsers of a status up to date. */
void job_result_progress(struct job_status *status,
			 const struct parser *parsers, unsigned count);

/* What the counts of all shards are together. */
struct coverage job_result_coverage(const struct parser *parsers,
				    unsigned count);

/* How the run ended, when the database itself is sound. */
struct job_verdict {
	enum job_state state;
	const char *problem; /* why the result is partial; NULL: it is not */
};

/* `cancelled` counts only when it came before the end of some parser. */
struct job_verdict job_result_verdict(const struct parser *parsers,
				      unsigned count, bool cancelled);

/* Records in the database what went wrong without stopping the run. */
void job_result_faults(struct store_writer *store,
		       const struct parser *parsers, unsigned count);
