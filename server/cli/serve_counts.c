/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/serve_counts.h"

#include <string.h>

#include "capture/capture.h"
#include "server/tools/db.h"
#include "server/tools/imports.h"
#include "server/tools/waiting.h"

static uint64_t
number(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	return value > 0 ? (uint64_t)value : 0;
}

/* Of a recording all there ever were: the segments that are kept may not be
 * those that told of them. */
static uint64_t
lost_packets(const json_t *capture)
{
	bool recorded = json_object_get(capture, "lost_packets");

	return number(capture, recorded ? "lost_packets" : "drops");
}

static void
count_captures(const char *home, struct metrics_now *now)
{
	json_t *captures = NULL, *capture;
	size_t i;

	if (capture_list(home, &captures, NULL) < 0)
		return;
	now->captures = json_array_size(captures);
	json_array_foreach(captures, i, capture) {
		now->captured_packets += number(capture, "packets");
		now->dropped_packets += lost_packets(capture);
	}
	json_decref(captures);
}

static void
count_dissections(const char *home, const char *snapshot,
		  struct metrics_now *now)
{
	json_t *names = db_names(home, snapshot), *name, *status;
	size_t i;

	json_array_foreach(names, i, name) {
		status = NULL;
		if (db_status(home, snapshot, json_string_value(name),
			      &status, NULL) == 0)
			now->jobs += waiting_is_alive(status);
		json_decref(status);
	}
	json_decref(names);
}

static void
count_imports(const char *home, struct metrics_now *now)
{
	json_t *imports = imports_list(home), *import;
	size_t i;

	json_array_foreach(imports, i, import) {
		const char *state = json_string_value(
			json_object_get(import, "state"));

		now->jobs += state && strcmp(state, "importing") == 0;
	}
	json_decref(imports);
}

void
serve_counts(const struct tool_config *config, struct metrics_now *now)
{
	json_t *snapshots = db_snapshots(config->home), *snapshot;
	size_t i;

	count_captures(config->home, now);
	count_imports(config->home, now);
	json_array_foreach(snapshots, i, snapshot)
		count_dissections(config->home, json_string_value(snapshot),
				  now);
	json_decref(snapshots);
}
