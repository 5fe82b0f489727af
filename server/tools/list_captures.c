/* SPDX-License-Identifier: Apache-2.0 */
/* list_captures: what was recorded or imported, and what time it covers. */
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/imports.h"
#include "server/tools/tools_list.h"

struct list_captures {
	const char *name;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct list_captures, name),
	{ 0 },
};

static bool
has_capture(json_t *captures, const char *name)
{
	json_t *capture;
	size_t i;

	json_array_foreach(captures, i, capture)
		if (strcmp(json_string_value(json_object_get(capture, "name")),
			   name) == 0)
			return true;
	return false;
}

/* Imports that run, or ended without a capture, are part of the answer. */
static void
append_imports(json_t *captures, const char *home)
{
	json_t *imports = imports_list(home), *import;
	size_t i;

	json_array_foreach(imports, i, import) {
		const char *name =
			json_string_value(json_object_get(import, "name"));

		if (!has_capture(captures, name))
			json_array_append(captures, import);
	}
	json_decref(imports);
}

static void
summarise(const struct tool_config *config, json_t *result)
{
	size_t count = json_array_size(json_object_get(result, "captures"));

	answer_cut_to_fit(config, result, "captures");
	if (json_object_get(result, "truncated"))
		answer_summary(result,
			       "%zu captures, not all shown; name shows one.",
			       count);
	else if (count)
		answer_summary(result, "%zu capture%s.", count,
			       count == 1 ? "" : "s");
	else
		answer_summary(result,
			       "No capture yet: nothing has been imported "
			       "here. import_capture reads pcap and pcapng "
			       "files, such as tcpdump writes.");
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	const char *home = call->config->home;
	struct list_captures args = { 0 };
	json_t *captures = NULL, *capture = NULL;
	size_t i;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0 && args.name)
		rc = db_check_name("capture", args.name, e);
	if (rc < 0)
		return rc;
	if (args.name) {
		rc = capture_load(home, args.name, &capture, e);
		captures = json_array();
		if (capture)
			json_array_append_new(captures, capture);
	} else {
		rc = capture_list(home, &captures, e);
		if (rc == 0)
			append_imports(captures, home);
	}
	if (rc < 0) {
		json_decref(captures);
		return rc;
	}
	json_array_foreach(captures, i, capture)
		answer_tidy(capture);
	out->structured = json_object();
	json_object_set_new(out->structured, "captures", captures);
	summarise(call->config, out->structured);
	return TOOL_DONE;
}

const struct tool tool_list_captures = {
	.name = "list_captures",
	.effects = TOOL_READS,
	.quick = true,
	.arguments = arguments,
	.run = run,
};
