/* SPDX-License-Identifier: Apache-2.0 */
/* docs/store.md, docs/filter.md and the text for agents against the schema. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/file.h"
#include "dissect/store/filter.h"

static char *
read_doc(const char *name)
{
	struct buf out;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", AFTERTAP_SOURCE_DIR, name);
	buf_init(&out, 1 << 20);
	assert_int_equal(file_read(path, &out, NULL), 0);
	(void)buf_cstr(&out);
	return (char *)out.data;
}

/* How a document writes headings and rows, and what ends a chapter. */
struct style {
	const char *before_name, *after_name, *before_row, *after_row, *end;
};

static const struct style markdown = { "\n### ", "\n", "\n| `", "` |",
				       "\n\n#" };
static const struct style plain = { "\n", " -- ", "\n  ", "", "\n\n" };

static const char *
find(const char *in, const char *before, const char *name, const char *after)
{
	char text[160];

	snprintf(text, sizeof(text), "%s%s%s", before, name, after);
	return strstr(in, text);
}

/* The columns of a view are all in its chapter, in the schema's order. */
static void
check_view(sqlite3 *db, const char *doc, const struct style *style,
	   const char *name)
{
	const char *at = find(doc, style->before_name, name,
			      style->after_name), *end;
	sqlite3_stmt *s;

	if (!at)
		fail_msg("%s is not documented", name);
	end = strstr(at + 1, style->end);
	if (!end)
		end = at + strlen(at);
	sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?)", -1, &s,
			   NULL);
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	while (sqlite3_step(s) == SQLITE_ROW) {
		const char *column = (const char *)sqlite3_column_text(s, 0);

		at = find(at, style->before_row, column, style->after_row);
		if (!at || at > end)
			fail_msg("%s.%s is not documented in its place", name,
				 column);
	}
	sqlite3_finalize(s);
}

static int
count_lines_with(const char *doc, const char *begin)
{
	int count = 0;

	for (const char *at = doc; (at = strstr(at, begin)); at++)
		count++;
	return count;
}

static void
every_view_and_column_is_documented(void **state)
{
	static const char *const tables[] = { "meta", "coverage", "faults",
					      "names" };
	struct fixture *f = *state;
	char *doc = read_doc("docs/store.md");
	sqlite3_stmt *s;
	sqlite3 *db;
	int views = 0, columns = 0;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_prepare_v2(db, "SELECT v.name, (SELECT count(*) FROM "
			       "pragma_table_info(v.name)) FROM sqlite_schema v "
			       "WHERE v.type = 'view'", -1, &s, NULL);
	while (sqlite3_step(s) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(s, 0);

		check_view(db, doc, &markdown, name);
		check_view(db, store_schema_text(), &plain, name);
		columns += sqlite3_column_int(s, 1);
		views++;
	}
	sqlite3_finalize(s);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		check_view(db, doc, &markdown, tables[i]);
		check_view(db, store_schema_text(), &plain, tables[i]);
	}
	sqlite3_close(db);
	assert_int_equal(views, 7);
	/* And nothing is documented that is not there: meta has 2 columns,
	 * coverage and faults 3, names 5. */
	assert_int_equal(count_lines_with(doc, "\n### "), views + 4);
	assert_int_equal(count_lines_with(doc, "\n| `"), columns + 13);
	free(doc);
}

static void
every_filter_field_is_documented(void **state)
{
	static const enum filter_subject subjects[] = { FILTER_CALLS,
							FILTER_CONNECTIONS };
	char *doc = read_doc("docs/filter.md"), text[64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (const char *const *name = filter_fields(subjects[i]);
		     *name; name++) {
			snprintf(text, sizeof(text), "`%s`", *name);
			if (!strstr(doc, text))
				fail_msg("%s is not documented", *name);
		}
	}
	free(doc);
}

static void
examples_in_the_documentation_compile(void **state)
{
	char *doc = read_doc("docs/filter.md"), *save = NULL;
	char *end = strstr(doc, "A filter that finds nothing");
	int examples = 0;

	(void)state;
	assert_non_null(end);
	*end = '\0';
	for (char *line = strtok_r(doc, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct error e = { 0 };
		struct filter_sql f;

		if (strncmp(line, "    ", 4) != 0)
			continue;
		if (filter_compile(FILTER_CALLS, line, FIXTURE_START, 1, &f,
				   &e))
			fail_msg("%s", e.text);
		filter_sql_free(&f);
		examples++;
	}
	assert_true(examples >= 6);
	free(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_view_and_column_is_documented),
		cmocka_unit_test(every_filter_field_is_documented),
		cmocka_unit_test(examples_in_the_documentation_compile),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
