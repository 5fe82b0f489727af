/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a recording: sealing, and the quota. */
#include <poll.h>

#include "base/clock.h"
#include "capture/recorder/recorder_internal.h"

#define SEAL_RETRY_NS (5 * CLOCK_NS_PER_S)
#define SEAL_FAILURES 3 /* before a segment is passed over for a while */
#define QUOTA_NS      CLOCK_NS_PER_S
#define QUOTA_IDLE_NS (10 * CLOCK_NS_PER_S) /* while nothing is written */
#define FINISH_MS     100

static void
recorder_seal_failed(struct recorder *r, uint32_t number, int status,
		     const struct error *e, int64_t now_ns)
{
	if (status == ERR_CORRUPT || status == ERR_TRUNCATED) {
		int64_t now = clock_wall_ns();
		struct loss loss = { .cause = LOSS_DAMAGED,
				     .packets = LOSS_PACKETS_UNKNOWN,
				     .from_ns = now,
				     .to_ns = now };

		recorder_event(r, LOG_ERROR,
			       "raw segment %u is damaged and set aside: %s",
			       number, e->text);
		recorder_lose(r, &loss);
		(void)inventory_sealed(r->inventory, number);
		return;
	}
	r->seal_failures++;
	r->seal_retry_ns = now_ns + SEAL_RETRY_NS * r->seal_failures;
	if (r->seal_failures > 12)
		r->seal_failures = 12;
	if (r->seal_failures == 1 || r->seal_failures == SEAL_FAILURES)
		recorder_event(r, LOG_ERROR,
			       "segment %u cannot be sealed and stays raw: %s",
			       number, e->text);
}

/* A segment whose index entry cannot be read is seen by nobody. */
static void
recorder_lose_sealed(struct recorder *r, uint32_t number, int64_t at_ns)
{
	struct loss loss = { .cause = LOSS_DAMAGED,
			     .packets = LOSS_PACKETS_UNKNOWN,
			     .from_ns = at_ns,
			     .to_ns = at_ns };

	recorder_event(r, LOG_ERROR,
		       "the index entry of segment %u is damaged: its packets "
		       "are not to be had", number);
	recorder_lose(r, &loss);
}

void
recorder_look_sealed(struct recorder *r)
{
	uint32_t number = 0;
	int64_t written_ns;

	while ((number = inventory_unreadable(r->inventory, number,
					      &written_ns)) != 0)
		recorder_lose_sealed(r, number, written_ns);
}

static void
recorder_seal_ended(struct recorder *r, int64_t now_ns)
{
	uint32_t number = r->sealer.number;
	struct seal_result result;
	struct error error = { 0 };
	int status;

	if (!sealer_ended(&r->sealer, &status, &result, &error))
		return;
	r->changed = true;
	if (status < 0) {
		recorder_seal_failed(r, number, status, &error, now_ns);
		return;
	}
	r->seal_failures = 0;
	if (inventory_sealed(r->inventory, number) < 0)
		recorder_lose_sealed(r, number, clock_wall_ns());
	if (result.problem[0])
		recorder_event(r, LOG_WARN, "segment %u: %s", number,
			       result.problem);
	if (result.recovered)
		recorder_event(r, LOG_INFO,
			       "segment %u: %llu bytes recovered behind what "
			       "had been committed", number,
			       (unsigned long long)result.recovered);
}

static enum seal_pace_answer
recorder_pace(struct recorder *r, uint32_t number, int64_t now_ns)
{
	const struct seal_backlog backlog = {
		.segments = inventory_raw_count(r->inventory),
		.segment_bytes = r->settings.segment_bytes,
		.quota = r->settings.quota,
		.awaited = number <= r->awaited,
		.short_of_disk = r->disk != DISK_GOOD,
	};

	seal_pace_note(&r->pace, r->written_bytes, now_ns);
	return seal_pace_ask(&r->pace, &backlog);
}

void
recorder_seal(struct recorder *r, int64_t now_ns)
{
	struct sealer_order order = { .program = r->program,
				      .directory = r->directory };
	enum seal_pace_answer pace;
	struct error error = { 0 };
	uint32_t number;

	recorder_seal_ended(r, now_ns);
	number = inventory_first_raw(r->inventory);
	pace = recorder_pace(r, number, now_ns);
	/* One that was begun without haste may never end on a busy node. */
	if (r->sealer.pid != 0 && r->sealer.task == SEALER_IDLE &&
	    pace == SEAL_PACE_HURRY)
		sealer_stop(&r->sealer);
	if (r->sealer.pid != 0 || number == 0 || pace == SEAL_PACE_WAIT ||
	    now_ns < r->seal_retry_ns)
		return;
	order.number = number;
	order.task = pace == SEAL_PACE_HURRY ? SEALER_URGENT : SEALER_IDLE;
	if (sealer_start(&r->sealer, &order, &error) < 0)
		recorder_seal_failed(r, number, ERR_IO, &error, now_ns);
}

