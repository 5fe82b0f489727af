/* SPDX-License-Identifier: Apache-2.0 */
/* The open raw segment, which the drain writes: it is given the next, asked for
 * what has ended, and told what becomes of the disk. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/json_file.h"
#include "capture/recorder/recorder_internal.h"

#define DISK_RETRY_NS (CLOCK_NS_PER_S / 2)
/* A disk that was full is used again when it has this much. */
#define DISK_ROOM ((uint64_t)12 << 20)
/* How often the sidecar is written while nothing is lost. */
#define SIDECAR_NS (10 * CLOCK_NS_PER_S)
/* Nothing is lost if a signal is. */
#define ORDER_MS 100

static char *
recorder_raw_path(const struct recorder *r, uint32_t number,
		  const char *suffix)
{
	return alloc_format("%s/raw/%06u%s", r->directory, number, suffix);
}

static json_t *
counts_since(const struct source_counts *now, const struct source_counts *then)
{
	return json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "seen_packets",
		(json_int_t)(now->seen_packets - then->seen_packets),
		"captured_packets",
		(json_int_t)(now->captured_packets - then->captured_packets),
		"filtered_packets",
		(json_int_t)(now->filtered_packets - then->filtered_packets),
		"cut_packets",
		(json_int_t)(now->cut_packets - then->cut_packets),
		"lost_ring", (json_int_t)(now->lost_ring - then->lost_ring),
		"lost_errors",
		(json_int_t)(now->lost_errors - then->lost_errors),
		"lost_kernel",
		(json_int_t)(now->lost_kernel - then->lost_kernel));
}

static json_t *
recorder_sidecar(struct recorder *r, bool closed)
{
	json_t *about = recorder_describe(r);
	json_t *sidecar = json_pack(
		"{s:i,s:i,s:b,s:I,s:I,s:o,s:o,s:O,s:I}", "format", 1, "number",
		(int)r->open.number, "closed", (int)closed, "opened_ns",
		(json_int_t)r->open.opened_utc, "updated_ns",
		(json_int_t)clock_wall_ns(), "counts",
		counts_since(&r->counts, &r->opened), "losses",
		losses_json(&r->losses), "clock_steps", r->steps, "bytes",
		(json_int_t)raw_writer_committed(r->open.writer));
	const char *filter = r->source ? r->source->recorder_filter : NULL;

	json_object_update(sidecar, about);
	if (filter)
		json_object_set_new(sidecar, "recorder_filter",
				    json_string(filter));
	json_decref(about);
	return sidecar;
}

void
recorder_write_sidecar(struct recorder *r, bool closed)
{
	char *path = recorder_raw_path(r, r->open.number, ".json");
	json_t *sidecar = recorder_sidecar(r, closed);

	/* Without one the packets still are what they are. */
	(void)json_file_replace(path, sidecar, 0600);
	r->sidecar_ns = clock_monotonic_ns();
	json_decref(sidecar);
	free(path);
}

/* A raw segment that nobody has begun yet; the drain says where it begins. */
static int
recorder_make_segment(struct recorder *r, struct drain_segment *made,
		      struct error *e)
{
	const struct raw_stream stream = { .format = r->source->type->format,
					   .clock_kind = r->source->clock };
	char *path = recorder_raw_path(r, r->next_number, ".raw");
	int status;

	*made = (struct drain_segment){ .opened_ns = clock_monotonic_ns(),
					.opened_utc = clock_wall_ns() };
	status = raw_writer_open(path, &stream, &r->clock, &made->writer, e);
	free(path);
	if (status == 0)
		made->number = r->next_number++;
	return status;
}

static void
recorder_begun(struct recorder *r, const struct drain_segment *segment)
{
	r->open = *segment;
	r->opened = r->counts;
	clock_map_restart(&r->clock);
	drain_set_clock(r->drain, &r->clock);
	recorder_write_sidecar(r, false);
}

/* What ended before the oldest unsealed packet is of no use any more. */
static void
recorder_tell_closed(struct recorder *r, int64_t opened_utc)
{
	/* Sockets are learned of a moment before or after their packets. */
	int64_t keep_ns = opened_utc - 60 * CLOCK_NS_PER_S;

	if (inventory_raw_count(r->inventory) > 1)
		keep_ns = 0;
	if (r->settings.closed)
		r->settings.closed(r->settings.context, keep_ns);
}

/* The last bytes of a segment are on disk, or will never be. */
static void
recorder_closed(struct recorder *r, const struct recorder_closing *closed,
		int status, const struct error *e)
{
	struct loss loss = { .cause = LOSS_DISK_ERROR,
			     .packets = LOSS_PACKETS_UNKNOWN,
			     .from_ns = closed->opened_utc,
			     .to_ns = clock_wall_ns() };

	if (status < 0) {
		recorder_event(r, LOG_ERROR, "%s", e->text);
		recorder_lose(r, &loss);
	}
	inventory_add_raw(r->inventory, closed->number);
	recorder_tell_closed(r, closed->opened_utc);
	r->changed = true;
}

void
recorder_reap(struct recorder *r, bool wait)
{
	while (r->closing_count > 0) {
		struct recorder_closing first = r->closing[0];
		struct error error = { 0 };
		int status = 0;

		/* In their order, so that they are sealed in it. */
		if (!raw_writer_ended(first.writer, wait, &status, &error))
			break;
		r->closing_count--;
		memmove(r->closing, r->closing + 1,
			r->closing_count * sizeof(r->closing[0]));
		recorder_closed(r, &first, status, &error);
	}
}

