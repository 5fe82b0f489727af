/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second look at messages of gRPC, when all packets have been read: what a
 * server said of its types gives names to calls of any connection, also to
 * those before it said so.
 *
 * A process without rights asks the writer for calls and for blocks of their
 * payload, and gives back blocks of messages and which calls they belong to.
 * As with parsers, the writer looks into none of that and checks all of it.
 * One process serves one group of servers (descriptor_list.h).
 */
#pragma once

#include <poll.h>

#include "dissect/job/naming_setup.h"
#include "dissect/store/store_writer.h"

struct naming;

/* Forks the process; the caller owns what it gets. */
int naming_start(const struct naming_setup *setup, struct store_writer *store,
		 struct naming **out, struct error *e);

/* What to wait for. */
struct pollfd naming_poll(const struct naming *n);

/* Does what can be done after `poll` said `revents`.  A negative error is the
 * store's and final. */
int naming_serve(struct naming *n, short revents);

/* All is done, or it failed. */
bool naming_ended(const struct naming *n);

/* Why it failed ("was killed by signal 31 (SIGSYS)"), or NULL. */
const char *naming_fault(const struct naming *n);

/* Ends the process if it lives.  NULL is allowed. */
void naming_free(struct naming *n);
