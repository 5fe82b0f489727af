/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events (WHATWG HTML, 9.2) and the ids ours have. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

/* Which event of which stream of a session: "3-17". */
struct sse_id {
	uint32_t stream, number;
};

/* Appends an event.  `name` NULL: a message; `id` NULL: without one; `data`
 * is one line. */
void sse_event(struct buf *out, const char *name, const struct sse_id *id,
	       struct bytes data);

/* An event without a message, whose id tells the client where to resume, and
 * after how many milliseconds (0: as it likes). */
void sse_prime(struct buf *out, const struct sse_id *id, unsigned retry_ms);

/* The id of a Last-Event-ID field; false when it is none of ours. */
bool sse_parse_id(struct bytes text, struct sse_id *id);
