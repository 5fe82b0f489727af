/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/row_batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/store/page_format.h"
#include "dissect/store/row_index.h"

#define LEAVES 24
/* The pages, counted from 1: the schema, the roots of the table, of its index
 * and of `cells`, and then leaves. */
#define ROOT_AT PAGE_SIZE
#define INDEX_AT (2 * PAGE_SIZE)
#define CELLS_AT (3 * PAGE_SIZE)
#define LEAVES_AT (4 * PAGE_SIZE)
#define FIRST_LEAF 5
#define DATABASE_SIZE_AT 28      /* in pages, big endian */
/* What a cell has beside texts and blobs: two varints, the size of the record
 * header, a serial type of up to 3 bytes and 8 bytes of value a column. */
#define CELL_FIXED (2 * VARINT_MAX + 1 + ROW_COLUMNS_MAX * 11)

_Static_assert(CELL_FIXED + ROW_BYTES_MAX + PAGE_LEAF_HEADER + 2 <= PAGE_SIZE,
	       "a row fits into a page");
_Static_assert(1 + ROW_COLUMNS_MAX * 2 < 0x80,
	       "the size of a record header takes one byte");

struct leaf {
	uint32_t cells;
	uint32_t content; /* offset of the last cell, growing downwards */
	int64_t last_id;
};

/*
 * A table without key or index: SQLite appends its rows where the last one
 * was, instead of looking for the place of each (twice).  In the batch it has
 * the leaves but for the last one, in the main schema it is an imposter: not
 * in the file, just a second name that this connection has for the tree of the
 * real table.  The last leaf goes there by the real name, because that copies
 * the index too.  An SQLite without imposters gets all of them by that name.
 */
static const char create_cells[] = "CREATE TABLE cells (cell)";

struct row_batch {
	sqlite3 *db;
	char *insert;
	bool has_cells;      /* the main schema has the second name */
	uint8_t *image;      /* a database file */
	struct leaf leaves[LEAVES];
	unsigned leaf_count; /* 0: no rows */
	struct row_index_entry keys[ROW_INDEX_ENTRIES], spare[ROW_INDEX_ENTRIES];
	size_t key_count;
	/* The row being built. */
	int64_t id;
	uint8_t *type_end, *body_end;
	uint8_t types[1 + ROW_COLUMNS_MAX * 3];
	uint8_t body[ROW_BYTES_MAX + ROW_COLUMNS_MAX * 8];
};

static uint8_t *
leaf_page(struct row_batch *b, unsigned leaf)
{
	return b->image + LEAVES_AT + (size_t)leaf * PAGE_SIZE;
}

