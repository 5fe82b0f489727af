/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/lines.h"

#include <string.h>

#define KEEP_CAPACITY ((size_t)256 << 10) /* a larger buffer is given back */

void
lines_init(struct lines *l, size_t limit,
	   void (*line)(void *context, struct bytes line),
	   void (*oversize)(void *context), void *context)
{
	*l = (struct lines){
		.limit = limit,
		.line = line,
		.oversize = oversize,
		.context = context,
	};
	buf_init(&l->partial, limit);
}

void
lines_free(struct lines *l)
{
	buf_free(&l->partial);
}

static void
forget(struct lines *l)
{
	if (l->partial.capacity > KEEP_CAPACITY)
		buf_free(&l->partial);
	else
		buf_reset(&l->partial);
}

static void
refuse(struct lines *l)
{
	forget(l);
	l->skipping = true;
	l->oversize(l->context);
}

static void
give(struct lines *l, struct bytes line)
{
	if (line.size > 0 && line.data[line.size - 1] == '\r')
		line.size--;
	l->line(l->context, line);
}

/* Bytes without a newline. */
static void
keep(struct lines *l, struct bytes in)
{
	if (l->skipping || in.size == 0)
		return;
	buf_bytes(&l->partial, in);
	if (l->partial.failed)
		refuse(l);
}

/* The bytes before a newline. */
static void
end_line(struct lines *l, struct bytes in)
{
	if (l->partial.size == 0 && !l->skipping && in.size <= l->limit) {
		give(l, in);
		return;
	}
	keep(l, in);
	if (!l->skipping) {
		give(l, buf_view(&l->partial));
		forget(l);
	}
	l->skipping = false;
}

void
lines_feed(struct lines *l, struct bytes in)
{
	while (in.size > 0) {
		const uint8_t *newline = memchr(in.data, '\n', in.size);
		size_t size;

		if (!newline) {
			keep(l, in);
			return;
		}
		size = (size_t)(newline - in.data);
		end_line(l, bytes_first(in, size));
		in = bytes_from(in, size + 1);
	}
}

void
lines_end(struct lines *l)
{
	if (l->partial.size > 0)
		end_line(l, bytes_make(NULL, 0));
}
