/* SPDX-License-Identifier: Apache-2.0 */
/* capture.json of a recording, and what its status shows. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "capture/home.h"
#include "capture/json_file.h"
#include "capture/recorder/recorder_internal.h"
#include "capture/segment_index.h"

static char *
recorder_state_path(const struct recorder *r)
{
	return home_path(r->directory, "capture.json", NULL);
}

static void
set_time(json_t *object, const char *key, int64_t ns)
{
	json_object_set_new(object, key, segment_time_json(ns));
}

static json_t *
recorder_new_state(const struct recorder *r)
{
	json_t *capture = json_pack("{s:i,s:s,s:s,s:s,s:s}", "format", 1,
				    "name", r->name, "node", r->node, "kind",
				    "live", "state", "starting");

	set_time(capture, "created", clock_wall_ns());
	return capture;
}

/* When the recorder before was last alive: its heartbeat.  Its description may
 * be younger than what it took. */
static int64_t
recorder_last_alive(const struct recorder *r)
{
	const json_t *updated = json_object_get(r->capture, "updated_ns");
	char *lock = home_path(r->directory, "recorder.lock", NULL);
	int64_t alive = json_integer_value(updated);
	struct stat info;

	if (stat(lock, &info) == 0)
		alive = info.st_mtim.tv_sec * CLOCK_NS_PER_S +
			info.st_mtim.tv_nsec;
	free(lock);
	return alive;
}

void
recorder_note_gap(struct recorder *r)
{
	struct loss loss = { .cause = LOSS_RECORDER_DOWN,
			     .packets = LOSS_PACKETS_UNKNOWN,
			     .from_ns = r->alive_ns,
			     .to_ns = clock_wall_ns() };

	if (r->alive_ns > 0 && r->alive_ns < loss.to_ns)
		recorder_lose(r, &loss);
}

/* Gaps that no segment tells of yet: whoever is killed before the first packet
 * comes leaves them to the next, whose own gap begins after them. */
static json_t *
recorder_untold_json(const struct recorder *r)
{
	struct losses gaps = { 0 };

	for (size_t i = 0; i < r->losses.count; i++)
		if (r->losses.items[i].cause == LOSS_RECORDER_DOWN)
			losses_add(&gaps, &r->losses.items[i]);
	return losses_json(&gaps);
}

static int
recorder_check_kind(const struct recorder *r, struct error *e)
{
	const char *kind =
		json_string_value(json_object_get(r->capture, "kind"));

	if (kind && strcmp(kind, "live") == 0)
		return 0;
	return error_set(e, ERR_EXISTS,
			 "capture \"%s\" is an import; choose another --name",
			 r->name);
}

int
recorder_load_state(struct recorder *r, struct error *e)
{
	char *path = recorder_state_path(r);
	int status = json_file_read(path, &r->capture, e);

	free(path);
	if (status == ERR_NOTFOUND || status == ERR_CORRUPT) {
		r->capture = recorder_new_state(r);
		r->fresh = true;
		return 0;
	}
	if (status == 0)
		status = recorder_check_kind(r, e);
	if (status < 0)
		return status;
	losses_parse(json_object_get(r->capture, "losses"), &r->total);
	losses_parse(json_object_get(r->capture, "untold"), &r->losses);
	recorder_load_evicted(r);
	r->alive_ns = recorder_last_alive(r);
	recorder_note_gap(r);
	return 0;
}

void
recorder_load_evicted(struct recorder *r)
{
	json_t *evicted = json_object_get(r->capture, "evicted");

	r->evicted_segments = (uint64_t)json_integer_value(
		json_object_get(evicted, "segments"));
	r->evicted.packets = (uint64_t)json_integer_value(
		json_object_get(evicted, "packets"));
	r->evicted.bytes = (uint64_t)json_integer_value(
		json_object_get(evicted, "bytes"));
	r->evicted.first_ns = json_integer_value(
		json_object_get(evicted, "from_ns"));
	r->evicted.last_ns = json_integer_value(
		json_object_get(evicted, "until_ns"));
}

static json_t *
recorder_evicted_json(const struct recorder *r)
{
	json_t *evicted = json_pack(
		"{s:I,s:I,s:I,s:I,s:I}", "segments",
		(json_int_t)r->evicted_segments, "packets",
		(json_int_t)r->evicted.packets, "bytes",
		(json_int_t)r->evicted.bytes, "from_ns",
		(json_int_t)r->evicted.first_ns, "until_ns",
		(json_int_t)r->evicted.last_ns);

	set_time(evicted, "until", r->evicted.last_ns);
	return evicted;
}

