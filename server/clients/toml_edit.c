/* SPDX-License-Identifier: Apache-2.0 */
#include "server/clients/toml_edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/clients/toml_scan.h"

#define OURS_MAX 16

struct span {
	size_t start, end;
};

/* Where the table stands. */
struct place {
	struct bytes text;
	const struct toml_edit *edit;
	bool found;
	struct span header;
	struct span ours[OURS_MAX]; /* statements with keys of ours */
	size_t our_count;
	struct span parts[OURS_MAX]; /* headers of the table and those below,
				      * with all that follows each */
	size_t part_count;
	bool inside;  /* the statement before was in the table itself */
	bool below;   /* … or in one below it */
};

static bool
is(struct bytes key, const char *word)
{
	return bytes_equal(key, bytes_of(word));
}

/* The keys begin with parent.table. */
static bool
is_about(const struct place *p, const struct toml_statement *st)
{
	return st->key_count >= 2 && is(st->keys[0], p->edit->parent) &&
	       is(st->keys[1], p->edit->table);
}

static int
refuse(const struct place *p, struct error *e)
{
	return error_set(e, ERR_STATE,
			 "%s.%s is not written as one [%s.%s]; edit it by "
			 "hand", p->edit->parent, p->edit->table,
			 p->edit->parent, p->edit->table);
}

static int
add_part(struct place *p, const struct toml_statement *st, struct error *e)
{
	if (p->part_count == OURS_MAX)
		return refuse(p, e);
	p->parts[p->part_count++] = (struct span){ st->start, st->end };
	return 0;
}

static int
take_header(struct place *p, const struct toml_statement *st, struct error *e)
{
	p->inside = p->below = false;
	if (st->kind == TOML_ARRAY && st->key_count <= 2 &&
	    is(st->keys[0], p->edit->parent) &&
	    (st->key_count == 1 || is_about(p, st)))
		return refuse(p, e);
	if (!is_about(p, st))
		return 0;
	p->below = true;
	if (st->key_count == 2) {
		if (p->found)
			return refuse(p, e);
		p->found = p->inside = true;
		p->header = (struct span){ st->start, st->end };
	}
	return add_part(p, st, e);
}

static bool
is_ours(const struct place *p, struct bytes key)
{
	for (const char *const *k = p->edit->keys; *k; k++)
		if (is(key, *k))
			return true;
	return false;
}

/* `top` says how many keys of parent.table the current header has given. */
static int
take_pair(struct place *p, const struct toml_statement *st, unsigned top,
	  struct error *e)
{
	if (p->below)
		p->parts[p->part_count - 1].end = st->end;
	if (p->inside && is_ours(p, st->keys[0])) {
		if (p->our_count == OURS_MAX)
			return refuse(p, e);
		p->ours[p->our_count++] = (struct span){ st->start, st->end };
	}
	if (top == 0 && is(st->keys[0], p->edit->parent) &&
	    (st->key_count == 1 || is_about(p, st)))
		return refuse(p, e);
	if (top == 1 && is(st->keys[0], p->edit->table))
		return refuse(p, e);
	return 0;
}

static unsigned
keys_given(const struct place *p, const struct toml_statement *header)
{
	if (header->key_count == 1 && is(header->keys[0], p->edit->parent))
		return 1;
	return 2; /* a table of something else, or ours */
}

static int
find(struct bytes text, const struct toml_edit *edit, struct place *p,
     struct error *e)
{
	struct toml_scan scan = { .text = text };
	unsigned top = 0;
	int rc = 0;

	*p = (struct place){ .text = text, .edit = edit };
	if (!text_is_utf8(text))
		return error_set(e, ERR_CORRUPT, "it is not UTF-8");
	while (rc == 0) {
		struct toml_statement st = toml_scan_next(&scan);

		if (st.kind == TOML_END)
			return 0;
		if (st.kind == TOML_BAD)
			return error_set(e, ERR_CORRUPT,
					 "line %u is not valid TOML", st.line);
		if (st.kind == TOML_PAIR) {
			rc = take_pair(p, &st, top, e);
		} else {
			top = keys_given(p, &st);
			rc = take_header(p, &st, e);
		}
	}
	return rc;
}

