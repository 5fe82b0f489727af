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

bool
snapshot_live_evicted(const json_t *capture, struct packet_window window,
		      struct loss *part)
{
	const json_t *evicted = json_object_get(capture, "evicted");
	struct loss loss = {
		.cause = LOSS_EVICTED,
		.packets = LOSS_PACKETS_UNKNOWN,
		.from_ns = json_integer_value(
			json_object_get(evicted, "from_ns")),
		.to_ns = json_integer_value(
			json_object_get(evicted, "until_ns")),
	};

	if (!evicted || window.from_ns == INT64_MIN ||
	    loss.to_ns < window.from_ns || loss.from_ns >= window.to_ns)
		return false;
	if (loss.from_ns < window.from_ns)
		loss.from_ns = window.from_ns;
	if (loss.to_ns > window.to_ns)
		loss.to_ns = window.to_ns;
	*part = loss;
	return true;
}

/*
 * Adds losses as a segment or, `whole`, as the capture tells them, which repeats
 * what its segments say and has besides what no segment stands for.  What has
 * no number cannot be counted twice; what the quota removed before it was
 * sealed is told by some later segment, which need not be of the window, and so
 * is taken from the capture alone.
 */
static void
live_add_losses(const json_t *list, bool whole, struct losses *losses)
{
	struct losses told = { 0 };

	losses_parse(list, &told);
	for (size_t i = 0; i < told.count; i++) {
		const struct loss *loss = &told.items[i];
		bool quota = loss->cause == LOSS_QUOTA;

		if (whole ? quota || loss->packets == LOSS_PACKETS_UNKNOWN
			  : !quota)
			losses_add(losses, loss);
	}
}

void
snapshot_live_losses(const json_t *capture, const json_t *segments,
		     struct packet_window window, struct losses *losses)
{
	struct loss evicted;
	const json_t *entry;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)segments, i, entry)
		live_add_losses(json_object_get(entry, "losses"), false,
				losses);
	live_add_losses(json_object_get(capture, "losses"), true, losses);
	if (snapshot_live_evicted(capture, window, &evicted))
		losses_add(losses, &evicted);
	losses_window(losses, window.from_ns, window.to_ns);
}
