/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer rests on, as a sentence. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/tools/render.h"

/* Counters that mean something was not seen, and how to say it. */
static const struct {
	const char *name, *text;
} losses[] = {
	{ "drops", "packets dropped while recording" },
	{ "missing_bytes", "bytes missing" },
	{ "holes", "holes in TCP streams" },
	{ "cut_packets", "packets cut by the snap length" },
	{ "malformed_packets", "malformed packets" },
	{ "unknown_connections", "connections not understood" },
	{ "tls_unread", "TLS handshakes without keys" },
	{ "calls_uncertain", "calls paired with uncertainty" },
	{ "calls_unpaired", "calls with one half only" },
	{ "bodies_truncated", "bodies kept in part" },
	{ "connections_evicted", "connections given up for memory" },
};

static const char *
text_of(json_t *coverage, const char *name)
{
	return json_string_value(json_object_get(coverage, name));
}

/* "2026-11-23T14:00:00Z to 14:05:00Z": the date once when it is the same. */
static void
render_range(struct buf *out, json_t *coverage)
{
	const char *from = text_of(coverage, "from");
	const char *to = text_of(coverage, "to");
	size_t date = sizeof("2026-11-23T") - 1;

	if (!from || !to) {
		buf_text(out, "no time covered");
		return;
	}
	if (strlen(to) > date && strncmp(from, to, date) == 0)
		to += date;
	buf_format(out, "covered %s to %s", from, to);
}

static bool
render_losses(struct buf *out, json_t *coverage)
{
	bool any = false;

	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		json_int_t count = json_integer_value(
			json_object_get(coverage, losses[i].name));

		if (count <= 0)
			continue;
		buf_text(out, ", ");
		render_count(out, (uint64_t)count);
		buf_format(out, " %s", losses[i].text);
		any = true;
	}
	return any;
}

void
render_coverage(struct buf *out, json_t *coverage)
{
	json_t *packets = json_object_get(coverage, "packets");
	const char *state = text_of(coverage, "state");
	json_t *note;
	bool lost;
	size_t i;

	render_range(out, coverage);
	if (json_is_integer(packets)) {
		buf_text(out, ", ");
		render_count(out, (uint64_t)json_integer_value(packets));
		buf_text(out, " packets");
	}
	/* Notes say the same in whole sentences. */
	lost = json_array_size(json_object_get(coverage, "notes")) > 0 ||
	       render_losses(out, coverage);
	if (!lost && json_is_integer(packets) &&
	    json_integer_value(packets) > 0)
		buf_text(out, ", no loss");
	if (state && (strcmp(state, "running") == 0 ||
		      strcmp(state, "pending") == 0))
		buf_format(out, "; dissection is %s: more may come", state);
	else if (state && strcmp(state, "completed") != 0)
		buf_format(out, "; dissection is %s: this is not all", state);
	json_array_foreach(json_object_get(coverage, "notes"), i, note) {
		buf_text(out, "; ");
		render_cell(out, note);
	}
}
