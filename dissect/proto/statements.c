/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/statements.h"

#include <stdlib.h>

#include "base/alloc.h"

/* The list grows in steps of this. */
#define STEP 8

uint64_t
statements_name(struct bytes name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < name.size; i++)
		hash = (hash ^ name.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

struct statement *
statements_find(struct statements *s, uint64_t key)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->list[i].serial && s->list[i].key == key) {
			s->list[i].used = ++s->clock;
			return &s->list[i];
		}
	return NULL;
}

struct statement *
statements_by_serial(const struct statements *s, uint64_t serial)
{
	for (uint32_t i = 0; serial && i < s->count; i++)
		if (s->list[i].serial == serial)
			return &s->list[i];
	return NULL;
}

static void
forget(struct statement *statement, struct sink *sink)
{
	sink_give_back(sink, statement->sql_size);
	free(statement->sql);
	*statement = (struct statement){ .serial = 0 };
}

void
statements_remove(struct statements *s, uint64_t key, struct sink *sink)
{
	struct statement *statement = statements_find(s, key);

	if (statement)
		forget(statement, sink);
}

void
statements_rename(struct statements *s, struct statement *statement,
		  uint64_t key, struct sink *sink)
{
	struct statement *other = statements_find(s, key);

	if (other && other != statement)
		forget(other, sink);
	statement->key = key;
}

static bool
grow(struct statements *s, struct sink *sink)
{
	size_t size = STEP * sizeof(*s->list);

	if (s->count + STEP > STATEMENTS_LIMIT || !sink_keep(sink, size))
		return false;
	s->list = alloc_resize(s->list, s->count + STEP, sizeof(*s->list));
	memset(s->list + s->count, 0, size);
	s->count += STEP;
	return true;
}

/* A free place, made by forgetting one if need be. */
static struct statement *
free_place(struct statements *s, struct sink *sink)
{
	struct statement *oldest = NULL;

	for (uint32_t i = 0; i < s->count; i++) {
		if (!s->list[i].serial)
			return &s->list[i];
		if (!oldest || s->list[i].used < oldest->used)
			oldest = &s->list[i];
	}
	if (grow(s, sink))
		return &s->list[s->count - STEP];
	if (oldest)
		forget(oldest, sink);
	return oldest;
}

struct statement *
statements_add(struct statements *s, uint64_t key, struct bytes sql,
	       struct sink *sink)
{
	struct statement *statement;

	statements_remove(s, key, sink);
	statement = free_place(s, sink);
	if (!statement)
		return NULL;
	sql = bytes_first(sql, STATEMENT_SQL);
	if (!sink_keep(sink, sql.size))
		return NULL;
	*statement = (struct statement){ .serial = ++s->serial,
					 .used = ++s->clock,
					 .key = key,
					 .sql_size = (uint32_t)sql.size };
	if (sql.size) {
		statement->sql = alloc_resize(NULL, sql.size, 1);
		memcpy(statement->sql, sql.data, sql.size);
	}
	return statement;
}

void
statements_free(struct statements *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		free(s->list[i].sql);
	free(s->list);
	*s = (struct statements){ .list = NULL };
}
