/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics counts, and its text (Prometheus exposition format 0.0.4). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define ENDPOINT_MAP(X)                                               \
	X(MCP, "mcp")                                                 \
	X(OLD_SSE, "sse")                                             \
	X(OLD_MESSAGES, "messages")                                   \
	X(API, "api")                                                 \
	X(EXPORTS, "exports")                                         \
	X(METADATA, "metadata")                                       \
	X(HEALTH, "healthz")                                          \
	X(METRICS, "metrics")                                         \
	X(NONE, "none")

enum http_endpoint {
#define X(name, text) ENDPOINT_##name,
	ENDPOINT_MAP(X)
#undef X
	ENDPOINT_COUNT,
};

/* Upper bounds of the histogram, µs; one bucket more for what is above. */
#define METRICS_BUCKETS 14

struct metrics {
	uint64_t requests[ENDPOINT_COUNT][6]; /* by the status' first digit */
	uint64_t buckets[ENDPOINT_COUNT][METRICS_BUCKETS + 1];
	uint64_t micros[ENDPOINT_COUNT];      /* sum */
	uint64_t connections, refused_connections;
	uint64_t received_bytes, sent_bytes;
	uint64_t sessions;                    /* that were begun */
	uint64_t rate_limited, unauthorized, foreign; /* requests refused */
	uint64_t key_failures; /* of OAuth: keys that could not be had */
	uint64_t timeouts, slow_readers;      /* connections given up */
};

/* What is there at the moment. */
struct metrics_now {
	size_t connections, sessions, streams, running;
	size_t jobs, captures;
	uint64_t captured_packets, dropped_packets;
};

/* The endpoint's name as the label has it. */
const char *endpoint_text(enum http_endpoint endpoint);

/* Counts an answered request and how long it took. */
void metrics_request(struct metrics *m, enum http_endpoint endpoint,
		     unsigned status, int64_t took_ns);

/* Appends everything in Prometheus' text format (version 0.0.4). */
void metrics_write(const struct metrics *m, const struct metrics_now *now,
		   struct buf *out);
