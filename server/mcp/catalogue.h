/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list that clients page through: serialized once, handed out by opaque
 * cursors that stay valid as long as the list is the same, across connections
 * and processes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "server/mcp/rpc.h"

struct catalogue {
	const char *member;  /* name of the array in a result: "tools" */
	struct buf text;     /* the entries, each followed by a comma */
	size_t *ends;        /* behind each entry's comma */
	uint32_t count;
	uint32_t capacity;
	uint32_t checksum;   /* of the text; part of every cursor */
};

/* An empty list; `member` is borrowed. */
void catalogue_init(struct catalogue *c, const char *member);
/* Frees what the list holds, not `c` itself. */
void catalogue_free(struct catalogue *c);
/* Serializes an entry at the end; cursors handed out before are void. */
void catalogue_add(struct catalogue *c, const json_t *entry);

/*
 * Appends {"<member>":[…],"nextCursor"?} with at most `page` entries from
 * `cursor` (NULL: the start).  -1 with RPC_INVALID_PARAMS for a cursor that
 * this list did not hand out.
 */
int catalogue_page(const struct catalogue *c, const char *cursor,
		   uint32_t page, struct buf *out, struct rpc_error *e);
