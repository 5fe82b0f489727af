/* SPDX-License-Identifier: Apache-2.0 */
#include "server/clients/json_edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/clients/json_scan.h"

#define UNIT_MAX 16 /* blanks of one level of indentation */

/* The text and where things are in it. */
struct place {
	struct bytes text;
	struct json_object root;
	struct json_member outer; /* the object that is edited */
	struct json_object object;
	struct json_member member;
	const char *newline;
	char unit[UNIT_MAX + 1]; /* one level of indentation */
};

static unsigned
line_of(struct bytes text, size_t at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at && i < text.size; i++)
		line += text.data[i] == '\n';
	return line;
}

static int
refuse(const struct json_scan *s, struct error *e)
{
	return error_set(e, ERR_CORRUPT, "line %u is not valid JSON%s",
			 line_of(s->text, s->at),
			 s->comments ? "" : " (without comments)");
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The blanks at the start of the line of `at`. */
static struct bytes
indentation(struct bytes text, size_t at)
{
	size_t start = at, end;

	while (start > 0 && text.data[start - 1] != '\n')
		start--;
	end = start;
	while (end < at && (text.data[end] == ' ' || text.data[end] == '\t'))
		end++;
	return bytes_first(bytes_from(text, start), end - start);
}

/* True when nothing but blanks stands before `at` in its line. */
static bool
is_first_in_line(struct bytes text, size_t at)
{
	while (at > 0 && (text.data[at - 1] == ' ' || text.data[at - 1] == '\t'))
		at--;
	return at == 0 || text.data[at - 1] == '\n';
}

static void
find_style(struct place *p)
{
	const uint8_t *newline = p->text.size ?
		memchr(p->text.data, '\n', p->text.size) : NULL;
	struct bytes inner = bytes_make("  ", 2);

	p->newline = newline && newline > p->text.data && newline[-1] == '\r' ?
		"\r\n" : "\n";
	if (p->root.count > 0 && is_first_in_line(p->text, p->root.first_key))
		inner = indentation(p->text, p->root.first_key);
	if (inner.size == 0 || inner.size > UNIT_MAX)
		inner = bytes_make("  ", 2);
	memcpy(p->unit, inner.data, inner.size);
	p->unit[inner.size] = '\0';
}

static int
find_outer(struct json_scan *s, const struct json_edit *edit, struct place *p,
	   struct error *e)
{
	if (!json_scan_blank(s))
		return refuse(s, e);
	if (s->at < s->text.size && s->text.data[s->at] != '{')
		return error_set(e, ERR_STATE, "it is not a JSON object");
	if (!json_scan_object(s, edit->object, &p->root, &p->outer) ||
	    !json_scan_blank(s) || s->at != s->text.size)
		return refuse(s, e);
	if (p->outer.twice)
		return error_set(e, ERR_STATE, "\"%s\" is there twice",
				 edit->object);
	return 0;
}

static int
find_member(struct json_scan *s, const struct json_edit *edit,
	    struct place *p, struct error *e)
{
	s->at = p->outer.value;
	if (s->text.data[s->at] != '{')
		return error_set(e, ERR_STATE, "\"%s\" is not an object",
				 edit->object);
	if (!json_scan_object(s, edit->member, &p->object, &p->member))
		return refuse(s, e);
	if (p->member.twice)
		return error_set(e, ERR_STATE, "\"%s\" is there twice in \"%s\"",
				 edit->member, edit->object);
	return 0;
}

static int
find(struct bytes text, const struct json_edit *edit, struct place *p,
     struct error *e)
{
	struct json_scan s = { .text = text, .comments = edit->comments };
	int rc;

	*p = (struct place){ .text = text };
	if (!text_is_utf8(text))
		return error_set(e, ERR_CORRUPT, "it is not UTF-8");
	if (bytes_starts_with(text, "\xef\xbb\xbf"))
		s.at = 3;
	rc = find_outer(&s, edit, p, e);
	if (rc == 0 && p->outer.found)
		rc = find_member(&s, edit, p, e);
	if (rc == 0)
		find_style(p);
	return rc;
}

static void
copy(struct buf *out, const struct place *p, size_t from, size_t to)
{
	buf_append(out, p->text.data + from, to - from);
}

/* A new line indented by `base` and `levels` more. */
static void
new_line(struct buf *out, const struct place *p, struct bytes base,
	 unsigned levels)
{
	buf_text(out, p->newline);
	buf_bytes(out, base);
	while (levels-- > 0)
		buf_text(out, p->unit);
}

/* `value`, its second and further lines indented by `base` and `levels`. */
static void
append_value(struct buf *out, const struct place *p, const json_t *value,
	     struct bytes base, unsigned levels)
{
	char *text = json_dumps(value, JSON_INDENT(1) | JSON_ENCODE_ANY);

	for (const char *c = text; *c; c++) {
		unsigned more = 0;

		if (*c != '\n') {
			buf_u8(out, (uint8_t)*c);
			continue;
		}
		while (c[1] == ' ') {
			more++;
			c++;
		}
		new_line(out, p, base, levels + more);
	}
	free(text);
}

static void
append_pair(struct buf *out, const struct place *p, const char *name,
	    const json_t *value, struct bytes base)
{
	json_t *key = json_string(name);
	char *text = json_dumps(key, JSON_ENCODE_ANY);

	buf_text(out, text);
	buf_text(out, ": ");
	append_value(out, p, value, base, 1);
	free(text);
	json_decref(key);
}

/* Puts a member behind the last one of `object`, on a line of its own. */
static void
insert(struct buf *out, const struct place *p,
       const struct json_object *object, const char *name, const json_t *value)
{
	bool own_line = is_first_in_line(p->text, object->close);
	struct bytes base = indentation(
		p->text, own_line ? object->close : object->open);
	size_t from = object->count ? object->last_end : object->open + 1;
	size_t tail = object->close;
	bool trailing = object->count && object->last_comma != SIZE_MAX;

	copy(out, p, 0, from);
	if (object->count && !trailing)
		buf_u8(out, ',');
	while (tail > from && is_blank(p->text.data[tail - 1]))
		tail--;
	copy(out, p, from, tail);
	new_line(out, p, base, 1);
	append_pair(out, p, name, value, base);
	if (trailing)
		buf_u8(out, ',');
	new_line(out, p, base, 0);
	copy(out, p, object->close, p->text.size);
}

static void
replace(struct buf *out, const struct place *p, const json_t *value)
{
	copy(out, p, 0, p->member.value);
	append_value(out, p, value, indentation(p->text, p->member.key), 0);
	copy(out, p, p->member.value_end, p->text.size);
}

/* True when a line ends at `at`, blanks aside. */
static bool
is_line_end(struct bytes text, size_t at)
{
	while (at < text.size && is_blank(text.data[at]) &&
	       text.data[at] != '\n')
		at++;
	return at < text.size && text.data[at] == '\n';
}

/* Where what is removed begins: the blanks before the key go too, so that no
 * empty line is left, unless a comment would then swallow what follows. */
static size_t
removal_start(const struct place *p)
{
	const struct json_member *m = &p->member;
	size_t start = m->key, end = m->value_end, after = end;

	while (start > 0 && is_blank(p->text.data[start - 1]))
		start--;
	if (m->comma_after != SIZE_MAX) {
		while (is_blank(p->text.data[after]))
			after++;
		if (after == m->comma_after)
			end = after + 1;
	}
	return is_line_end(p->text, end) ? start : m->key;
}

static void
remove_member(struct buf *out, const struct place *p)
{
	const struct json_member *m = &p->member;
	size_t start = removal_start(p), end = m->value_end;

	if (m->comma_after != SIZE_MAX) {
		copy(out, p, 0, start);
		copy(out, p, end, m->comma_after);
		end = m->comma_after + 1;
	} else if (m->comma_before != SIZE_MAX) {
		copy(out, p, 0, m->comma_before);
		copy(out, p, m->comma_before + 1, start);
	} else {
		copy(out, p, 0, start);
	}
	copy(out, p, end, p->text.size);
}

static bool
is_equal_already(const struct place *p, const json_t *value)
{
	const struct json_member *m = &p->member;
	json_t *now = json_loadb((const char *)p->text.data + m->value,
				 m->value_end - m->value, JSON_DECODE_ANY,
				 NULL);
	bool equal = now && json_equal(now, value);

	json_decref(now);
	return equal;
}

static void
set(struct buf *out, const struct place *p, const struct json_edit *edit,
    const json_t *value)
{
	json_t *object;

	if (p->member.found && is_equal_already(p, value)) {
		buf_bytes(out, p->text);
	} else if (p->member.found) {
		replace(out, p, value);
	} else if (p->outer.found) {
		insert(out, p, &p->object, edit->member, value);
	} else {
		object = json_object();
		json_object_set(object, edit->member,
				(json_t *)(uintptr_t)value);
		insert(out, p, &p->root, edit->object, object);
		json_decref(object);
	}
}

static bool
is_all_blank(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!is_blank(text.data[i]))
			return false;
	return true;
}

int
json_edit_set(struct bytes text, const struct json_edit *edit,
	      const json_t *value, struct buf *out, struct error *e)
{
	struct place p;
	int rc;

	if (is_all_blank(text))
		text = bytes_of("{}\n");
	rc = find(text, edit, &p, e);
	if (rc < 0)
		return rc;
	if (value)
		set(out, &p, edit, value);
	else if (p.member.found)
		remove_member(out, &p);
	else
		buf_bytes(out, text);
	if (out->failed)
		return error_set(e, ERR_LIMIT, "it is too long");
	return 0;
}

int
json_edit_get(struct bytes text, const struct json_edit *edit,
	      struct bytes *value, struct error *e)
{
	struct place p;
	int rc;

	*value = bytes_make(NULL, 0);
	if (is_all_blank(text))
		return 0;
	rc = find(text, edit, &p, e);
	if (rc == 0 && p.member.found)
		*value = bytes_first(bytes_from(text, p.member.value),
				     p.member.value_end - p.member.value);
	return rc;
}
