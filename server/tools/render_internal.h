/* SPDX-License-Identifier: Apache-2.0 */
/* What render.c and render_table.c share. */
#pragma once

#include "server/tools/render.h"

#define RENDER_BUFFER ((size_t)8 << 20)
#define RENDER_LONG 160 /* a string beyond this does not go into a table */

/* True when the array's rows fit a table: objects (or, with `columns`, arrays)
 * whose values are short and on one line. */
bool render_is_table(json_t *rows, json_t *columns);

/* The rows as a table; `columns` (array of names) for rows that are arrays. */
void render_table(struct buf *out, json_t *rows, json_t *columns,
		  const struct render_options *options);

/* A colour for the text of a cell, by what it says: "failed" is red. NULL:
 * none. */
const char *render_colour(const char *text);

#define RENDER_BOLD "\033[1m"
#define RENDER_PLAIN "\033[0m"
