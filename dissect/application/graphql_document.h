/* SPDX-License-Identifier: Apache-2.0 */
/* GraphQL's documents (spec.graphql.org, October 2021, §2). */
#pragma once

#include "base/buf.h"

/*
 * Appends type and name of an operation of `document`: the one called `wanted`,
 * or the first when that is empty: "query GetUser"; without a name its first
 * fields stand for it: "query {user, orders}".  False, nothing appended, when
 * this is no document of GraphQL.  It may be cut among the operation's fields;
 * what `out` has no room for is left out.
 */
bool graphql_document_operation(struct bytes document, struct bytes wanted,
				struct buf *out);
