/* SPDX-License-Identifier: Apache-2.0 */
/* What streams are given: limits, where events go, who talks, where bytes
 * stand. */
#pragma once

#include "dissect/event.h"

struct key_store;

struct stream_options {
	uint64_t protocols;      /* bit per enum protocol that may be found */
	uint32_t body_limit;     /* bytes of a body kept per half */
	uint32_t head_limit;     /* bytes of one message head, and of STEP_MORE */
	uint32_t pending_limit;  /* open requests per connection */
};

/* Shared by all streams of one engine: options, sink and memory budget. */
struct stream_context {
	struct stream_options options;
	struct event_sink events;
	struct coverage *coverage;
	uint64_t buffered;        /* bytes held by all streams together */
	uint64_t buffered_limit;  /* bodies stop being kept beyond it (counted) */
	struct key_store *keys;   /* of TLS; borrowed, NULL: none */
	/* Private to the streams; zero at first, empty when the last is freed. */
	struct message *spare;
	uint32_t spare_count, streams;
	void *shared[PROTOCOL_COUNT]; /* stream_shared.h */
};

/* Fixed for the life of a connection. */
struct stream_identity {
	uint64_t connection;
	struct endpoint client, server;
	uint8_t ip_protocol;
	bool midstream;
	struct bytes tls; /* FIELD_TLS of all its calls; borrowed */
	unsigned depth;   /* how many streams it is inside of */
};

/*
 * Where the bytes given stand.  `position` and `acknowledged` are TCP sequence
 * and acknowledgement numbers unwrapped to 64 bits (any origin, the same for
 * both meanings on one side); 0 for
 * datagrams.
 */
struct stream_at {
	int64_t time_ns;
	struct packet_ref packet;
	uint64_t position;      /* of the first byte given */
	uint64_t acknowledged;  /* other side's position this packet acknowledges */
};
