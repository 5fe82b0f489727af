/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An incoming message, parsed once: what a transport has to know of it (which
 * era, does it want an answer, what must the headers say) before it gives it
 * to a connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/bytes.h"
#include "server/mcp/rpc.h"

struct mcp_incoming {
	json_t *value;          /* owned; NULL: `error` says why */
	struct rpc_error error;
	size_t cost;            /* rough memory of the parsed message, bytes */
	bool is_batch;
	bool is_request;        /* it, or one of the batch, is answered */
	bool is_modern;         /* it, or one of the batch, names its revision */
	/* Of a single message, borrowed from `value`; NULL when absent. */
	const json_t *id;
	const char *method;
	const char *version;    /* of a modern one, if it is a string */
	const char *name;       /* the tool, prompt, resource or task meant */
};

/* Parses a message of at most `limit` bytes. */
void mcp_incoming_parse(struct mcp_incoming *m, struct bytes text,
			size_t limit);
void mcp_incoming_free(struct mcp_incoming *m);

/* Appends the error response to `m` that says `e`, which is used up. */
void mcp_incoming_refuse(const struct mcp_incoming *m, struct rpc_error *e,
			 struct buf *out);
