/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversations that share one connection: HTTP/2 streams, AMQP channels,
 * the data and control messages of WebSocket.  Each has at most one message of
 * either role at a time, and state of its dissector's.
 */
#pragma once

#include "base/map.h"
#include "dissect/message.h"

struct channel {
	struct channel *older, *newer;
	uint64_t id;
	struct message *halves[2]; /* request, response: open, or ended and
				    * waiting for the other */
	uint64_t state[];          /* state_size bytes */
};

/* All of a connection; zero at first but for state_size. */
struct channels {
	struct map *by_id; /* uint64_t to struct channel * */
	struct channel *oldest, *newest;
	size_t state_size;
};

/* The channel with this id, or NULL. */
struct channel *channel_find(const struct channels *c, uint64_t id);

/* A new one, zeroed; `id` must not be there yet. */
struct channel *channel_add(struct channels *c, struct stream_context *context,
			    uint64_t id);

/* Forgets and frees it; its halves are the caller's to release before. */
void channel_remove(struct channels *c, struct stream_context *context,
		    struct channel *channel);

/* How many there are. */
size_t channel_count(const struct channels *c);

/* Frees the table, which must be empty. */
void channels_free(struct channels *c);
