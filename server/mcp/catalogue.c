/* SPDX-License-Identifier: Apache-2.0 */
#include "server/mcp/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define CATALOGUE_LIMIT ((size_t)4 << 20)

/* FNV-1a, 32 bits: tells lists apart, defends against nothing. */
static uint32_t
checksum_more(uint32_t sum, struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		sum = (sum ^ in.data[i]) * 16777619u;
	return sum;
}

void
catalogue_init(struct catalogue *c, const char *member)
{
	*c = (struct catalogue){ .member = member, .checksum = 2166136261u };
	buf_init(&c->text, CATALOGUE_LIMIT);
}

void
catalogue_free(struct catalogue *c)
{
	buf_free(&c->text);
	free(c->ends);
	c->ends = NULL;
	c->count = 0;
}

void
catalogue_add(struct catalogue *c, const json_t *entry)
{
	size_t start = c->text.size;

	if (c->count == c->capacity) {
		c->capacity = c->capacity ? c->capacity * 2 : 16;
		c->ends = alloc_resize(c->ends, c->capacity, sizeof(*c->ends));
	}
	rpc_write_json(&c->text, entry);
	buf_u8(&c->text, ',');
	c->ends[c->count++] = c->text.size;
	c->checksum = checksum_more(c->checksum,
				    bytes_from(buf_view(&c->text), start));
}

/* "<first>.<checksum>": where the page begins, and of which list. */
static void
format_cursor(const struct catalogue *c, uint32_t first, char out[32])
{
	snprintf(out, 32, "%u.%08x", first, c->checksum);
}

static int
parse_cursor(const struct catalogue *c, const char *cursor, uint32_t *first,
	     struct rpc_error *e)
{
	const char *dot = strchr(cursor, '.');
	char again[32];
	uint64_t value = 0;

	if (dot && text_u64(bytes_make(cursor, (size_t)(dot - cursor)),
			    &value) &&
	    value > 0 && value < c->count) {
		format_cursor(c, (uint32_t)value, again);
		*first = (uint32_t)value;
		if (strcmp(again, cursor) == 0)
			return 0;
	}
	return rpc_fail(e, RPC_INVALID_PARAMS,
			"unknown cursor: start again without one");
}

int
catalogue_page(const struct catalogue *c, const char *cursor, uint32_t page,
	       struct buf *out, struct rpc_error *e)
{
	uint32_t first = 0, last;
	size_t start, end;
	char next[32];

	if (cursor && parse_cursor(c, cursor, &first, e) < 0)
		return -1;
	last = c->count - first > page ? first + page : c->count;
	start = first > 0 ? c->ends[first - 1] : 0;
	end = last > first ? c->ends[last - 1] - 1 : start;
	buf_format(out, "{\"%s\":[", c->member);
	if (end > start)
		buf_append(out, c->text.data + start, end - start);
	buf_u8(out, ']');
	if (last < c->count) {
		format_cursor(c, last, next);
		buf_format(out, ",\"nextCursor\":\"%s\"", next);
	}
	buf_u8(out, '}');
	return 0;
}
