/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of one JSON object (RFC 8259) without a tree: for what peers say
 * of themselves.  Values are slices of the text; strings are without quotes,
 * their escapes as they are.
 */
#pragma once

#include "base/bytes.h"

struct json_member {
	struct bytes name;
	struct bytes value;
	bool is_string;
};

/* The object's inside; empty when `text` is none. */
struct bytes json_members(struct bytes text);

/* Takes the next member from the front of `rest`; false at the end, or where
 * it is malformed.  Nested values are passed over, at any depth, once. */
bool json_member_next(struct bytes *rest, struct json_member *out);

/* The value of the member of that name; empty when there is none. */
struct bytes json_member_find(struct bytes text, const char *name);
