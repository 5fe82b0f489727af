/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: rows are objects (or arrays), columns the members they have. */
#include "server/tools/render_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define COLUMN_LIMIT 64
#define CELL_LIMIT 60 /* columns of a terminal, where cells are cut */

/* Where a cell is found: row[name], or row[parent][name]. */
struct column {
	const char *parent; /* NULL: none */
	const char *name;
	size_t index;       /* of rows that are arrays */
	size_t width;
	bool number;        /* all cells are: aligned right */
};

struct table {
	struct column columns[COLUMN_LIMIT];
	size_t count;
	bool arrays;
};

static bool
is_short(json_t *value)
{
	json_t *item;
	size_t i;

	if (json_is_string(value))
		return json_string_length(value) <= RENDER_LONG &&
		       !strchr(json_string_value(value), '\n');
	json_array_foreach(value, i, item)
		if (json_is_array(item) || json_is_object(item) ||
		    !is_short(item))
			return false;
	return true;
}

static bool
is_row(json_t *row, json_t *columns)
{
	const char *key, *inner_key;
	json_t *value, *inner;

	if (columns)
		return json_is_array(row);
	if (!json_is_object(row))
		return false;
	json_object_foreach(row, key, value) {
		if (!is_short(value))
			return false;
		json_object_foreach(value, inner_key, inner)
			if (!is_short(inner) || json_is_object(inner))
				return false;
	}
	return true;
}

bool
render_is_table(json_t *rows, json_t *columns)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!is_row(row, columns))
			return false;
	return json_array_size(rows) > 0;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void
add_column(struct table *t, const char *parent, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (same(t->columns[i].parent, parent) &&
		    same(t->columns[i].name, name))
			return;
	if (t->count < COLUMN_LIMIT)
		t->columns[t->count++] =
			(struct column){ .parent = parent, .name = name };
}

static bool
is_spread(json_t *value)
{
	return json_is_object(value) && json_object_size(value) > 0 &&
	       !json_object_get(value, "ip");
}

static void
find_columns(struct table *t, json_t *rows)
{
	const char *key, *inner_key;
	json_t *row, *value, *inner;
	size_t i;

	json_array_foreach(rows, i, row)
		json_object_foreach(row, key, value) {
			if (!is_spread(value)) {
				add_column(t, NULL, key);
				continue;
			}
			json_object_foreach(value, inner_key, inner)
				add_column(t, key, inner_key);
		}
}

static void
name_columns(struct table *t, json_t *columns)
{
	json_t *name;
	size_t i;

	t->arrays = true;
	json_array_foreach(columns, i, name)
		if (t->count < COLUMN_LIMIT)
			t->columns[t->count++] = (struct column){
				.name = json_string_value(name), .index = i
			};
}

static json_t *
cell_of(const struct table *t, const struct column *c, json_t *row)
{
	if (t->arrays)
		return json_array_get(row, c->index);
	if (c->parent)
		row = json_object_get(row, c->parent);
	return json_object_get(row, c->name);
}

static void
render_title(struct buf *out, const struct column *c)
{
	json_t *name = json_string(c->name);

	if (c->parent && strcmp(c->parent, "key") != 0)
		buf_format(out, "%s.", c->parent);
	if (name)
		render_cell(out, name);
	json_decref(name);
}

/* Characters, not bytes. */
static size_t
text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Cuts to `limit` characters, the last of them an ellipsis. */
static void
cut_text(struct buf *text, size_t limit)
{
	const char *start = buf_cstr(text);
	size_t width = 0, size = 0;

	if (text_width(start) <= limit)
		return;
	for (size_t i = 0; start[i]; i++) {
		if (((unsigned char)start[i] & 0xc0) == 0x80)
			continue;
		if (width++ == limit - 1) {
			size = i;
			break;
		}
	}
	text->size = size;
	buf_text(text, "…");
}

/* The text of row `row` (NULL: the head) in column `c`, in `cell`. */
static const char *
cell_text(const struct table *t, const struct column *c, json_t *row,
	  const struct render_options *options, struct buf *cell)
{
	buf_reset(cell);
	if (!row)
		render_title(cell, c);
	else if (cell_of(t, c, row))
		render_cell(cell, cell_of(t, c, row));
	if (options->width && row)
		cut_text(cell, CELL_LIMIT);
	return buf_cstr(cell);
}

static void
measure(struct table *t, json_t *rows, const struct render_options *options,
	struct buf *cell)
{
	for (size_t i = 0; i < t->count; i++) {
		struct column *c = &t->columns[i];
		json_t *row;
		size_t n;

		c->number = true;
		c->width = text_width(cell_text(t, c, NULL, options, cell));
		json_array_foreach(rows, n, row) {
			json_t *value = cell_of(t, c, row);
			size_t width = text_width(
				cell_text(t, c, row, options, cell));

			if (width > c->width)
				c->width = width;
			if (value && !json_is_number(value) &&
			    !json_is_null(value))
				c->number = false;
		}
	}
}

static void
pad(struct buf *out, size_t count)
{
	while (count--)
		buf_u8(out, ' ');
}

static void
aligned_cell(struct buf *out, const struct column *c, const char *text,
	     bool last, const char *colour)
{
	size_t blanks = c->width - text_width(text);

	if (c->number)
		pad(out, blanks);
	if (colour)
		buf_text(out, colour);
	buf_text(out, text);
	if (colour)
		buf_text(out, RENDER_PLAIN);
	if (!c->number && !last)
		pad(out, blanks);
	buf_text(out, last ? "" : "  ");
}

const char *
render_colour(const char *text)
{
	static const struct {
		const char *text, *colour;
	} colours[] = {
		{ "failed", "\033[31m" },     { "cancelled", "\033[33m" },
		{ "running", "\033[33m" },    { "pending", "\033[33m" },
		{ "completed", "\033[32m" },  { "partial", "\033[33m" },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].text, text) == 0)
			return colours[i].colour;
	return NULL;
}

static void
render_row(struct buf *out, const struct table *t, json_t *row,
	   const struct render_options *options, struct buf *cell)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct column *c = &t->columns[i];
		const char *text = cell_text(t, c, row, options, cell);
		bool last = i + 1 == t->count;
		const char *colour = NULL;

		if (options->colour)
			colour = row ? render_colour(text) : RENDER_BOLD;
		if (options->align)
			aligned_cell(out, c, text, last, colour);
		else
			buf_format(out, "%s%s", text, last ? "" : "\t");
	}
	buf_u8(out, '\n');
}

void
render_table(struct buf *out, json_t *rows, json_t *columns,
	     const struct render_options *options)
{
	struct table *t = alloc_zero(1, sizeof(*t));
	struct buf cell;
	json_t *row;
	size_t i;

	buf_init(&cell, RENDER_BUFFER);
	if (columns)
		name_columns(t, columns);
	else
		find_columns(t, rows);
	if (options->align)
		measure(t, rows, options, &cell);
	render_row(out, t, NULL, options, &cell);
	json_array_foreach(rows, i, row)
		render_row(out, t, row, options, &cell);
	buf_free(&cell);
	free(t);
}
