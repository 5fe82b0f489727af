/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session's streams have said lately, so that a client whose connection
 * broke can read on where it stopped (2025-11-25, basic/transports,
 * "Resumability").  Bounded in events and bytes; the oldest go first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/bytes.h"
#include "server/transport/sse.h"

struct event {
	TAILQ_ENTRY(event) link;
	struct sse_id id;
	size_t size;
	uint8_t data[]; /* the message */
};

TAILQ_HEAD(event_list, event);

struct event_limits {
	size_t events; /* at least 1 */
	size_t bytes;  /* the newest event is kept even when it is larger */
};

struct event_store {
	struct event_limits limits;
	struct event_list list; /* oldest first */
	size_t count, bytes;
};

/* An empty store that keeps within `limits` (copied). */
void event_store_init(struct event_store *s,
		      const struct event_limits *limits);

/* Frees all events; the store is empty then, and as good as new. */
void event_store_clear(struct event_store *s);

/* Keeps a copy of the message. */
void event_store_add(struct event_store *s, struct sse_id id,
		     struct bytes message);

enum event_gap {
	EVENT_COMPLETE, /* everything after that event is there */
	EVENT_LOST,     /* some of it has been forgotten, or never was */
};

/*
 * Can stream `after.stream`, whose newest event is number `newest`, be read on
 * after event `after.number`?
 */
enum event_gap event_store_check(const struct event_store *s,
				 struct sse_id after, uint32_t newest);

/* The number of the newest event of that stream; 0: none is kept. */
uint32_t event_store_newest(const struct event_store *s, uint32_t stream);

/* The first event of that stream behind `after`; NULL: none. */
const struct event *event_store_next(const struct event_store *s,
				     struct sse_id after);
