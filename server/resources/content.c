/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resources/content.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "schema/schema.h"
#include "server/prompt.h"
#include "server/resources/complete.h"
#include "server/resources/read.h"

static const char resources_file[] = "resources.json";
static const char instructions_file[] = "help/instructions.md";

static struct resource_source *
source_load(struct error *e)
{
	const struct schema_text *text = schema_find(resources_file);
	struct resource_source *source;
	json_t *all = text ? json_loadb(text->text, text->size,
					JSON_REJECT_DUPLICATES, NULL) :
			     NULL;

	if (!json_is_array(json_object_get(all, "resources")) ||
	    !json_is_array(json_object_get(all, "templates"))) {
		error_set(e, ERR_CORRUPT, "schema/%s is not what it should be",
			  resources_file);
		json_decref(all);
		return NULL;
	}
	source = alloc_zero(1, sizeof(*source));
	*source = (struct resource_source){
		.list = json_incref(json_object_get(all, "resources")),
		.templates = json_incref(json_object_get(all, "templates")),
		.matches = resource_matches,
		.read = resource_read,
		.complete = resource_complete,
	};
	json_decref(all);
	return source;
}

static void
source_free(const struct resource_source *source)
{
	if (!source)
		return;
	json_decref(source->list);
	json_decref(source->templates);
	free((void *)(uintptr_t)source);
}

int
content_load(struct mcp_content *content, struct error *e)
{
	const struct schema_text *instructions = schema_find(instructions_file);
	int rc = tool_schemas_load(e);

	if (rc < 0)
		return rc;
	*content = (struct mcp_content){
		.name = "aftertap",
		.title = "aftertap",
		.version = AFTERTAP_VERSION,
		.instructions = instructions ? instructions->text : "",
		.tools = { tools, tool_schema, tool_run },
		.resources = source_load(e),
		.prompts = prompts_load(e),
	};
	if (content->resources && content->prompts)
		return 0;
	content_free(content);
	return ERR_CORRUPT;
}

void
content_free(struct mcp_content *content)
{
	source_free(content->resources);
	json_decref(content->prompts);
	*content = (struct mcp_content){ 0 };
}
