/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/recorder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/home.h"
#include "capture/recorder/recorder_internal.h"

#define BEAT_NS CLOCK_NS_PER_S
#define SAVE_NS CLOCK_NS_PER_S
/* A drain that takes nothing for so long waits for the disk; were the recorder
 * killed, what it has not taken would be lost. */
#define STUCK_NS (3 * CLOCK_NS_PER_S)
/* The kernel walks thousands of buckets to tell its counts: while nothing is written
 * it is asked seldom. */
#define LOOK_IDLE_NS (10 * CLOCK_NS_PER_S)
#define SEGMENT_MIN  ((uint64_t)1 << 20)

void
recorder_event(struct recorder *r, enum log_level level, const char *format,
	       ...)
{
	char text[ERROR_TEXT_SIZE + 128];
	va_list arguments;

	if (!r->settings.event)
		return;
	va_start(arguments, format);
	if (vsnprintf(text, sizeof(text), format, arguments) < 0)
		text[0] = '\0';
	va_end(arguments);
	r->settings.event(r->settings.context, level, text);
}

static void
recorder_apply_defaults(struct recorder_settings *s)
{
	if (s->segment_bytes == 0)
		s->segment_bytes = RECORDER_SEGMENT_BYTES;
	if (s->segment_ns == 0)
		s->segment_ns = RECORDER_SEGMENT_NS;
	if (s->flush_ns == 0)
		s->flush_ns = RECORDER_FLUSH_NS;
	/* The quota has to hold some segments, or nothing can be evicted. */
	if (s->quota && s->segment_bytes > s->quota / 4)
		s->segment_bytes = s->quota / 4;
	if (s->segment_bytes < SEGMENT_MIN)
		s->segment_bytes = SEGMENT_MIN;
}

static struct recorder *
recorder_new(const struct recorder_settings *settings)
{
	struct recorder *r = alloc_zero(1, sizeof(*r));

	r->settings = *settings;
	recorder_apply_defaults(&r->settings);
	r->settings.options = settings->options
				      ? json_incref(settings->options)
				      : json_object();
	r->home = alloc_string(settings->home);
	r->name = alloc_string(settings->name);
	r->node = alloc_string(settings->node);
	r->program = alloc_string(settings->program);
	r->directory = home_path(r->home, "captures", r->name, NULL);
	r->lock = r->plain = -1;
	r->sealer.descriptor = r->discard.descriptor = -1;
	r->steps = json_array();
	r->told_interfaces = json_object();
	(void)clock_map_note(&r->clock, clock_pair_now());
	return r;
}

static void
recorder_free(struct recorder *r)
{
	recorder_detach(r);
	recorder_close_plain(r);
	recorder_reap(r, true);
	sealer_stop(&r->sealer);
	sealer_stop(&r->discard);
	if (r->lock >= 0)
		close(r->lock);
	inventory_free(r->inventory);
	json_decref(r->capture);
	json_decref(r->steps);
	json_decref(r->told_interfaces);
	json_decref(r->settings.options);
	free(r->directory);
	free(r->program);
	free(r->node);
	free(r->name);
	free(r->home);
	free(r);
}

static int
recorder_take_lock(struct recorder *r, struct error *e)
{
	char *path = home_path(r->directory, "recorder.lock", NULL);
	pid_t holder = file_lock_holder(path);

	if (holder > 0)
		error_set(e, ERR_BUSY,
			  "capture \"%s\" is being recorded already, by "
			  "process %d", r->name, (int)holder);
	else
		r->lock = file_lock(path, e);
	free(path);
	return r->lock < 0 ? e->code : 0;
}

static int
recorder_prepare(struct recorder *r, struct error *e)
{
	int status;

	if (!text_is_name(r->name))
		return error_set(e, ERR_INVALID,
				 "\"%s\" is not a name for a capture: use 1 to "
				 "100 letters, digits, '.', '_' and '-', "
				 "beginning with a letter or digit", r->name);
	status = file_make_dirs(r->directory, e);
	/* The heartbeat of the one before is read before it is ours. */
	if (status == 0)
		status = recorder_load_state(r, e);
	if (status == 0)
		status = recorder_take_lock(r, e);
	if (status == 0)
		status = inventory_load(r->directory, &r->inventory, e);
	if (status < 0)
		return status;
	r->next_number = inventory_next(r->inventory);
	r->newest = r->next_number - 1;
	/* A description that was lost does not make segments worthless: a start
	 * that fails must leave them alone. */
	if (r->next_number > 1)
		r->fresh = false;
	if (inventory_raw_count(r->inventory) > 0)
		recorder_event(r, LOG_WARN,
			       "%zu raw segments of the recorder before are "
			       "recovered and sealed",
			       inventory_raw_count(r->inventory));
	recorder_look_sealed(r);
	return recorder_save_state(r, "starting", e);
}

int
recorder_open(const struct recorder_settings *settings, struct recorder **out,
	      struct error *e)
{
	struct recorder *r = recorder_new(settings);
	struct error ignored;
	int status = recorder_prepare(r, e ? e : &ignored);

