/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/tools_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "schema/schema.h"
#include "server/tools/args.h"
#include "server/tools/render.h"

const struct tool *const tools[] = {
#define X(name) &tool_##name,
	TOOLS(X)
#undef X
	NULL
};

/* The parsed schemas: filled once, before any thread asks, and constant from
 * then on (the contract of tool_schema has no context to keep them in). */
/* NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables) */
static json_t *schemas[TOOL_COUNT];

const struct tool *
tool_find(const char *name)
{
	for (const struct tool *const *t = tools; *t; t++)
		if (strcmp((*t)->name, name) == 0)
			return *t;
	return NULL;
}

static int
load_schema(size_t index, struct error *e)
{
	char *name = alloc_format("tools/%s.json", tools[index]->name);
	const struct schema_text *text = schema_find(name);
	json_error_t why = { .text = "it is not embedded" };
	int rc = 0;

	if (text)
		schemas[index] = json_loadb(text->text, text->size,
					    JSON_REJECT_DUPLICATES, &why);
	if (!schemas[index])
		rc = error_set(e, ERR_INTERNAL, "schema/%s: %s", name,
			       why.text);
	free(name);
	return rc;
}

int
tool_schemas_load(struct error *e)
{
	for (size_t i = 0; i < TOOL_COUNT; i++) {
		int rc = schemas[i] ? 0 : load_schema(i, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

json_t *
tool_schema(const struct tool *tool)
{
	for (size_t i = 0; i < TOOL_COUNT; i++)
		if (tools[i] == tool)
			return schemas[i];
	return NULL;
}

int
tool_run(const struct tool *tool, struct tool_call *call,
	 struct tool_result *out, struct error *e)
{
	struct tool_call checked = *call;
	json_t *input = json_object_get(tool_schema(tool), "inputSchema");
	int rc;

	memset(out, 0, sizeof(*out));
	rc = args_check(input, call->arguments, &checked.arguments, e);
	if (rc == 0)
		rc = tool->run(&checked, out, e);
	json_decref(checked.arguments);
	if (rc == TOOL_DONE && !out->text)
		out->text = render_text(out->structured, NULL);
	if (rc < 0)
		tool_result_free(out);
	return rc;
}

void
tool_result_free(struct tool_result *r)
{
	json_decref(r->structured);
	json_decref(r->content);
	free(r->text);
	r->structured = r->content = NULL;
	r->text = NULL;
}
