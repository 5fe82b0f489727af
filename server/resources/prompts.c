/* SPDX-License-Identifier: Apache-2.0 */
#include "server/prompt.h"

#include <stdbool.h>
#include <string.h>

#include "schema/schema.h"

#define FOLDER "prompts/"

static bool
all_strings(const json_t *lines)
{
	json_t *line;
	size_t i;

	json_array_foreach(lines, i, line)
		if (!json_is_string(line))
			return false;
	return json_array_size(lines) > 0;
}

static bool
all_named(const json_t *arguments)
{
	json_t *argument;
	size_t i;

	json_array_foreach(arguments, i, argument)
		if (!json_is_string(json_object_get(argument, "name")))
			return false;
	return json_is_array(arguments);
}

static json_t *
load(const struct schema_text *text, struct error *e)
{
	json_error_t where;
	json_t *prompt = json_loadb(text->text, text->size,
				    JSON_REJECT_DUPLICATES, &where);

	if (prompt && json_is_string(json_object_get(prompt, "name")) &&
	    json_is_string(json_object_get(prompt, "description")) &&
	    all_named(json_object_get(prompt, "arguments")) &&
	    all_strings(json_object_get(prompt, "text")))
		return prompt;
	error_set(e, ERR_CORRUPT, "schema/%s: %s", text->name,
		  prompt ? "not a prompt" : where.text);
	json_decref(prompt);
	return NULL;
}

json_t *
prompts_load(struct error *e)
{
	json_t *prompts = json_array();

	for (const struct schema_text *t = schema_texts; t->name; t++) {
		json_t *prompt;

		if (strncmp(t->name, FOLDER, strlen(FOLDER)) != 0)
			continue;
		prompt = load(t, e);
		if (!prompt) {
			json_decref(prompts);
			return NULL;
		}
		json_array_append_new(prompts, prompt);
	}
	return prompts;
}
