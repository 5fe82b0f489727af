/* SPDX-License-Identifier: Apache-2.0 */
/* What operations were begun under which id in a connection: a table of fixed
 * size, in which a new one may take the place of an old one. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "dissect/dissector.h"

struct operations;

/* Owned by the caller; NULL is allowed to free. */
struct operations *operations_new(void);
void operations_free(struct operations *o);

/* `side` of the connection began an operation; its name is cut. */
void operations_begin(struct operations *o, uint64_t connection, enum side side,
		      struct bytes id, struct bytes name);

/* The name, valid until the next begins; empty when it is not known. */
struct bytes operations_name(const struct operations *o, uint64_t connection,
			     enum side side, struct bytes id);
