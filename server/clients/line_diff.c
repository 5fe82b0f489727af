/* SPDX-License-Identifier: Apache-2.0 */
#include "server/clients/line_diff.h"

#include <string.h>

#define CONTEXT 3

/* The first line of `text`, with its end. */
static struct bytes
first_line(struct bytes text)
{
	const uint8_t *end = text.size ? memchr(text.data, '\n', text.size) :
					 NULL;

	return end ? bytes_first(text, (size_t)(end - text.data) + 1) : text;
}

static struct bytes
last_line(struct bytes text)
{
	size_t start = text.size;

	if (start > 0)
		start--; /* its own end */
	while (start > 0 && text.data[start - 1] != '\n')
		start--;
	return bytes_from(text, start);
}

static size_t
count_lines(struct bytes text)
{
	size_t count = 0;

	while (text.size > 0) {
		text = bytes_from(text, first_line(text).size);
		count++;
	}
	return count;
}

/* How many bytes of whole lines both begin with. */
static size_t
common_head(struct bytes a, struct bytes b)
{
	size_t size = 0;

	for (;;) {
		struct bytes line = first_line(bytes_from(a, size));

		if (line.size == 0 ||
		    !bytes_equal(line, first_line(bytes_from(b, size))))
			return size;
		size += line.size;
	}
}

static size_t
common_tail(struct bytes a, struct bytes b)
{
	size_t size = 0;

	for (;;) {
		struct bytes line = last_line(bytes_first(a, a.size - size));

		if (line.size == 0 ||
		    !bytes_equal(line,
				 last_line(bytes_first(b, b.size - size))))
			return size;
		size += line.size;
	}
}

static void
append_lines(struct buf *out, char mark, struct bytes text)
{
	while (text.size > 0) {
		struct bytes line = first_line(text);

		buf_u8(out, (uint8_t)mark);
		buf_bytes(out, line);
		if (line.data[line.size - 1] != '\n')
			buf_text(out, "\n\\ No newline at end of file\n");
		text = bytes_from(text, line.size);
	}
}

static struct bytes
last_lines(struct bytes text, unsigned count)
{
	size_t size = 0;

	while (count-- > 0)
		size += last_line(bytes_first(text, text.size - size)).size;
	return bytes_from(text, text.size - size);
}

static struct bytes
first_lines(struct bytes text, unsigned count)
{
	size_t size = 0;

	while (count-- > 0)
		size += first_line(bytes_from(text, size)).size;
	return bytes_first(text, size);
}

/* "start,count", where nothing is numbered by the line before it. */
static void
append_range(struct buf *out, size_t before, size_t count)
{
	buf_format(out, "%zu,%zu", count ? before + 1 : before, count);
}

void
line_diff(struct bytes before, struct bytes after, const char *path,
	  struct buf *out)
{
	size_t head = common_head(before, after);
	struct bytes old = bytes_from(before, head);
	struct bytes new = bytes_from(after, head);
	size_t tail = common_tail(old, new);
	struct bytes lead = last_lines(bytes_first(before, head), CONTEXT);
	struct bytes trail = first_lines(
		bytes_from(old, old.size - tail), CONTEXT);
	size_t around = count_lines(lead) + count_lines(trail);
	size_t start = count_lines(bytes_first(before, head - lead.size));

	old = bytes_first(old, old.size - tail);
	new = bytes_first(new, new.size - tail);
	if (old.size + new.size == 0)
		return;
	buf_format(out, "--- %s\n+++ %s\n@@ -", path, path);
	append_range(out, start, around + count_lines(old));
	buf_text(out, " +");
	append_range(out, start, around + count_lines(new));
	buf_text(out, " @@\n");
	append_lines(out, ' ', lead);
	append_lines(out, '-', old);
	append_lines(out, '+', new);
	append_lines(out, ' ', trail);
}
