/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading members of JSON (RFC 8259) that may be cut, without building it: each
 * step passes over the values it does not want by their brackets and quotes.
 * What is no JSON gives values that are not there, or strange ones.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"

/* The text of a value, brackets or quotes with it; empty: not there. */
struct json_scan {
	struct bytes in;
	size_t at;
};

/* The members of an object, or the elements of an array; nothing of what is
 * neither. */
struct json_scan json_scan_of(struct bytes value);

/* The next one; `name` (NULL: an array) is without its quotes, escapes as they
 * are.  False at the end. */
bool json_scan_next(struct json_scan *s, struct bytes *name,
		    struct bytes *value);

/* The first member of that name, empty when it is not there. */
struct bytes json_scan_member(struct bytes object, const char *name);

/* The same for `count` names in one pass. */
void json_scan_members(struct bytes object, const char *const *names,
		       struct bytes *values, size_t count);

/*
 * Whether `name`, given with its quotes, stands before a value that begins with
 * `first`, at whatever depth: a look at so many bytes of the front and of the
 * back, however large `in` is.
 */
#define JSON_SCAN_GLANCE (16u << 10)
bool json_scan_glance(struct bytes in, const char *name, char first);

static inline bool
json_scan_is(struct bytes value, char first)
{
	return value.size && value.data[0] == (uint8_t)first;
}

/* What is between the quotes of a string, escapes as they are; empty for any
 * other value. */
struct bytes json_scan_inside(struct bytes string);

/* The same with escapes undone, appended as far as `out` has room. */
void json_scan_text(struct bytes string, struct buf *out);

/* `in` without blanks in front. */
struct bytes json_scan_trim(struct bytes in);
