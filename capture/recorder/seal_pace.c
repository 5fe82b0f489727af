/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal_pace.h"

#include "base/clock.h"

void
seal_pace_note(struct seal_pace *p, uint64_t bytes, int64_t now_ns)
{
	int64_t passed_ns = now_ns - p->since_ns;

	/* Said as soon as it is certain, taken back after a whole second. */
	if (bytes - p->since_bytes > SEAL_PACE_BUSY &&
	    passed_ns <= CLOCK_NS_PER_S)
		p->busy = true;
	else if (passed_ns >= CLOCK_NS_PER_S)
		p->busy = (bytes - p->since_bytes) /
				  (uint64_t)(passed_ns / CLOCK_NS_PER_S) >
			  SEAL_PACE_BUSY;
	if (passed_ns < CLOCK_NS_PER_S)
		return;
	p->since_ns = now_ns;
	p->since_bytes = bytes;
}

static bool
seal_pace_reaches(const struct seal_backlog *b, unsigned times)
{
	uint64_t most = SEAL_PACE_BYTES;

	if (b->quota && most > b->quota / 4)
		most = b->quota / 4;
	return b->segments >= times * SEAL_PACE_SEGMENTS ||
	       b->segments * b->segment_bytes >= times * most;
}

enum seal_pace_answer
seal_pace_ask(const struct seal_pace *p, const struct seal_backlog *b)
{
	if (b->awaited || b->short_of_disk || seal_pace_reaches(b, 2))
		return SEAL_PACE_HURRY;
	if (!p->busy)
		return b->segments >= SEAL_PACE_BEHIND ? SEAL_PACE_HURRY
						       : SEAL_PACE_IDLE;
	return seal_pace_reaches(b, 1) ? SEAL_PACE_IDLE : SEAL_PACE_WAIT;
}
