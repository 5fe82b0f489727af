/* SPDX-License-Identifier: Apache-2.0 */
/* GraphQL over HTTP and WebSocket; see dissect/proto/graphql.md. */
#pragma once

#include "dissect/application/reading.h"

/* Whether a body in JSON, or the query of a URL, may be a request of GraphQL,
 * at a glance. */
bool graphql_may_be(struct bytes body);
bool graphql_may_be_query(struct bytes query);

/*
 * What request and response say; false when the request is no GraphQL.
 * `document`: the body of the request is one (application/graphql), and no
 * JSON.
 */
bool graphql_read(const struct bodies *bodies, bool document,
		  struct reading *reading);

/* Whether a message of WebSocket in JSON is one of graphql-transport-ws or
 * graphql-ws (the older), and what it says.  `*id` is what its operation is
 * called in this connection, empty when it is of none. */
enum graphql_message {
	GRAPHQL_NO_MESSAGE,
	GRAPHQL_CONTROL, /* of the connection */
	GRAPHQL_BEGINS,  /* says the operation: reading->operation */
	GRAPHQL_GOES_ON, /* of one that has begun: `type` in operation */
};
enum graphql_message graphql_read_message(struct bytes message,
					  struct bytes *id,
					  struct reading *reading);
