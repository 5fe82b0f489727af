/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 as MCP narrows it (2025-11-25, basic/index#messages): ids are
 * strings or integers, params are objects, nothing else stands at the top.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/bytes.h"

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
	MCP_RESOURCE_NOT_FOUND = -32002,   /* legacy revisions only */
	MCP_UNSUPPORTED_VERSION = -32022,  /* 2026-07-28 */
	MCP_HEADER_MISMATCH = -32020,      /* 2026-07-28 */
	MCP_MISSING_CAPABILITY = -32021,   /* 2026-07-28 */
	MCP_FORBIDDEN = -31002, /* ours: the caller has no right to that */
	MCP_SESSION_UNKNOWN = -31003, /* ours: initialize again */
	MCP_BUSY = -31001, /* ours, outside the reserved range: too many
			    * unanswered requests; try again later */
};

#define RPC_ERROR_TEXT 400

/* An error on its way to the client.  `code` 0: none. */
struct rpc_error {
	int code;
	char text[RPC_ERROR_TEXT];
	json_t *data; /* owned, or NULL */
	bool refused; /* the message was bad, before any method looked at it */
};

/* Fills `e` and returns -1; the text is cut at a character boundary. */
int rpc_fail(struct rpc_error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Limits of what a message may look like before memory is spent on it. */
#define RPC_MAX_DEPTH 128
#define RPC_MAX_VALUES 65536
#define MAX_ID 1024 /* bytes of an id or a progress token */

/*
 * Parses one JSON text: UTF-8, no duplicate names, at most RPC_MAX_DEPTH deep
 * and RPC_MAX_VALUES values.  NULL with `e` filled: RPC_PARSE_ERROR, or
 * RPC_INVALID_REQUEST when it is over a limit.  `*values` (may be NULL) gets
 * an upper bound of the number of values.
 */
json_t *rpc_parse(struct bytes text, size_t *values, struct rpc_error *e);

enum rpc_kind { RPC_REQUEST, RPC_NOTIFICATION, RPC_RESPONSE };

/* One message taken apart; everything is borrowed from the parsed object. */
struct rpc_message {
	enum rpc_kind kind;
	json_t *id;         /* of a request; of a bad one when it is readable */
	const char *method; /* of requests and notifications */
	json_t *params;     /* object, or NULL */
};

/* Checks the shape.  0, or -1 with `e` filled (and m->id set if readable). */
int rpc_take_apart(json_t *message, struct rpc_message *m,
		   struct rpc_error *e);

/* True for a string or an integer. */
bool rpc_is_id(const json_t *id);

/* Appends JSON text without blanks or newlines. */
void rpc_write_json(struct buf *out, const json_t *value);
/* Appends `text` as a JSON string; what is no UTF-8 is shown escaped. */
void rpc_write_string(struct buf *out, struct bytes text);

/* `{"code":…,"message":…,"data"?:…}` */
void rpc_write_error_object(struct buf *out, const struct rpc_error *e);
/* `{"jsonrpc":"2.0","id":ID,"error":{…}}`; id NULL: no id member. */
void rpc_write_error(struct buf *out, const char *id,
		     const struct rpc_error *e);