/* Nothing is written to the open segment any more. */
static void
recorder_ended(struct recorder *r)
{
	recorder_look(r);
	recorder_close_plain(r);
	if (r->closing_count == CLOSING_MAX)
		recorder_reap(r, true);
	r->direct = raw_writer_direct(r->open.writer);
	recorder_write_sidecar(r, true);
	r->closing[r->closing_count++] =
		(struct recorder_closing){ r->open.writer, r->open.number,
					   r->open.opened_utc };
	if (r->newest < r->open.number)
		r->newest = r->open.number;
	r->losses.count = 0;
	json_array_clear(r->steps);
	r->open = (struct drain_segment){ 0 };
}

static void
recorder_close_own(struct recorder *r)
{
	if (!r->own)
		return;
	raw_writer_end(r->open.writer, &r->clock);
	recorder_ended(r);
	r->own = false;
}

void
recorder_close_segment(struct recorder *r)
{
	if (r->own)
		recorder_close_own(r);
	else if (r->open.number)
		recorder_order(r, DRAIN_END);
}

/* One for what is not packets: the drain's next, while it has none. */
bool
recorder_have_segment(struct recorder *r)
{
	struct error error = { 0 };
	struct drain_segment mine;

	if (r->open.number)
		return true;
	mine = drain_take_back(r->drain);
	if (mine.number == 0 && recorder_make_segment(r, &mine, &error) < 0) {
		recorder_event(r, LOG_ERROR, "%s", error.text);
		return false;
	}
	r->own = true;
	recorder_begun(r, &mine);
	return true;
}

/* Losses without packets get a segment of their own. */
void
recorder_write_losses(struct recorder *r)
{
	if (r->open.number || r->losses.count == 0 || !r->drain)
		return;
	if (recorder_have_segment(r))
		recorder_close_segment(r);
}

static void
recorder_disk_failed(struct recorder *r, int status, const struct error *e)
{
	enum recorder_disk before = r->disk;

	drain_set_disk(r->drain, status);
	r->disk = status == ERR_NOSPACE ? DISK_FULL : DISK_BROKEN;
	r->disk_retry_ns = clock_monotonic_ns() + DISK_RETRY_NS;
	if (before == r->disk)
		return;
	r->disk_since_ns = clock_wall_ns();
	r->changed = true;
	if (r->disk == DISK_FULL)
		recorder_event(r, LOG_ERROR,
			       "the disk is full: nothing is written and "
			       "packets are lost until there is room (%s)",
			       e->text);
	else
		recorder_event(r, LOG_ERROR, "%s", e->text);
}

static void
recorder_heed(struct recorder *r, const struct drain_report *report)
{
	for (unsigned i = 0; i < report->ended_count; i++) {
		if (r->open.number != report->ended[i].number) {
			recorder_close_own(r);
			recorder_begun(r, &report->ended[i]);
		}
		recorder_ended(r);
	}
	if (report->open.number && report->open.number != r->open.number) {
		recorder_close_own(r);
		recorder_begun(r, &report->open);
	}
	r->turned_ns = report->turned_ns;
	r->written_bytes += report->written_bytes;
	r->lost_disk += report->lost.packets;
	if (report->lost.packets)
		recorder_lose(r, &report->lost);
	if (report->error.code)
		recorder_disk_failed(r, report->error.code, &report->error);
	r->over = r->over || report->over;
}

void
recorder_serve(struct recorder *r)
{
	struct drain_report report;
	struct drain_segment next;
	struct error error = { 0 };
	int status;

	if (!r->drain)
		return;
	drain_collect(r->drain, &report);
	recorder_heed(r, &report);
	if (!report.wants || r->disk != DISK_GOOD)
		return;
	status = recorder_make_segment(r, &next, &error);
	if (status == 0)
		drain_give(r->drain, &next);
	else
		recorder_disk_failed(r, status, &error);
}

void
recorder_order(struct recorder *r, enum drain_order order)
{
	struct pollfd news;

	if (!r->drain)
		return;
	news = (struct pollfd){ drain_descriptor(r->drain), POLLIN, 0 };
	drain_order(r->drain, order);
	while (drain_is_at_it(r->drain)) {
		(void)poll(&news, 1, ORDER_MS);
		recorder_serve(r);
	}
	recorder_serve(r);
}

void
recorder_end_drain(struct recorder *r)
{
	struct drain_segment left = drain_take_back(r->drain);
	char *path;

	if (left.number) {
		path = recorder_raw_path(r, left.number, ".raw");
		(void)raw_writer_close(left.writer, &r->clock, NULL);
		(void)unlink(path);
		free(path);
	}
	drain_free(r->drain);
	r->drain = NULL;
}

void
recorder_age(struct recorder *r, int64_t now_ns)
{
	if (r->open.number && now_ns - r->sidecar_ns >= SIDECAR_NS)
		recorder_write_sidecar(r, false);
	if (r->open.number &&
	    now_ns - r->open.opened_ns >= r->settings.segment_ns)
		recorder_close_segment(r);
}

/* Is there room again? */
void
recorder_disk_look(struct recorder *r, int64_t now_ns)
{
	struct statvfs fs;

	if (r->disk == DISK_GOOD || !r->drain || now_ns < r->disk_retry_ns)
		return;
	r->disk_retry_ns = now_ns + DISK_RETRY_NS;
	if (statvfs(r->directory, &fs) < 0 ||
	    (uint64_t)fs.f_bavail * fs.f_frsize < DISK_ROOM)
		return;
	r->disk = DISK_GOOD;
	drain_set_disk(r->drain, 0);
	r->changed = true;
	recorder_event(r, LOG_WARN,
		       "the disk has room again: recording goes on; %llu "
		       "packets were lost",
		       (unsigned long long)r->lost_disk);
}