int64_t
recorder_kept_from(const struct recorder *r)
{
	struct segment_index kept = inventory_totals(r->inventory);

	return r->evicted_segments > 0 && kept.packets > 0 ? kept.first_ns
							   : INT64_MIN;
}

static void
recorder_evicted(struct recorder *r, const struct segment_index *gone)
{
	segment_index_add(&r->evicted, gone);
	r->evicted_segments++;
	r->changed = true;
}

/* Nothing sealed is left: what waits goes, which loses packets.  It is counted
 * by another process, which takes the time it takes. */
static void
recorder_evict_raw(struct recorder *r)
{
	/* The one that is being sealed will make room by itself. */
	uint32_t except = r->sealer.pid ? r->sealer.number : 0;
	struct sealer_order order = { .program = r->program,
				      .directory = r->directory,
				      .task = SEALER_DISCARD };
	size_t sealed = inventory_count(r->inventory);
	struct error error = { 0 };

	order.number = inventory_oldest_raw(r->inventory, except);
	if (order.number == 0 ||
	    sealer_start(&r->discard, &order, &error) < 0) {
		if (error.text[0])
			recorder_event(r, LOG_ERROR, "%s", error.text);
		return;
	}
	(void)inventory_sealed(r->inventory, order.number);
	r->discard_sealed = inventory_count(r->inventory) > sealed;
}

/* It was counted and is gone. */
static void
recorder_discarded(struct recorder *r)
{
	uint32_t number = r->discard.number;
	int64_t now = clock_wall_ns();
	struct loss loss = { .cause = LOSS_QUOTA,
			     .packets = LOSS_PACKETS_UNKNOWN,
			     .from_ns = now - r->settings.segment_ns,
			     .to_ns = now };
	struct seal_result result;
	struct error error = { 0 };
	int status;

	if (!sealer_ended(&r->discard, &status, &result, &error))
		return;
	if (status < 0) {
		recorder_event(r, LOG_ERROR, "%s", error.text);
		inventory_return_raw(r->inventory, number);
		return;
	}
	r->quota_ns = 0;
	if (r->discard_sealed || (result.counted && result.packets == 0))
		return;
	if (result.packets > 0) {
		loss.from_ns = result.first_ns;
		loss.to_ns = result.last_ns;
	}
	if (result.counted)
		loss.packets = result.packets;
	r->lost_quota += result.packets;
	recorder_lose(r, &loss);
	if (!r->quota_short)
		recorder_event(r, LOG_ERROR,
			       "the quota is too small: a segment was removed "
			       "before it was sealed");
	r->quota_short = true;
}

static bool
recorder_quota_is_due(const struct recorder *r, int64_t now_ns)
{
	bool still = r->written_bytes == r->quota_written &&
		     inventory_raw_count(r->inventory) == 0;

	return r->discard.pid == 0 &&
	       (r->quota_ns == 0 ||
		now_ns - r->quota_ns >= (still ? QUOTA_IDLE_NS : QUOTA_NS));
}

void
recorder_keep_quota(struct recorder *r, int64_t now_ns)
{
	struct segment_index gone;

	recorder_discarded(r);
	if (!recorder_quota_is_due(r, now_ns))
		return;
	r->quota_ns = now_ns;
	r->quota_written = r->written_bytes;
	r->disk_bytes = inventory_disk(r->inventory);
	while (r->settings.quota && r->disk_bytes > r->settings.quota) {
		if (!inventory_evict(r->inventory, &gone)) {
			recorder_evict_raw(r);
			break;
		}
		recorder_evicted(r, &gone);
		r->disk_bytes = inventory_disk(r->inventory);
	}
}

void
recorder_finish_quota(struct recorder *r)
{
	while (r->discard.pid != 0) {
		struct pollfd ended = { r->discard.descriptor, POLLIN, 0 };

		(void)poll(&ended, 1, FINISH_MS);
		recorder_discarded(r);
	}
}
