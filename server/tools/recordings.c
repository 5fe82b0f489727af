/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/recordings.h"

#include "capture/capture.h"
#include "capture/live_capture.h"
#include "capture/recorder_client.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"

#define STATUS_TIMEOUT_MS 3000

int
recordings_check(const struct tool_config *config, const char *name,
		 struct error *e)
{
	int rc = db_check_name("capture", name, e);

	if (rc == 0 && !config->allow_capture)
		rc = error_set(e, ERR_DENIED,
			       "this server may not record: its user starts it "
			       "with --allow-capture, or runs \"aftertap "
			       "capture --name %s\" in a terminal", name);
	return rc;
}

int
recordings_status(struct tool_call *call, const char *name, json_t **status,
		  struct error *e)
{
	const struct recorder_question question = {
		.home = call->config->home,
		.name = name,
		.command = "status",
		.timeout_ms = STATUS_TIMEOUT_MS,
		.cancelled = call->cancelled,
	};
	struct error why = { 0 };
	json_t *capture;
	int rc = recorder_client_ask(&question, status, &why);

	if (rc == 0) {
		json_object_del(*status, "ok");
		return 0;
	}
	if (rc == ERR_CANCELLED)
		return error_set(e, rc, "%s", why.text);
	rc = capture_load(call->config->home, name, &capture, e);
	if (rc < 0)
		return rc;
	if (!live_capture_is(capture)) {
		json_decref(capture);
		return error_set(e, ERR_STATE,
				 "capture \"%s\" was imported, not recorded",
				 name);
	}
	answer_tidy(capture);
	/* It runs, and does not answer us. */
	if (recorder_client_holder(call->config->home, name) != 0)
		json_object_set_new(capture, "status_error",
				    json_string(why.text));
	*status = capture;
	return 0;
}