	if (status < 0) {
		recorder_free(r);
		return status;
	}
	*out = r;
	return 0;
}

const char *
recorder_directory(const struct recorder *r)
{
	return r->directory;
}

int
recorder_attach(struct recorder *r, struct source *source, json_t *about,
		struct error *e)
{
	struct drain_settings drain = {
		.source = source,
		.segment_bytes = r->settings.segment_bytes,
		.flush_ns = r->settings.flush_ns,
		.clock = r->clock,
	};
	int status;

	r->source = source;
	r->fresh = false;
	source->type->counts(source, &r->counts);
	r->looked_ns = clock_wall_ns();
	/* Attaching takes a while, in which nobody records either. */
	recorder_note_gap(r);
	json_object_set_new(r->capture, "recorder", about);
	json_object_set_new(r->capture, "source",
			    json_pack("[s]", source->type->name));
	status = recorder_save_state(r, "recording", e);
	return status < 0 ? status : drain_start(&drain, &r->drain, e);
}

int
recorder_descriptor(const struct recorder *r)
{
	return r->drain ? drain_descriptor(r->drain) : -1;
}

static void
recorder_beat(struct recorder *r, int64_t now_ns)
{
	if (now_ns - r->beat_ns < BEAT_NS)
		return;
	r->beat_ns = now_ns;
	if (r->drain && now_ns - r->turned_ns < STUCK_NS)
		(void)futimens(r->lock, NULL);
	recorder_clock(r);
	if (r->written_bytes == r->look_written &&
	    now_ns - r->look_ns < LOOK_IDLE_NS)
		return;
	r->look_written = r->written_bytes;
	r->look_ns = now_ns;
	recorder_look(r);
}

void
recorder_tick(struct recorder *r)
{
	int64_t now_ns = clock_monotonic_ns();

	recorder_serve(r);
	recorder_beat(r, now_ns);
	recorder_age(r, now_ns);
	recorder_reap(r, false);
	recorder_disk_look(r, now_ns);
	recorder_seal(r, now_ns);
	recorder_keep_quota(r, now_ns);
	if (r->changed && r->source && now_ns - r->saved_ns >= SAVE_NS)
		(void)recorder_save_state(r, "recording", NULL);
}

void
recorder_clock(struct recorder *r)
{
	struct clock_pair pair = clock_pair_now();
	int64_t step = clock_map_note(&r->clock, pair);
	json_t *entry;

	if (step == 0)
		return;
	if (r->drain)
		drain_set_clock(r->drain, &r->clock);
	recorder_event(r, LOG_WARN, "the clock was set by %lld ms",
		       (long long)(step / CLOCK_NS_PER_MS));
	entry = json_pack("{s:o,s:I,s:I}", "at", segment_time_json(pair.utc_ns),
			  "at_ns", (json_int_t)pair.utc_ns, "step_ns",
			  (json_int_t)step);
	if (json_array_size(r->steps) < CLOCK_PAIRS_MAX)
		json_array_append(r->steps, entry);
	json_decref(entry);
}

uint32_t
recorder_rotate(struct recorder *r)
{
	recorder_order(r, DRAIN_END);
	recorder_close_segment(r);
	r->seal_retry_ns = 0;
	r->awaited = r->newest;
	recorder_seal(r, clock_monotonic_ns());
	return r->newest;
}

void
recorder_settle(struct recorder *r)
{
	recorder_order(r, DRAIN_TAKE);
}

bool
recorder_is_over(const struct recorder *r)
{
	return r->over;
}

bool
recorder_is_closing(const struct recorder *r)
{
	return r->closing_count > 0;
}

bool
recorder_is_sealed(const struct recorder *r, uint32_t number)
{
	/* They may end in another order than they were numbered in. */
	for (size_t i = 0; i < r->closing_count; i++)
		if (r->closing[i].number <= number)
			return false;
	return !inventory_waits(r->inventory, number);
}

int
recorder_seal_descriptor(const struct recorder *r)
{
	return r->sealer.descriptor;
}

void
recorder_detach(struct recorder *r)
{
	if (!r->source)
		return;
	recorder_order(r, DRAIN_STOP);
	(void)futimens(r->lock, NULL);
	recorder_look(r);
	recorder_close_segment(r);
	recorder_write_losses(r);
	if (r->drain)
		recorder_end_drain(r);
	recorder_reap(r, true);
	r->awaited = r->newest;
	r->source = NULL;
	r->changed = true;
}

void
recorder_end(struct recorder *r, const char *why)
{
	recorder_finish_quota(r);
	if (why)
		json_object_set_new(r->capture, "error", json_string(why));
	else
		json_object_del(r->capture, "error");
	/* What never recorded anything is not a capture. */
	if (why && r->fresh)
		(void)file_remove_tree(r->directory, NULL);
	else
		(void)recorder_save_state(r, why ? "failed" : "stopped", NULL);
}

void
recorder_close(struct recorder *r)
{
	if (r)
		recorder_free(r);
}
