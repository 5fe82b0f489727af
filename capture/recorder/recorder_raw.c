/* SPDX-License-Identifier: Apache-2.0 */
/* The open raw segment: spans go in, a full disk is lived through. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/json_file.h"
#include "capture/recorder/recorder_internal.h"
#include "capture/source/raw_reader.h"

#define DISK_RETRY_NS (CLOCK_NS_PER_S / 2)
/* A disk that was full is used again when it has this much. */
#define DISK_ROOM ((uint64_t)12 << 20)
/* How often the sidecar is written while nothing is lost. */
#define SIDECAR_NS (10 * CLOCK_NS_PER_S)

static char *
recorder_raw_path(const struct recorder *r, const char *suffix)
{
	return alloc_format("%s/raw/%06u%s", r->directory, r->number, suffix);
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
		(int)r->number, "closed", (int)closed, "opened_ns",
		(json_int_t)r->opened_utc, "updated_ns",
		(json_int_t)clock_wall_ns(), "counts",
		counts_since(&r->counts, &r->opened), "losses",
		losses_json(&r->losses), "clock_steps", r->steps, "bytes",
		(json_int_t)(r->writer ? raw_writer_committed(r->writer) : 0));
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
	char *path = recorder_raw_path(r, ".json");
	json_t *sidecar = recorder_sidecar(r, closed);

	/* Without one the packets still are what they are. */
	(void)json_file_replace(path, sidecar, 0600);
	r->sidecar_ns = clock_monotonic_ns();
	json_decref(sidecar);
	free(path);
}

