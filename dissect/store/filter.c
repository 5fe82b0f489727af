/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "dissect/store/filter_ast.h"
#include "dissect/store/filter_field.h"

/* Far above what a text of FILTER_TEXT_LIMIT makes. */
#define ARENA_LIMIT (16u << 20)
#define SQL_LIMIT (1u << 20)

static bool
compile(struct filter *f, unsigned first_parameter, struct filter_sql *out)
{
	struct filter_node *node;

	if (strspn(f->text, " \t\r\n") == strlen(f->text)) {
		buf_text(&out->where, "1");
		buf_text(&out->zone, "1");
		return true;
	}
	node = filter_parse(f);
	if (!node || !filter_check(f, node))
		return false;
	if (node->type != FILTER_TYPE_BOOL) {
		filter_fail(f, node->position,
			    "this is %s, not a condition; compare it: == != < "
			    "> .contains(\"…\")", filter_type_name(node->type));
		return false;
	}
	return filter_emit(f, node, first_parameter, out);
}

int
filter_compile(enum filter_subject subject, const char *text, int64_t now_ns,
	       unsigned first_parameter, struct filter_sql *out,
	       struct error *e)
{
	struct error ignored;
	struct filter f = { .subject = subject, .text = text ? text : "",
			    .now_ns = now_ns, .error = e ? e : &ignored };

	memset(out, 0, sizeof(*out));
	if (strlen(f.text) > FILTER_TEXT_LIMIT)
		return error_set(e, ERR_INVALID,
				 "a filter has at most %d bytes",
				 FILTER_TEXT_LIMIT);
	if (!text_is_utf8(bytes_of(f.text)))
		return error_set(e, ERR_INVALID, "a filter is UTF-8 text");
	buf_init(&out->where, SQL_LIMIT);
	buf_init(&out->zone, SQL_LIMIT);
	arena_init(&f.arena, ARENA_LIMIT);
	if (!compile(&f, first_parameter, out))
		filter_sql_free(out);
	else
		(void)(buf_cstr(&out->where), buf_cstr(&out->zone));
	arena_free(&f.arena);
	return f.code;
}

void
filter_sql_free(struct filter_sql *f)
{
	buf_free(&f->where);
	buf_free(&f->zone);
	for (size_t i = 0; i < f->value_count; i++)
		free(f->values[i].text);
	free(f->values);
	f->values = NULL;
	f->value_count = 0;
}
