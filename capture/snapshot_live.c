/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/snapshot_live.h"

#include <string.h>

#include "base/clock.h"
#include "capture/live_capture.h"
#include "capture/recorder_client.h"

/* Sealing what is open takes about a second, at the lowest priority. */
#define SEAL_TIMEOUT_MS 60000

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* True when all that is sealed ends before the window does. */
static bool
live_reaches(const json_t *capture, struct packet_window window)
{
	const char *last = text_of(capture, "last");
	int64_t last_ns;

	return !*last || !clock_parse(last, 0, &last_ns) ||
	       last_ns < window.to_ns;
}

static void
live_add_missing(json_t *missing, const json_t *capture, const char *why)
{
	json_t *bytes = json_object_get(json_object_get(capture, "unsealed"),
					"bytes");

	json_array_append_new(missing,
			      json_pack("{s:s,s:s,s:O*}", "capture",
					text_of(capture, "name"), "why", why,
					"bytes", bytes));
}

void
snapshot_live_seal(const char *home, const json_t *capture,
		   struct packet_window window, const atomic_bool *cancelled,
		   json_t *missing)
{
	struct recorder_question question = {
		.home = home,
		.name = text_of(capture, "name"),
		.command = "rotate",
		.timeout_ms = SEAL_TIMEOUT_MS,
		.cancelled = cancelled,
	};
	struct error error = { 0 };
	json_t *answer;

	if (!live_capture_is(capture) || !live_reaches(capture, window))
		return;
	if (strcmp(text_of(capture, "state"), "recording") == 0) {
		if (recorder_client_ask(&question, &answer, &error) < 0)
			live_add_missing(missing, capture, error.text);
		else
			json_decref(answer);
	} else if (json_object_get(capture, "unsealed")) {
		live_add_missing(missing, capture,
				 "its recorder ended before it sealed them; "
				 "the next start does that");
	}
}

void
snapshot_live_losses(const json_t *capture, const json_t *segments,
		     struct packet_window window, struct losses *losses)
{
	struct losses whole = { 0 };
	const json_t *entry;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)segments, i, entry)
		losses_parse(json_object_get(entry, "losses"), losses);
	/* The capture repeats what its segments say, and has besides what no
	 * segment stands for; what has no number cannot be counted twice. */
	losses_parse(json_object_get(capture, "losses"), &whole);
	for (size_t k = 0; k < whole.count; k++)
		if (whole.items[k].packets == LOSS_PACKETS_UNKNOWN)
			losses_add(losses, &whole.items[k]);
	losses_window(losses, window.from_ns, window.to_ns);
}