static int
recorder_open_segment(struct recorder *r, uint64_t position, struct error *e)
{
	struct raw_stream stream = { .format = r->source->type->format,
				     .clock_kind = r->source->clock,
				     .position = position };
	char *path;
	int status;

	r->number = r->next_number;
	path = recorder_raw_path(r, ".raw");
	clock_map_restart(&r->clock);
	status = raw_writer_open(path, &stream, &r->clock, &r->writer, e);
	free(path);
	if (status < 0) {
		r->number = 0;
		return status;
	}
	r->next_number++;
	r->opened = r->counts;
	r->opened_ns = r->flushed_ns = clock_monotonic_ns();
	r->opened_utc = clock_wall_ns();
	recorder_write_sidecar(r, false);
	return 0;
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

void
recorder_close_segment(struct recorder *r)
{
	if (!r->writer)
		return;
	recorder_look(r);
	recorder_close_plain(r);
	if (r->closing_count == CLOSING_MAX)
		recorder_reap(r, true);
	r->direct = raw_writer_direct(r->writer);
	raw_writer_end(r->writer, &r->clock);
	recorder_write_sidecar(r, true);
	r->closing[r->closing_count++] =
		(struct recorder_closing){ r->writer, r->number,
					   r->opened_utc };
	r->writer = NULL;
	r->losses.count = 0;
	json_array_clear(r->steps);
	r->number = 0;
}

bool
recorder_have_segment(struct recorder *r)
{
	struct error error = { 0 };

	if (r->writer || recorder_open_segment(r, 0, &error) == 0)
		return true;
	recorder_event(r, LOG_ERROR, "%s", error.text);
	return false;
}

/* Losses without packets get a segment of their own. */
void
recorder_write_losses(struct recorder *r)
{
	if (r->writer || r->losses.count == 0 || !r->source)
		return;
	if (recorder_have_segment(r))
		recorder_close_segment(r);
}

/* Counts the packets of a span that cannot be written. */
static void
recorder_lose_span(struct recorder *r, const struct source_span *span)
{
	struct loss loss = {
		.cause = r->disk == DISK_FULL ? LOSS_DISK_FULL
					      : LOSS_DISK_ERROR,
		.to_ns = clock_wall_ns(),
	};
	struct raw_reader reader;
	struct raw_packet packet;

	raw_reader_init(&reader, r->source->type->format,
			bytes_make(span->data, span->size));
	loss.from_ns = loss.to_ns;
	while (raw_reader_next(&reader, &packet) > 0) {
		int64_t at = r->source->clock == RAW_CLOCK_UTC
				     ? packet.time_ns
				     : clock_map_utc(&r->clock,
						     (uint64_t)packet.time_ns);

		if (at < loss.from_ns)
			loss.from_ns = at;
		loss.packets++;
	}
	raw_reader_free(&reader);
	r->lost_disk += loss.packets;
	recorder_lose(r, &loss);
}

static void
recorder_disk_failed(struct recorder *r, int status, const struct error *e)
{
	enum recorder_disk before = r->disk;

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

static int
recorder_append(struct recorder *r, const struct source_span *span,
		struct error *e)
{
	int status = 0;

	if (r->writer &&
	    (raw_writer_position(r->writer) != span->position ||
	     raw_writer_size(r->writer) >= r->settings.segment_bytes))
		recorder_close_segment(r);
	if (!r->writer)
		status = recorder_open_segment(r, span->position, e);
	if (status == 0)
		status = raw_writer_append(r->writer, span->data, span->size,
					   e);
	return status;
}

static void
recorder_take(struct recorder *r, const struct source_span *span)
{
	struct error error = { 0 };
	int status = 0;

	if (r->disk == DISK_GOOD) {
		status = recorder_append(r, span, &error);
		if (status == 0) {
			r->written_bytes += span->size;
			return;
		}
		recorder_disk_failed(r, status, &error);
		recorder_close_segment(r);
	}
	recorder_lose_span(r, span);
}

/* The size of the records at the front of a span that reach `room` bytes. */
static size_t
recorder_cut(const struct source_span *span, uint64_t room)
{
	size_t at = 0;

	while (at < room && at + RAW_RING_HEADER <= span->size) {
		uint32_t size;

		memcpy(&size, span->data + at, sizeof(size));
		size &= ~(RAW_RING_BUSY | RAW_RING_DISCARD);
		at += (RAW_RING_HEADER + (size_t)size + 7) & ~(size_t)7;
	}
	return at < span->size ? at : span->size;
}

/* A source may have more than what is left of the segment. */
static void
recorder_fit(const struct recorder *r, struct source_span *span)
{
	uint64_t limit = r->settings.segment_bytes;
	uint64_t have = r->writer ? raw_writer_size(r->writer) : 0;
	uint64_t room = have < limit ? limit - have : limit;

	if (r->source->type->format == RAW_FORMAT_RECORDS &&
	    span->size > room)
		span->size = recorder_cut(span, room);
}

uint64_t
recorder_drain(struct recorder *r, uint64_t limit)
{
	struct source_span span;
	uint64_t taken = 0;

	while (r->source && taken < limit &&
	       r->source->type->peek(r->source, &span)) {
		if (span.size == 0)
			break;
		recorder_fit(r, &span);
		recorder_take(r, &span);
		r->source->type->release(r->source, span.size);
		taken += span.size;
	}
	return taken;
}

void
recorder_flush(struct recorder *r, int64_t now_ns)
{
	struct error error = { 0 };
	int status;

	if (!r->writer || now_ns - r->flushed_ns < r->settings.flush_ns)
		return;
	r->flushed_ns = now_ns;
	status = raw_writer_flush(r->writer, &r->clock, &error);
	if (status < 0) {
		recorder_disk_failed(r, status, &error);
		recorder_close_segment(r);
		return;
	}
	if (now_ns - r->sidecar_ns >= SIDECAR_NS)
		recorder_write_sidecar(r, false);
	if (now_ns - r->opened_ns >= r->settings.segment_ns)
		recorder_close_segment(r);
}

/* Is there room again? */
void
recorder_disk_look(struct recorder *r, int64_t now_ns)
{
	struct statvfs fs;

	if (r->disk == DISK_GOOD || now_ns < r->disk_retry_ns)
		return;
	r->disk_retry_ns = now_ns + DISK_RETRY_NS;
	if (statvfs(r->directory, &fs) < 0 ||
	    (uint64_t)fs.f_bavail * fs.f_frsize < DISK_ROOM)
		return;
	r->disk = DISK_GOOD;
	r->changed = true;
	recorder_event(r, LOG_WARN,
		       "the disk has room again: recording goes on; %llu "
		       "packets were lost",
		       (unsigned long long)r->lost_disk);
}
