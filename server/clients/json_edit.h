/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing one member of a JSON text that belongs to somebody else: all other
 * bytes stay as they are, comments, order and layout included.  Reading such a
 * text with a JSON library and writing it again would lose them.
 *
 * Texts are RFC 8259, optionally with // and block comments and trailing
 * commas, as VS Code, Zed and others accept in their settings.  Anything else
 * is refused.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct json_edit {
	const char *object; /* member of the root, an object; made if missing */
	const char *member; /* of that object */
	bool comments;      /* comments and trailing commas are allowed */
};

/*
 * Appends `text` to `out` with the member set to `value`, or removed when
 * `value` is NULL.  An empty text counts as "{}".  When the member already is
 * equal to `value`, `out` gets the same bytes as `text`.
 *
 * CORRUPT: the text is no such JSON (the sentence names the line); STATE: the
 * root or the object is something else, or a name is there twice; LIMIT: `out`
 * is full.  `out` is worthless then.
 */
int json_edit_set(struct bytes text, const struct json_edit *edit,
		  const json_t *value, struct buf *out, struct error *e);

/* The text of the member's value, borrowed from `text`; no data when there is
 * none.  Errors as above. */
int json_edit_get(struct bytes text, const struct json_edit *edit,
		  struct bytes *value, struct error *e);
