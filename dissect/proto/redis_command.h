/* SPDX-License-Identifier: Apache-2.0 */
/* What a request of Redis is about. */
#pragma once

#include "dissect/proto/redis_frame.h"
#include "dissect/sink.h"

/* What the answer, and what comes behind it, depend on. */
enum redis_kind {
	REDIS_PLAIN,
	REDIS_SUBSCRIBE, /* one answer for each argument */
	REDIS_MONITOR,   /* every command of others follows the answer */
	REDIS_SYNC,      /* the data set follows, and then all changes */
	REDIS_SELECT,    /* changes the database */
	REDIS_RESET,     /* back to how it began */
	REDIS_REPLY,     /* CLIENT REPLY: whether answers come at all */
};

/* The command's kind, by its arguments that are here. */
enum redis_kind redis_kind(const struct redis_request *request);

/*
 * Says it: method, path (the first key, channel or pattern), arguments as
 * headers, the value of commands that store one as body, summary.  Passwords
 * are named so that they are known as such, and not in the summary.
 * Arguments from `request->seen` on are said by redis_argument.
 */
void redis_emit(const struct redis_request *request, struct sink *sink);

/* A further argument, behind those that redis_emit was given. */
void redis_argument(struct bytes argument, struct sink *sink);

/* Says that an argument of `size` bytes, too long to be one, is in the body. */
void redis_argument_in_body(uint64_t size, struct sink *sink);

/* Longer arguments go to the body. */
#define REDIS_ARGUMENT_SIZE 1024
