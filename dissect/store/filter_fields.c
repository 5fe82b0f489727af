/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/filter_field.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *const *
filter_fields(enum filter_subject subject)
{
	return subject == FILTER_CALLS ? filter_call_fields
				       : filter_connection_fields;
}

/* "src.pod*" stands for every name that begins so. */
static bool
name_matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return strncmp(pattern, name, n - 1) == 0;
	return strcmp(pattern, name) == 0;
}

static const struct filter_field *
find_exact(unsigned subjects, const char *name)
{
	for (const struct filter_field *f = filter_field_table; f->name; f++)
		if ((f->subjects & subjects) && name_matches(f->name, name))
			return f;
	return NULL;
}

const struct filter_field *
filter_field_find(enum filter_subject subject, const char *name,
		  bool *of_connection)
{
	const struct filter_field *f = find_exact(1u << subject, name);

	*of_connection = false;
	if (f && f->alias)
		return filter_field_find(subject, f->alias, of_connection);
	if ((!f || strchr(f->name, '*')) && subject == FILTER_CALLS) {
		const struct filter_field *fact =
			find_exact(1u << FILTER_CONNECTIONS, name);

		if (fact && fact->type != FILTER_TYPE_NONE) {
			*of_connection = true;
			return fact;
		}
	}
	return f;
}

const char *
filter_field_nearest(enum filter_subject subject, const char *name)
{
	const char *near = text_nearest(name, filter_fields(subject));
	const char *best = NULL;
	unsigned best_distance = 3;

	if (near)
		return near;
	/* An alias that is meant names its field. */
	for (const struct filter_field *f = filter_field_table; f->name; f++) {
		unsigned distance = f->alias
			? text_distance(name, f->name, best_distance)
			: best_distance;

		if (distance < best_distance) {
			best_distance = distance;
			best = f->alias;
		}
	}
	return best;
}

void
filter_field_lookup(const struct filter_field *field, char table[32],
		    char column[32])
{
	const char *dot = strchr(field->lookup, '.');

	snprintf(table, 32, "%.*s", (int)(dot - field->lookup), field->lookup);
	snprintf(column, 32, "%s", dot + 1);
}

/* Appends `sql` with its alias c replaced by n. */
static void
put_renamed(struct buf *out, const char *sql)
{
	for (const char *p = sql; *p; p++) {
		bool alias = p[0] == 'c' && p[1] == '.' &&
			     (p == sql || (!isalnum((unsigned char)p[-1]) &&
					   p[-1] != '_'));

		buf_u8(out, alias ? 'n' : (uint8_t)*p);
	}
}

void
filter_field_raw(struct buf *out, const struct filter_field *field,
		 bool of_connection)
{
	if (!of_connection) {
		buf_text(out, field->sql);
		return;
	}
	/* A connection that is still open has no row yet; no id is -1. */
	buf_text(out, "coalesce((SELECT ");
	put_renamed(out, field->sql);
	buf_format(out, " FROM conns n WHERE n.id = c.conn), %d)",
		   field->lookup ? -1 : 0);
}

void
filter_field_value(struct buf *out, const struct filter_field *field,
		   bool of_connection)
{
	char table[32], column[32];

	if (!field->lookup) {
		filter_field_raw(out, field, of_connection);
		return;
	}
	filter_field_lookup(field, table, column);
	buf_format(out, "coalesce((SELECT t.%s FROM %s t WHERE t.id = ", column,
		   table);
	filter_field_raw(out, field, of_connection);
	buf_text(out, field->type == FILTER_TYPE_INT ? "), 0)" : "), '')");
}
