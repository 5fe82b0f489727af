/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_result.h"

#include <stdio.h>
#include <string.h>

/* What one segment may be, so that sums do not overflow. */
#define SEGMENT_MOST ((json_int_t)1 << 40)

struct packet_window
job_result_window(const struct job_options *options,
		  const struct snapshot *snapshot)
{
	struct packet_window window = snapshot->window;

	if (options->from_ns > window.from_ns)
		window.from_ns = options->from_ns;
	if (options->to_ns < window.to_ns)
		window.to_ns = options->to_ns;
	return window;
}

uint64_t
job_result_bytes(const struct snapshot *snapshot, struct packet_window window)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < snapshot->segment_count; i++) {
		const struct packet_segment *s = &snapshot->segments[i];

		if (s->last_ns >= window.from_ns && s->first_ns < window.to_ns)
			bytes += s->stored_bytes;
	}
	return bytes;
}

/* The files that packet references count, in that order. */
static json_t *
segment_files(const struct snapshot *snapshot)
{
	json_t *segments = json_object_get(snapshot->manifest, "segments");
	json_t *files = json_array();
	json_t *segment;
	size_t i;

	json_array_foreach(segments, i, segment)
		json_array_append(files, json_object_get(segment, "file"));
	return files;
}

uint64_t
job_result_uncompressed(const struct snapshot *snapshot)
{
	json_t *segments = json_object_get(snapshot->manifest, "segments");
	json_t *segment;
	uint64_t sum = 0;
	size_t i;

	json_array_foreach(segments, i, segment) {
		json_int_t bytes = json_integer_value(
			json_object_get(segment, "uncompressed_bytes"));

		sum += bytes > 0 && bytes < SEGMENT_MOST ? (uint64_t)bytes : 0;
	}
	return sum;
}

json_t *
job_result_meta(const struct job_options *options,
		const struct snapshot *snapshot)
{
	static const char *const inherited[] = { "from",     "to",
						 "drops",    "losses",
						 "missing",  "captures" };
	json_t *meta = json_object();

	json_object_set_new(meta, "snapshot", json_string(options->snapshot));
	json_object_set_new(meta, "dissection", json_string(options->name));
	json_object_set_new(meta, "generator",
			    json_string("aftertap-dissect " AFTERTAP_VERSION));
	json_object_set_new(meta, "options", job_options_json(options));
	for (size_t i = 0; i < sizeof(inherited) / sizeof(*inherited); i++) {
		json_t *value = json_object_get(snapshot->manifest,
						inherited[i]);

		if (value)
			json_object_set(meta, inherited[i], value);
	}
	json_object_set_new(meta, "segments", segment_files(snapshot));
	return meta;
}

static void
describe(struct job_status *status, const struct parser *p)
{
	json_t *entry = json_object();

	json_object_set_new(entry, "pid", json_integer(p->pid));
	json_object_set_new(entry, "state",
			    json_string(parser_state_text(p->state)));
	json_array_append_new(status->parsers, entry);
	if (p->fault)
		json_array_append_new(status->faults, json_string(p->fault));
}

/* The run is as far as its slowest parser, of those that still read or did
 * read all; without any, as far as one came. */
static uint64_t
bytes_read(const struct parser *parsers, unsigned count)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t bytes = parsers[i].progress.bytes_read;
		bool reads = parsers[i].state == PARSER_RUNNING ||
			     parsers[i].state == PARSER_FINISHED;

		if (reads && bytes < least)
			least = bytes;
		if (bytes > most)
			most = bytes;
	}
	return least < UINT64_MAX ? least : most;
}

void
job_result_progress(struct job_status *status, const struct parser *parsers,
		    unsigned count)
{
	json_array_clear(status->parsers);
	json_array_clear(status->faults);
	for (unsigned i = 0; i < count; i++) {
		uint64_t packets = parsers[i].progress.packets;

		if (packets > status->packets)
			status->packets = packets;
		describe(status, &parsers[i]);
	}
	status->bytes_read = bytes_read(parsers, count);
	if (status->bytes_read > status->bytes_total)
		status->bytes_read = status->bytes_total;
}

struct coverage
job_result_coverage(const struct parser *parsers, unsigned count)
{
	struct coverage sum = { 0 };

	for (unsigned i = 0; i < count; i++) {
		const struct coverage *c = &parsers[i].progress.coverage;

#define X(name, text) sum.name += c->name;
		COVERAGE_MAP(X)
#undef X
	}
	return sum;
}

struct job_verdict
job_result_verdict(const struct parser *parsers, unsigned count,
		   bool cancelled)
{
	unsigned finished = 0;

	for (unsigned i = 0; i < count; i++)
		finished += parsers[i].state == PARSER_FINISHED;
	if (cancelled && finished < count)
		return (struct job_verdict){
			JOB_CANCELLED,
			"cancelled: only the first part of the snapshot was "
			"dissected",
		};
	if (finished == 0)
		return (struct job_verdict){
			JOB_FAILED,
			"every parser failed: only what they found before is "
			"here",
		};
	return (struct job_verdict){ JOB_COMPLETED, NULL };
}

void
job_result_faults(struct store_writer *store, const struct parser *parsers,
		  unsigned count)
{
	uint32_t damaged = 0;

	for (unsigned i = 0; i < count; i++) {
		if (parsers[i].fault)
			(void)store_writer_fault(store, "parser",
						 parsers[i].fault);
		if (parsers[i].progress.damaged_segments > damaged)
			damaged = parsers[i].progress.damaged_segments;
	}
	if (damaged > 0) {
		char text[120];

		snprintf(text, sizeof(text),
			 "%u segments of the snapshot end early; what came "
			 "before was used",
			 damaged);
		(void)store_writer_fault(store, "segment", text);
	}
}
