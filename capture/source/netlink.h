/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to rtnetlink(7), and its answers read with checked lengths. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct netlink_message {
	uint16_t type;     /* RTM_* */
	struct bytes body; /* behind the header */
};

/*
 * Sends `question` (a whole message, `size` bytes) in the calling thread's
 * namespace and gives every message of the answer to `take` until it returns
 * false.  ERR_IO, with the kernel's reason, when there is none.
 */
int netlink_ask(const void *question, size_t size,
		bool (*take)(void *context,
			     const struct netlink_message *message),
		void *context, struct error *e);

struct netlink_attribute {
	uint16_t type;
	struct bytes value;
};

/* Takes the next attribute off the front; false at the end of the list or
 * where it is malformed. */
bool netlink_attribute_next(struct bytes *list,
			    struct netlink_attribute *attribute);