static void
copy(struct buf *out, const struct place *p, size_t from, size_t to)
{
	if (to > from)
		buf_append(out, p->text.data + from, to - from);
}

static const char *
newline(const struct place *p)
{
	const uint8_t *found = p->text.size ?
		memchr(p->text.data, '\n', p->text.size) : NULL;

	return found && found > p->text.data && found[-1] == '\r' ? "\r\n" :
								    "\n";
}

/* JSON's texts and arrays of texts are TOML's, except for DEL. */
static void
append_pairs(struct buf *out, const struct place *p, const json_t *value)
{
	const char *key;
	json_t *item;

	json_object_foreach((json_t *)(uintptr_t)value, key, item)
	{
		char *text = json_dumps(item, JSON_ENCODE_ANY);

		buf_format(out, "%s = ", key);
		for (const char *c = text; *c; c++)
			if (*c == 0x7f)
				buf_text(out, "\\u007f");
			else
				buf_u8(out, (uint8_t)*c);
		buf_text(out, newline(p));
		free(text);
	}
}

static void
append_table(struct buf *out, const struct place *p, const json_t *value)
{
	buf_bytes(out, p->text);
	if (p->text.size > 0) {
		if (p->text.data[p->text.size - 1] != '\n')
			buf_text(out, newline(p));
		buf_text(out, newline(p));
	}
	buf_format(out, "[%s.%s]%s", p->edit->parent, p->edit->table,
		   newline(p));
	append_pairs(out, p, value);
}

/* Our keys directly below the header, then what was there besides. */
static void
change_table(struct buf *out, const struct place *p, const json_t *value)
{
	size_t at = p->header.end;

	copy(out, p, 0, at);
	if (p->text.data[at - 1] != '\n')
		buf_text(out, newline(p));
	append_pairs(out, p, value);
	for (size_t i = 0; i < p->our_count; i++) {
		copy(out, p, at, p->ours[i].start);
		at = p->ours[i].end;
	}
	copy(out, p, at, p->text.size);
}

static bool
is_empty_line_before(const struct place *p, size_t at)
{
	return at >= 2 && p->text.data[at - 1] == '\n' &&
	       (p->text.data[at - 2] == '\n' ||
		(at >= 3 && p->text.data[at - 2] == '\r' &&
		 p->text.data[at - 3] == '\n'));
}

/* With the empty line before, which came with the table. */
static void
remove_table(struct buf *out, const struct place *p)
{
	size_t at = 0;

	for (size_t i = 0; i < p->part_count; i++) {
		size_t start = p->parts[i].start;

		if (is_empty_line_before(p, start))
			start -= p->text.data[start - 2] == '\r' ? 2 : 1;
		copy(out, p, at, start);
		at = p->parts[i].end;
	}
	copy(out, p, at, p->text.size);
}

int
toml_edit_set(struct bytes text, const struct toml_edit *edit,
	      const json_t *value, struct buf *out, struct error *e)
{
	struct place p;
	int rc = find(text, edit, &p, e);

	if (rc < 0)
		return rc;
	if (!value)
		remove_table(out, &p);
	else if (p.found)
		change_table(out, &p, value);
	else
		append_table(out, &p, value);
	if (out->failed)
		return error_set(e, ERR_LIMIT, "it is too long");
	return 0;
}

int
toml_edit_get(struct bytes text, const struct toml_edit *edit,
	      const char *key, bool *table, bool *has_key, struct error *e)
{
	const char *const keys[] = { key, NULL };
	struct toml_edit one = { edit->parent, edit->table, keys };
	struct place p;
	int rc = find(text, &one, &p, e);

	*table = rc == 0 && p.found;
	*has_key = *table && p.our_count > 0;
	return rc;
}
