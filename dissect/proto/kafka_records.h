/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of records and sets of messages, as JSON. */
#pragma once

#include "dissect/proto/json_writer.h"

/* Up to the magic that tells one form from the other. */
#define KAFKA_BATCH_MAGIC 17
#define KAFKA_BATCH_HEAD 61

/* Bytes of the batch or message at the front of `in` (at least 17), or 0 when
 * there is none. */
uint64_t kafka_batch_size(struct bytes in);

struct kafka_batch_result {
	uint64_t records; /* that it has, shown or not */
	bool cut;         /* not all are shown */
};

/* A whole one, or only its head (of 61 bytes) when it is too large: then its
 * records are counted. */
struct kafka_batch_result kafka_batch_write(struct bytes in,
					    struct json_writer *w);