/* The CREATE statement of a table or an index, to be freed, and its root. */
static char *
create_text(sqlite3 *db, const char *name, int *root)
{
	sqlite3_stmt *s = NULL;
	char *text = NULL;

	if (sqlite3_prepare_v2(db,
			       "SELECT sql, rootpage FROM main.sqlite_schema "
			       "WHERE name = ?",
			       -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW) {
		text = alloc_string((const char *)sqlite3_column_text(s, 0));
		*root = sqlite3_column_int(s, 1);
	}
	sqlite3_finalize(s);
	return text;
}

/* A second name for the tree with that root, where SQLite has such names. */
static bool
create_imposter(sqlite3 *db, int root)
{
	int rc;

	/* Built so, it would make a real table. */
	if (sqlite3_compileoption_used("UNTESTABLE"))
		return false;
	sqlite3_test_control(SQLITE_TESTCTRL_IMPOSTER, db, "main", 1, root);
	rc = sqlite3_exec(db, create_cells, NULL, NULL, NULL);
	sqlite3_test_control(SQLITE_TESTCTRL_IMPOSTER, db, "main", 0, 0);
	return rc == SQLITE_OK;
}

/* Has SQLite write page 1, with the schema, and takes it over. */
static int
take_first_page(struct row_batch *b, const char *table, const char *index)
{
	const char *texts[] = { "PRAGMA page_size = 65536", table, index,
				create_cells };
	unsigned char *file = NULL;
	sqlite3_int64 size = 0;
	sqlite3 *model = NULL;
	int rc = sqlite3_open(":memory:", &model);

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(model, texts[i], NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		file = sqlite3_serialize(model, "main", &size, 0);
	if (file && size == LEAVES_AT)
		memcpy(b->image, file, PAGE_SIZE);
	else
		size = 0;
	sqlite3_free(file);
	sqlite3_close(model);
	return size ? 0 : -1;
}

/* The schemas of both sides. */
static int
prepare_copy(struct row_batch *b, const char *table, const char *index)
{
	int root = 0, index_root, rc = -1;
	char *table_text = create_text(b->db, table, &root);
	char *index_text = create_text(b->db, index, &index_root);

	b->has_cells = table_text && create_imposter(b->db, root);
	if (table_text && index_text &&
	    take_first_page(b, table_text, index_text) == 0 &&
	    sqlite3_exec(b->db, "ATTACH ':memory:' AS batch", NULL, NULL,
			 NULL) == SQLITE_OK)
		rc = 0;
	free(table_text);
	free(index_text);
	return rc;
}

struct row_batch *
row_batch_new(sqlite3 *db, const char *table, const char *index)
{
	struct row_batch *b = alloc_zero(1, sizeof(*b));

	b->db = db;
	b->image = alloc_zero(LEAVES_AT + (LEAVES + ROW_INDEX_LEAVES) * PAGE_SIZE,
			      1);
	if (prepare_copy(b, table, index) < 0) {
		row_batch_free(b);
		return NULL;
	}
	b->insert = alloc_format(
		"%sINSERT INTO main.%s SELECT * FROM batch.%s",
		b->has_cells ? "INSERT INTO main.cells SELECT * FROM batch.cells;"
			     : "",
		table, table);
	return b;
}

void
row_batch_free(struct row_batch *b)
{
	if (!b)
		return;
	free(b->insert);
	free(b->image);
	free(b);
}

void
row_begin(struct row_batch *b, int64_t id, int64_t key)
{
	/* SQLite numbers rows itself. */
	assert(id == b->id + 1 || b->id == 0);
	b->id = id;
	b->keys[b->key_count++] = (struct row_index_entry){ key, id };
	b->body_end = b->body;
	b->type_end = b->types + 1; /* behind the size of the header */
	*b->type_end++ = SERIAL_NULL; /* the id is the key of the row */
}

void
row_null(struct row_batch *b)
{
	*b->type_end++ = SERIAL_NULL;
}

void
row_integer(struct row_batch *b, int64_t value)
{
	b->body_end = put_integer(b->type_end++, b->body_end, value);
}

static void
put_variable(struct row_batch *b, struct bytes in, unsigned serial)
{
	size_t used = (size_t)(b->body_end - b->body);

	assert(in.size <= ROW_BYTES_MAX && used + in.size <= sizeof(b->body));
	b->type_end = put_varint(b->type_end, in.size * 2 + serial);
	if (in.size)
		memcpy(b->body_end, in.data, in.size);
	b->body_end += in.size;
}

void
row_text(struct row_batch *b, struct bytes text)
{
	put_variable(b, text, SERIAL_TEXT);
}

void
row_blob(struct row_batch *b, struct bytes blob)
{
	put_variable(b, blob, SERIAL_BLOB);
}

/* The leaf that has room for a cell of this size. */
static struct leaf *
leaf_for(struct row_batch *b, size_t size)
{
	struct leaf *leaf = &b->leaves[b->leaf_count ? b->leaf_count - 1 : 0];

	if (b->leaf_count &&
	    PAGE_LEAF_HEADER + 2 * ((size_t)leaf->cells + 1) + size <= leaf->content)
		return leaf;
	assert(b->leaf_count < LEAVES);
	leaf = &b->leaves[b->leaf_count++];
	*leaf = (struct leaf){ .content = PAGE_SIZE };
	return leaf;
}

void
row_end(struct row_batch *b)
{
	size_t header = (size_t)(b->type_end - b->types);
	size_t body = (size_t)(b->body_end - b->body);
	uint8_t start[2 * VARINT_MAX], *start_end, *at;
	struct leaf *leaf;
	size_t size;

	assert(header < 0x80);
	b->types[0] = (uint8_t)header;
	start_end = put_varint(start, header + body);
	start_end = put_varint(start_end, (uint64_t)b->id);
	size = (size_t)(start_end - start) + header + body;
	leaf = leaf_for(b, size);
	leaf->content -= (uint32_t)size;
	leaf->last_id = b->id;
	at = leaf_page(b, b->leaf_count - 1);
	put_be16(at + PAGE_LEAF_HEADER + (size_t)2 * leaf->cells++, leaf->content);
	at += leaf->content;
	memcpy(at, start, (size_t)(start_end - start));
	at += start_end - start;
	memcpy(at, b->types, header);
	memcpy(at + header, b->body, body);
}

bool
row_batch_full(const struct row_batch *b)
{
	return b->leaf_count == LEAVES || b->key_count == ROW_INDEX_ENTRIES;
}

/* A page above the leaves from `first` to `last`, with the last id of each but
 * the last. */
static void
put_interior(struct row_batch *b, uint8_t *page, unsigned first, unsigned last)
{
	uint32_t content = PAGE_SIZE;

	for (unsigned i = 0; i < last - first; i++) {
		uint8_t cell[4 + VARINT_MAX], *end;

		put_be32(cell, FIRST_LEAF + first + i);
		end = put_varint(cell + 4,
				 (uint64_t)b->leaves[first + i].last_id);
		content -= (uint32_t)(end - cell);
		memcpy(page + content, cell, (size_t)(end - cell));
		put_be16(page + PAGE_INTERIOR_HEADER + (size_t)2 * i, content);
	}
	put_page_header(page, PAGE_INTERIOR, last - first, content);
	put_be32(page + PAGE_LEAF_HEADER, FIRST_LEAF + last); /* the rightmost */
}

/* The root of a tree of the leaves from `first` to before `end`; an only one
 * is its root itself. */
static void
put_root(struct row_batch *b, uint8_t *page, unsigned first, unsigned end)
{
	if (first == end)
		put_page_header(page, PAGE_LEAF, 0, PAGE_SIZE);
	else if (first + 1 == end)
		memcpy(page, leaf_page(b, first), PAGE_SIZE);
	else
		put_interior(b, page, first, end - 1);
}

/* The index follows the leaves; returns the pages of all. */
static uint32_t
put_index(struct row_batch *b)
{
	uint32_t leaves = b->leaf_count;

	row_index_sort(b->keys, b->spare, b->key_count);
	return FIRST_LEAF - 1 + leaves +
	       row_index_write(b->keys, b->key_count, b->image + INDEX_AT,
			       leaf_page(b, leaves), FIRST_LEAF + leaves);
}

int
row_batch_flush(struct row_batch *b)
{
	unsigned cells = b->has_cells && b->leaf_count ? b->leaf_count - 1 : 0;
	sqlite3_int64 size;
	uint32_t pages;
	int rc;

	if (b->leaf_count == 0)
		return SQLITE_OK;
	for (unsigned i = 0; i < b->leaf_count; i++)
		put_page_header(leaf_page(b, i), PAGE_LEAF, b->leaves[i].cells,
				b->leaves[i].content);
	put_root(b, b->image + CELLS_AT, 0, cells);
	put_root(b, b->image + ROOT_AT, cells, b->leaf_count);
	pages = put_index(b);
	size = (sqlite3_int64)pages * PAGE_SIZE;
	put_be32(b->image + DATABASE_SIZE_AT, pages);
	b->leaf_count = 0;
	b->key_count = 0;
	rc = sqlite3_deserialize(b->db, "batch", b->image, size, size,
				 SQLITE_DESERIALIZE_READONLY);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(b->db, b->insert, NULL, NULL, NULL);
	return rc;
}
