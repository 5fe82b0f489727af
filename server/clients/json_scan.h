/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the members of an object stand in a JSON text, for json_edit.c: a
 * checking scanner that keeps positions and no values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct json_scan {
	struct bytes text;
	size_t at;
	bool comments; /* and trailing commas */
	unsigned depth;
};

/* One member: `key` and `value` begin and end here; `comma_before` and
 * `comma_after` are positions of the commas around it, or SIZE_MAX. */
struct json_member {
	size_t key, key_end;
	size_t value, value_end;
	size_t comma_before, comma_after;
	bool found;
	bool twice; /* the name is there again */
};

/* An object: its braces, how many members, the last one's end, and whether a
 * comma follows that. */
struct json_object {
	size_t open, close;
	size_t count;
	size_t first_key;
	size_t last_end;
	size_t last_comma; /* SIZE_MAX: none */
};

/* Moves over blanks and, where allowed, comments.  False: a comment does not
 * end. */
bool json_scan_blank(struct json_scan *s);

/* Moves over one value; false with `at` where it is wrong. */
bool json_scan_value(struct json_scan *s);

/* Moves over the object that starts at `at`, and notes the member `name`
 * (NULL: none). */
bool json_scan_object(struct json_scan *s, const char *name,
		      struct json_object *object, struct json_member *member);
