/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/ring_pair.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* How long the large ring is kept to after it was needed: going from one to the
 * other ends a segment. */
#define FAR_NS (10 * CLOCK_NS_PER_S)
/* How long what is being written into the ring that was left is waited for: a
 * copy takes microseconds, unless its processor does something else first. */
#define BUSY_NS    (CLOCK_NS_PER_MS / 10)
#define BUSY_LOOKS 500
/* Added to positions in the large one; a multiple of any ring's size. */
#define FAR_POSITION (UINT64_C(1) << 62)

static uint32_t
choice_load(const struct ring_pair *p)
{
	const void *word = &p->choice->far;

	return atomic_load_explicit((const _Atomic uint32_t *)word,
				    memory_order_acquire);
}

static void
choice_store(struct ring_pair *p, uint32_t far)
{
	void *word = &p->choice->far;

	atomic_store_explicit((_Atomic uint32_t *)word, far,
			      memory_order_release);
}

int
ring_pair_map(struct ring_pair *p, const struct ring_pair_maps *maps,
	      struct error *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int status;

	memset(p, 0, sizeof(*p));
	p->reading = &p->far;
	status = ring_map(&p->far, maps->far, maps->far_bytes, e);
	if (status < 0 || maps->near < 0)
		return status;
	status = ring_map(&p->near, maps->near, maps->near_bytes, e);
	if (status < 0)
		return status;
	p->choice = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED,
			 maps->choice, 0);
	if (p->choice == MAP_FAILED) {
		p->choice = NULL;
		return error_set_errno(e, errno, "mapping the choice of rings");
	}
	return 0;
}

void
ring_pair_close(struct ring_pair *p)
{
	if (p->choice)
		munmap(p->choice, (size_t)sysconf(_SC_PAGESIZE));
	ring_close(&p->near);
	ring_close(&p->far);
	memset(p, 0, sizeof(*p));
}

/* Sends packets back to the small ring when it has been enough for a while. */
static void
pair_return(struct ring_pair *p, int64_t now_ns)
{
	if (p->far_ns == 0 || ring_waiting(&p->far) > p->near.size / 2)
		p->far_ns = now_ns;
	if (now_ns - p->far_ns < FAR_NS)
		return;
	p->far_ns = 0;
	choice_store(p, 0);
}

static bool
pair_try(struct ring_pair *p, struct ring *ring, struct source_span *span)
{
	if (!ring_peek(ring, span))
		return false;
	p->reading = ring;
	if (ring == &p->far)
		span->position += FAR_POSITION;
	return true;
}

/* The ring that was left, to its end: what a record that is still being written
 * keeps back is older than what the other one has. */
static bool
pair_finish(struct ring_pair *p, struct ring *left, struct source_span *span)
{
	const struct timespec pause = { .tv_nsec = BUSY_NS };

	for (int i = 0; i < BUSY_LOOKS; i++) {
		if (pair_try(p, left, span))
			return true;
		if (ring_waiting(left) == 0)
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

bool
ring_pair_peek(struct ring_pair *p, int64_t now_ns, struct source_span *span)
{
	bool far;

	if (!p->choice)
		return ring_peek(&p->far, span);
	far = choice_load(p) != 0;
	if (pair_finish(p, far ? &p->near : &p->far, span))
		return true;
	if (far)
		pair_return(p, now_ns);
	return pair_try(p, far ? &p->far : &p->near, span);
}

void
ring_pair_release(struct ring_pair *p, size_t size)
{
	ring_release(p->reading, size);
}
