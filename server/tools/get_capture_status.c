/* SPDX-License-Identifier: Apache-2.0 */
/* get_capture_status: how a recording goes, from its recorder. */
#include <string.h>

#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/recordings.h"
#include "server/tools/tools_list.h"

struct get_capture_status {
	const char *name;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct get_capture_status, name),
	{ 0 },
};

static void
summarise(json_t *status, const char *name)
{
	const char *state = json_string_value(json_object_get(status, "state"));
	json_t *losses = json_object_get(status, "losses"), *loss;
	json_int_t lost = 0;
	size_t i;

	json_array_foreach(losses, i, loss)
		lost += json_integer_value(json_object_get(loss, "packets"));
	answer_summary(status, "Capture %s: %s; %lld packets lost%s.", name,
		       state ? state : "unknown", (long long)lost,
		       lost ? ", losses says why and when" : "");
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct get_capture_status args = { 0 };
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = db_check_name("capture", args.name, e);
	if (rc == 0)
		rc = recordings_status(call, args.name, &out->structured, e);
	if (rc < 0)
		return rc;
	summarise(out->structured, args.name);
	return TOOL_DONE;
}

const struct tool tool_get_capture_status = {
	.name = "get_capture_status",
	.effects = TOOL_READS,
	.arguments = arguments,
	.run = run,
};
