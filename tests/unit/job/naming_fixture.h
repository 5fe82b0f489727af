/* SPDX-License-Identifier: Apache-2.0 */
/* A database with three calls of gRPC, of two servers, and what one of them
 * said of its types. */
#pragma once

#include "base/buf.h"
#include "dissect/job/naming.h"

#define NAMING_CALL_COUNT 3
/* The first is of shop.Cart/Add, as the other two, and of another server. */
#define NAMING_BLOCK_ID 7

struct naming_fixture {
	char path[40], final[48];
	struct store_writer *store;
	struct descriptor_list *list;
	struct job_options options;
	struct naming_setup setup;
};

int naming_setup_fixture(void **state);
int naming_teardown(void **state);

/* Runs a process until it has ended; why it failed, or "". */
const char *naming_run(struct naming_fixture *f);

/* Ends the database and reads the messages of a call's request out of it, which
 * end at the next call of this. */
const char *naming_messages(struct naming_fixture *f, int64_t id);
