/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter language: KFL2-compatible (a CEL subset), compiled to SQL with
 * bound parameters only.  Grammar and field table: schema/filter.ebnf,
 * schema/fields.json, docs/filter.md.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum filter_subject { FILTER_CALLS, FILTER_CONNECTIONS };

enum filter_value_kind { FILTER_VALUE_INTEGER, FILTER_VALUE_REAL, FILTER_VALUE_TEXT };

struct filter_value {
	enum filter_value_kind kind;
	int64_t integer;
	double real;
	char *text; /* owned by the filter_sql */
};

/* A WHERE expression over table alias `c` and the values of its ?NNN
 * parameters, numbered from `first_parameter`.  `zone` is a condition over
 * table alias `z` (the table zones, calls only) that holds for every zone with
 * a matching call; it uses the same parameters.  Both are terminated. */
struct filter_sql {
	struct buf where;
	struct buf zone;
	struct filter_value *values;
	size_t value_count;
};

/* Compiles `text` (at most 8 KiB; nesting at most 64).  INVALID with a text
 * that shows the place with a caret and the nearest valid fields. */
int filter_compile(enum filter_subject subject, const char *text,
		   int64_t now_ns, unsigned first_parameter,
		   struct filter_sql *out, struct error *e);
void filter_sql_free(struct filter_sql *f);

/* NULL-terminated field names of a subject, for completion and messages. */
const char *const *filter_fields(enum filter_subject subject);