int
recorder_save_state(struct recorder *r, const char *state, struct error *e)
{
	struct segment_index totals = inventory_totals(r->inventory);
	char *path = recorder_state_path(r);
	json_t *c = r->capture;
	int status;

	json_object_del(c, "first");
	json_object_del(c, "last");
	segment_index_set_totals(c, &totals);
	json_object_set_new(c, "state", json_string(state));
	json_object_set_new(c, "segments",
			    json_integer((json_int_t)inventory_count(
				    r->inventory)));
	json_object_set_new(c, "losses", losses_json(&r->total));
	json_object_set_new(c, "untold", recorder_untold_json(r));
	json_object_set_new(c, "updated_ns", json_integer(clock_wall_ns()));
	json_object_set_new(c, "pid", json_integer(getpid()));
	json_object_set_new(c, "options", json_incref(r->settings.options));
	if (r->evicted_segments)
		json_object_set_new(c, "evicted", recorder_evicted_json(r));
	if (strcmp(state, "recording") == 0 && r->saved_ns)
		status = json_file_replace(path, c, 0600);
	else
		status = json_file_write(path, c, 0600, e);
	free(path);
	r->changed = status < 0;
	r->saved_ns = clock_monotonic_ns();
	return status;
}

/* What the source says of itself, without what only a status shows. */
json_t *
recorder_describe(struct recorder *r)
{
	json_t *about = r->source ? r->source->type->describe(r->source)
				  : json_object();

	return about;
}

void
recorder_counts(struct recorder *r, struct recorder_counts *counts)
{
	if (r->source)
		recorder_look(r);
	*counts = (struct recorder_counts){
		.source = r->counts,
		.lost_disk = r->lost_disk,
		.lost_quota = r->lost_quota,
		.written_bytes = r->written_bytes,
		.disk_bytes = r->disk_bytes,
		.quota = r->settings.quota,
		.waiting = inventory_raw_count(r->inventory),
		.seal_failures = r->seal_failures,
		.disk_full = r->disk != DISK_GOOD,
		.direct = r->open.number ? raw_writer_direct(r->open.writer)
					 : r->direct,
	};
}

static const char *
recorder_disk_name(const struct recorder *r)
{
	static const char *const names[] = { [DISK_GOOD] = "ok",
					     [DISK_FULL] = "full",
					     [DISK_BROKEN] = "error" };

	return names[r->disk];
}

static json_t *
recorder_disk_json(const struct recorder *r,
		   const struct recorder_counts *counts)
{
	json_t *disk = json_pack(
		"{s:s,s:I,s:I,s:b,s:I}", "state", recorder_disk_name(r),
		"used_bytes", (json_int_t)counts->disk_bytes, "quota_bytes",
		(json_int_t)counts->quota, "direct_io", (int)counts->direct,
		"lost_packets", (json_int_t)counts->lost_disk);

	if (r->disk != DISK_GOOD)
		set_time(disk, "since", r->disk_since_ns);
	if (r->seal_failures)
		json_object_set_new(disk, "seal_failures",
				    json_integer(r->seal_failures));
	return disk;
}

json_t *
recorder_status(struct recorder *r)
{
	struct recorder_counts counts;
	json_t *status, *source;

	recorder_counts(r, &counts);
	source = json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "seen_packets",
		(json_int_t)counts.source.seen_packets, "seen_bytes",
		(json_int_t)counts.source.seen_bytes, "captured_packets",
		(json_int_t)counts.source.captured_packets, "filtered_packets",
		(json_int_t)counts.source.filtered_packets, "cut_packets",
		(json_int_t)counts.source.cut_packets, "lost_ring",
		(json_int_t)counts.source.lost_ring, "lost_errors",
		(json_int_t)counts.source.lost_errors, "lost_kernel",
		(json_int_t)counts.source.lost_kernel);
	status = json_pack(
		"{s:s,s:s,s:i,s:o,s:o,s:I,s:I,s:I,s:o}", "name", r->name,
		"state", r->source ? "recording" : "stopping", "pid",
		(int)getpid(), "counts", source, "source",
		recorder_describe(r), "written_bytes",
		(json_int_t)counts.written_bytes, "segments",
		(json_int_t)inventory_count(r->inventory), "waiting",
		(json_int_t)counts.waiting + (r->open.number != 0), "losses",
		losses_json(&r->total));
	json_object_set_new(status, "disk", recorder_disk_json(r, &counts));
	if (r->open.number)
		set_time(status, "open_since", r->open.opened_utc);
	return status;
}
