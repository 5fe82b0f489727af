/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing one table of a TOML text that belongs to somebody else: all other
 * bytes stay as they are.  The text is read statement by statement (TOML 1.0),
 * which is enough to know where tables begin and end; a text in which the
 * table is written in another way than under a header of its own is refused.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct toml_edit {
	const char *parent; /* bare keys, both: [parent.table] */
	const char *table;
	/* Keys of the table that are ours, NULL-ended: removed when `value`
	 * does not have them.  Others, and tables below, are the user's. */
	const char *const *keys;
};

/*
 * Appends `text` to `out` with the keys of `value` (texts, arrays of texts)
 * set in the table; with `value` NULL the table and those below are removed.
 * What is so already stays byte by byte.
 *
 * CORRUPT: the text is no TOML (the sentence names the line); STATE: the table
 * is there, but not under one header; LIMIT: `out` is full.
 */
int toml_edit_set(struct bytes text, const struct toml_edit *edit,
		  const json_t *value, struct buf *out, struct error *e);

/* Whether the table is there, and whether it has the key `key`. */
int toml_edit_get(struct bytes text, const struct toml_edit *edit,
		  const char *key, bool *table, bool *has_key,
		  struct error *e);
