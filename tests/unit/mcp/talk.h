/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation with the core over fake tools, without a loop or threads:
 * what the core wants run is kept until the test runs it. */
#pragma once

#include <jansson.h>

#include "server/mcp/mcp.h"

#define TALK_MAX 4096

struct talk {
	struct mcp_content content;
	struct mcp_server *server;
	struct mcp_connection *connection;
	struct mcp_request *todo[TALK_MAX]; /* handed to `run`, in order */
	size_t todo_count;
	char *said[TALK_MAX];               /* sent by the server, in order */
	size_t said_count, heard;
	void *origin;                       /* of the last message sent */
	bool woken;
};

/* A server and a client; only one server exists at a time. */
void talk_open(struct talk *t, const struct mcp_limits *limits);
void talk_close(struct talk *t);

/* A further client of the same server, which leaves before it closes. */
void talk_join(struct talk *t, struct talk *other);
void talk_leave(struct talk *t);

/* Gives the core one message. */
void talk_say(struct talk *t, const char *message);

/* Runs and finishes the oldest request the core wants run; false: none. */
bool talk_work_one(struct talk *t);
/* Waits until the first request that waits for its time is to be run again. */
void talk_pass_time(struct talk *t);
/* Until everything is answered, except open subscriptions. */
void talk_work(struct talk *t);

/* What the server said next, or NULL; the caller owns it. */
json_t *talk_hear(struct talk *t);

/* initialize with that revision; the answer is checked and dropped. */
void talk_initialize(struct talk *t, const char *revision);

/*
 * `expected` describes `actual`: "*" stands for anything, and a member "..."
 * in an object for any further members.
 */
bool talk_matches(const json_t *expected, const json_t *actual);

/* Hears one message and fails the test unless it matches (JSON text). */
void talk_expect(struct talk *t, const char *expected);
void talk_expect_silence(struct talk *t);
