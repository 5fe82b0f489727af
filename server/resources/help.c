/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resources/help.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "schema/schema.h"

#define HELP_LIMIT ((size_t)1 << 20)

static const char *
member(const json_t *field, const char *name)
{
	const char *text = json_string_value(json_object_get(field, name));

	return text ? text : "";
}

/* Fields of one subject ("calls", "connections") and those of both. */
static void
write_fields(struct buf *out, const json_t *fields, const char *subject)
{
	json_t *field;
	size_t i;

	buf_format(out, "\n## Fields of %s\n\n", subject);
	json_array_foreach(fields, i, field) {
		const char *of = member(field, "subjects");

		if (strcmp(of, subject) == 0 || strcmp(of, "both") == 0)
			buf_format(out, "- `%s` (%s): %s\n",
				   member(field, "name"),
				   member(field, "type"), member(field, "doc"));
	}
}

char *
help_filter(void)
{
	const struct schema_text *intro = schema_find("help/filter.md");
	const struct schema_text *table = schema_find("fields.json");
	json_t *fields = table ? json_loadb(table->text, table->size, 0, NULL) :
				 NULL;
	struct buf out;
	char *text;

	buf_init(&out, HELP_LIMIT);
	if (intro)
		buf_append(&out, intro->text, intro->size);
	if (fields) {
		write_fields(&out, fields, "calls");
		write_fields(&out, fields, "connections");
	}
	text = alloc_string(buf_cstr(&out));
	json_decref(fields);
	buf_free(&out);
	return text;
}
