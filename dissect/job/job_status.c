/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_status.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

const char *
job_state_name(enum job_state state)
{
	static const char *const names[] = {
#define X(name, text) text,
		JOB_STATE_MAP(X)
#undef X
	};

	return names[state];
}

void
job_status_init(struct job_status *s, const char *snapshot, const char *name,
		json_t *options)
{
	*s = (struct job_status){
		.state = JOB_PENDING,
		.snapshot = snapshot,
		.name = name,
		.options = options,
		.faults = json_array(),
		.parsers = json_array(),
		.started_ns = clock_wall_ns(),
		.started_monotonic_ns = clock_monotonic_ns(),
	};
}

void
job_status_free(struct job_status *s)
{
	json_decref(s->options);
	json_decref(s->faults);
	json_decref(s->parsers);
	*s = (struct job_status){ 0 };
}

unsigned
job_status_percent(const struct job_status *s)
{
	double part;

	if (s->state == JOB_COMPLETED)
		return 100;
	if (s->bytes_total == 0)
		return 0;
	part = (double)s->bytes_read / (double)s->bytes_total;
	return part < 0.99 ? (unsigned)(part * 100) : 99;
}

uint64_t
job_status_rate(const struct job_status *s)
{
	int64_t end = s->finished_ns ?
			      s->started_monotonic_ns + s->finished_ns -
				      s->started_ns :
			      clock_monotonic_ns();
	double passed = (double)(end - s->started_monotonic_ns) / 1e9;

	return passed > 0.001 ? (uint64_t)((double)s->bytes_read / passed) : 0;
}

uint64_t
job_status_eta(const struct job_status *s)
{
	uint64_t rate = job_status_rate(s);

	if (rate == 0 || s->bytes_read >= s->bytes_total)
		return 0;
	return (s->bytes_total - s->bytes_read + rate - 1) / rate;
}

static json_t *
number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void
set_time(json_t *out, const char *key, int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	json_object_set_new(out, key, json_string(clock_format(ns, text)));
}

static json_t *
calls_by_protocol(const struct job_status *s)
{
	const uint64_t *calls = s->counts.calls_by_protocol;
	json_t *out = json_object();

	for (unsigned i = 1; i < PROTOCOL_COUNT; i++)
		if (calls[i])
			json_object_set_new(out, registry_dissector(i)->name,
					    number(calls[i]));
	return out;
}

static json_t *
errors(const struct job_status *s)
{
	json_t *out = json_copy(s->faults);

	if (s->failure)
		json_array_append_new(out, json_string(s->failure));
	return out;
}

static json_t *
status_json(const struct job_status *s)
{
	json_t *out = json_object();

	json_object_set_new(out, "state",
			    json_string(job_state_name(s->state)));
	if (s->phase)
		json_object_set_new(out, "phase", json_string(s->phase));
	json_object_set_new(out, "snapshot", json_string(s->snapshot));
	json_object_set_new(out, "name", json_string(s->name));
	json_object_set_new(out, "pid", json_integer(getpid()));
	set_time(out, "started", s->started_ns);
	set_time(out, "updated", clock_wall_ns());
	if (s->finished_ns)
		set_time(out, "finished", s->finished_ns);
	json_object_set_new(out, "progress", number(job_status_percent(s)));
	json_object_set_new(out, "bytes_read", number(s->bytes_read));
	json_object_set_new(out, "bytes_total", number(s->bytes_total));
	json_object_set_new(out, "bytes_per_second",
			    number(job_status_rate(s)));
	if (!s->finished_ns && job_status_rate(s) > 0)
		json_object_set_new(out, "eta_s", number(job_status_eta(s)));
	json_object_set_new(out, "packets", number(s->packets));
	json_object_set_new(out, "calls", number(s->counts.calls));
	json_object_set_new(out, "calls_by_protocol", calls_by_protocol(s));
	json_object_set_new(out, "connections", number(s->counts.connections));
	json_object_set_new(out, "database_bytes",
			    number(s->counts.file_bytes));
	json_object_set_new(out, "errors", errors(s));
	json_object_set(out, "options", s->options);
	json_object_set(out, "parsers", s->parsers);
	return out;
}

static int
replace(const char *path, const char *text)
{
	char *temporary = alloc_format("%s.new", path);
	int fd = open(temporary,
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	int rc = ERR_IO;

	if (fd >= 0) {
		rc = file_write_all(fd, text, strlen(text));
		close(fd);
		if (rc == 0 && rename(temporary, path) < 0)
			rc = ERR_IO;
		if (rc < 0)
			unlink(temporary);
	}
	free(temporary);
	return rc;
}

int
job_status_write(const struct job_status *s, const char *path)
{
	json_t *json = status_json(s);
	char *text = json_dumps(json, JSON_INDENT(1));
	int rc = text ? replace(path, text) : ERR_INTERNAL;

	free(text);
	json_decref(json);
	return rc;
}

void
job_status_line(const struct job_status *s, char *out, size_t size)
{
	char rate[16], left[CLOCK_TEXT_SIZE] = "?";
	uint64_t eta = job_status_eta(s);

	if (eta > 0 && eta < 1000000)
		clock_format_duration((int64_t)eta * CLOCK_NS_PER_S, left);
	text_format_size(job_status_rate(s), rate, sizeof(rate));
	if (s->finished_ns || s->phase == NULL)
		snprintf(out, size, "%s: %llu packets, %llu calls, %s/s",
			 job_state_name(s->state),
			 (unsigned long long)s->packets,
			 (unsigned long long)s->counts.calls, rate);
	else
		snprintf(out, size,
			 "%3u%% %s, %s/s, %s left, %llu packets, %llu calls",
			 job_status_percent(s), s->phase, rate, left,
			 (unsigned long long)s->packets,
			 (unsigned long long)s->counts.calls);
}
