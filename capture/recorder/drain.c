/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/drain.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sandbox.h"
#include "capture/source/raw_reader.h"

/* How often the source is looked at, while packets come and while none do; one
 * with much to give wakes us before that.  Of a flush interval a third may
 * pass before packets are written, the rest before those are flushed. */
#define LOOK_NS     (CLOCK_NS_PER_S / 3)
#define IDLE_NS     CLOCK_NS_PER_S
#define LOOK_SHARE  3
#define BUSY_FOR_NS (5 * CLOCK_NS_PER_S)
/* What comes while something is written is left for the next look unless it is
 * so much: every write wakes the disk. */
#define WORTH_BYTES ((size_t)2 << 20)
/* Orders are heard at least after so much, */
#define TURN_BYTES ((uint64_t)64 << 20)
/* and obeyed after so much: a ring, and what comes meanwhile. */
#define TAKE_BYTES ((uint64_t)1 << 30)
/* How long packets wait for the next segment before the full one grows, if half
 * the ring is not full before. */
#define PATIENCE_NS      (CLOCK_NS_PER_S / 10)
#define PATIENCE_LOOK_MS 10

struct drain {
	struct source *source;
	uint64_t segment_bytes;
	int64_t look_ns, flush_ns;
	int orders;  /* eventfd: the thread is to listen */
	int reports; /* eventfd: the recorder is to collect */
	pthread_t thread;

	/* The thread's alone. */
	struct drain_segment open;
	struct clock_map clock;
	int failing;    /* why the disk takes nothing */
	bool waiting;   /* for a segment, */
	int64_t waiting_ns; /* since then */
	bool more;      /* the turn ended before the source was empty */
	bool over;
	int64_t busy_ns;
	int64_t flushed_ns;

	pthread_mutex_t mutex; /* of what follows */
	struct drain_segment next;
	struct clock_map next_clock;
	bool clock_is_new;
	int disk; /* as the recorder or the thread said last */
	enum drain_order order;
	struct drain_report report;
};

static void
drain_signal(int descriptor)
{
	const uint64_t one = 1;

	while (write(descriptor, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void
drain_quiet(int descriptor)
{
	uint64_t count;

	while (read(descriptor, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

/* The segment ends; the last of it is left to the writer's thread. */
static void
drain_end(struct drain *d)
{
	if (d->open.number == 0)
		return;
	raw_writer_end(d->open.writer, &d->clock);
	pthread_mutex_lock(&d->mutex);
	assert(d->report.ended_count < DRAIN_ENDED_MAX);
	d->report.ended[d->report.ended_count++] = d->open;
	d->open.number = d->report.open.number = 0;
	pthread_mutex_unlock(&d->mutex);
	drain_signal(d->reports);
}

static void
drain_fail(struct drain *d, int status, const struct error *e)
{
	d->failing = status;
	pthread_mutex_lock(&d->mutex);
	d->disk = status;
	d->report.error = *e;
	d->report.error.code = status;
	pthread_mutex_unlock(&d->mutex);
	drain_end(d);
	drain_signal(d->reports);
}

/* Begins the segment that was given; false when none was. */
static bool
drain_begin(struct drain *d, uint64_t position)
{
	struct drain_segment next;
	struct error error = { 0 };
	int status;

	pthread_mutex_lock(&d->mutex);
	next = d->next;
	d->next.number = 0;
	pthread_mutex_unlock(&d->mutex);
	if (next.number == 0)
		return false;
	drain_end(d);
	d->open = next;
	d->open.opened_ns = d->flushed_ns = clock_monotonic_ns();
	d->open.opened_utc = clock_wall_ns();
	pthread_mutex_lock(&d->mutex);
	d->report.open = d->open;
	pthread_mutex_unlock(&d->mutex);
	drain_signal(d->reports);
	status = raw_writer_begin(d->open.writer, position, &d->clock, &error);
	if (status < 0)
		drain_fail(d, status, &error);
	return true;
}

/* Rather than lose packets the full segment takes more. */
static bool
drain_is_late(struct drain *d, const struct source_span *span)
{
	int64_t now_ns = clock_monotonic_ns();

	if (!d->waiting)
		d->waiting_ns = now_ns;
	return d->source->room > 0 &&
	       (span->size >= d->source->room / 2 ||
		now_ns - d->waiting_ns >= PATIENCE_NS);
}

/* Sees to it that there is a segment for the span; false: it has to wait. */
static bool
drain_prepare(struct drain *d, const struct source_span *span)
{
	bool full = d->open.number &&
		    raw_writer_size(d->open.writer) >= d->segment_bytes;

	if (d->failing)
		return true;
	if (d->open.number &&
	    raw_writer_position(d->open.writer) != span->position)
		drain_end(d);
	else if (d->open.number && !full)
		return true;
	if (drain_begin(d, span->position))
		return true;
	return d->open.number && full && drain_is_late(d, span);
}

/* The size of the records at the front of a span that reach `room` bytes. */
static size_t
drain_cut(const struct source_span *span, uint64_t room)
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
drain_fit(const struct drain *d, struct source_span *span)
{
	uint64_t limit = d->segment_bytes;
	uint64_t have = d->open.number ? raw_writer_size(d->open.writer) : 0;
	uint64_t room = have < limit ? limit - have : limit;

	if (d->source->type->format == RAW_FORMAT_RECORDS &&
	    span->size > room)
		span->size = drain_cut(span, room);
}

/* Counts the packets of a span that cannot be written. */
static void
drain_lose(struct drain *d, const struct source_span *span)
{
	struct loss loss = { .to_ns = clock_wall_ns() };
	struct raw_reader reader;
	struct raw_packet packet;

	raw_reader_init(&reader, d->source->type->format,
			bytes_make(span->data, span->size));
	loss.from_ns = loss.to_ns;
	while (raw_reader_next(&reader, &packet) > 0) {
		int64_t at = d->source->clock == RAW_CLOCK_UTC
				     ? packet.time_ns
				     : clock_map_utc(&d->clock,
						     (uint64_t)packet.time_ns);

		if (at < loss.from_ns)
			loss.from_ns = at;
		loss.packets++;
	}
	raw_reader_free(&reader);
	pthread_mutex_lock(&d->mutex);
	if (d->report.lost.packets > 0 &&
	    d->report.lost.from_ns < loss.from_ns)
		loss.from_ns = d->report.lost.from_ns;
	loss.packets += d->report.lost.packets;
	loss.cause = d->failing == ERR_NOSPACE ? LOSS_DISK_FULL
					       : LOSS_DISK_ERROR;
	d->report.lost = loss;
	pthread_mutex_unlock(&d->mutex);
}

static void
drain_put(struct drain *d, const struct source_span *span)
{
	struct error error = { 0 };
	int status;

	if (!d->failing) {
		status = raw_writer_append(d->open.writer, span->data,
					   span->size, &error);
		if (status == 0) {
			pthread_mutex_lock(&d->mutex);
			d->report.written_bytes += span->size;
			pthread_mutex_unlock(&d->mutex);
			return;
		}
		drain_fail(d, status, &error);
	}
	drain_lose(d, span);
}

/* Takes what the source has; false when it has to wait for a segment. */
static bool
drain_take(struct drain *d, enum drain_order order)
{
	const struct source_type *type = d->source->type;
	uint64_t limit = order == DRAIN_ALONG ? TURN_BYTES : TAKE_BYTES;
	uint64_t taken = 0;
	struct source_span span;

	d->more = false;
	while (type->peek(d->source, &span) && span.size > 0) {
		if (order == DRAIN_ALONG && taken > 0 && !span.more &&
		    span.size < WORTH_BYTES)
			break;
		if (!drain_prepare(d, &span))
			return false;
		drain_fit(d, &span);
		drain_put(d, &span);
		type->release(d->source, span.size);
		taken += span.size;
		d->busy_ns = clock_monotonic_ns();
		if (taken >= limit) {
			d->more = true;
			break;
		}
	}
	return true;
}

static void
drain_flush(struct drain *d)
{
	int64_t now_ns = clock_monotonic_ns();
	struct error error = { 0 };
	int status;

	if (d->open.number == 0 || now_ns - d->flushed_ns < d->flush_ns)
		return;
	d->flushed_ns = now_ns;
	status = raw_writer_flush(d->open.writer, &d->clock, &error);
	if (status < 0)
		drain_fail(d, status, &error);
}

/* How long to sleep: what comes is on disk a flush interval later. */
static int
drain_timeout(const struct drain *d)
{
	int64_t now_ns = clock_monotonic_ns();
	int64_t wait_ns = now_ns - d->busy_ns < BUSY_FOR_NS ? d->look_ns
							    : IDLE_NS;
	int64_t flush_ns = d->look_ns + d->flush_ns;

	if (d->waiting)
		return d->open.number ? PATIENCE_LOOK_MS : -1;
	if (d->more)
		return 0;
	if (d->open.number)
		flush_ns = d->flushed_ns + d->flush_ns - now_ns;
	if (wait_ns > flush_ns)
		wait_ns = flush_ns > 0 ? flush_ns : 0;
	return (int)((wait_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
}

static void
drain_wait(struct drain *d)
{
	bool deaf = d->waiting || d->over;
	struct pollfd polled[] = {
		{ d->orders, POLLIN, 0 },
		{ deaf ? -1 : d->source->type->descriptor(d->source), POLLIN,
		  0 },
	};

	if (poll(polled, 2, drain_timeout(d)) > 0 && polled[0].revents)
		drain_quiet(d->orders);
}

static enum drain_order
drain_hear(struct drain *d)
{
	enum drain_order order;

	pthread_mutex_lock(&d->mutex);
	order = d->order;
	d->failing = d->disk;
	if (d->clock_is_new)
		d->clock = d->next_clock;
	d->clock_is_new = false;
	pthread_mutex_unlock(&d->mutex);
	/* What follows what is lost belongs into another segment. */
	if (d->failing)
		drain_end(d);
	return order;
}

/* Says what is new; an order that was carried out is none any more. */
static void
drain_tell(struct drain *d, enum drain_order order, bool done)
{
	struct drain_report *r = &d->report;
	bool half = d->open.number && raw_writer_size(d->open.writer) >=
					      d->segment_bytes / 2;
	bool news, wants;

	d->waiting = !done;
	if (!d->over)
		d->over = done && !d->more &&
			  d->source->type->ended(d->source);
	pthread_mutex_lock(&d->mutex);
	wants = (half || !done) && !d->failing && d->next.number == 0;
	news = (wants && !r->wants) || (d->over && !r->over) ||
	       (done && order != DRAIN_ALONG);
	r->wants = wants;
	r->over = d->over;
	if (done)
		r->turned_ns = clock_monotonic_ns();
	if (done && order == d->order)
		d->order = DRAIN_ALONG;
	pthread_mutex_unlock(&d->mutex);
	if (news)
		drain_signal(d->reports);
}

static void *
drain_thread(void *context)
{
	struct drain *d = context;
	enum drain_order order;
	bool done;

	/* It has all it needs open; capabilities are a thread's own. */
	(void)sandbox_drop_privileges(NULL);
	do {
		drain_wait(d);
		order = drain_hear(d);
		done = drain_take(d, order);
		drain_flush(d);
		if (done && order >= DRAIN_END)
			drain_end(d);
		drain_tell(d, order, done);
	} while (!done || order != DRAIN_STOP);
	return NULL;
}

int
drain_start(const struct drain_settings *settings, struct drain **out,
	    struct error *e)
{
	struct drain *d = alloc_zero(1, sizeof(*d));
	int failed;

	d->source = settings->source;
	d->segment_bytes = settings->segment_bytes;
	d->look_ns = settings->flush_ns / LOOK_SHARE;
	d->flush_ns = settings->flush_ns - d->look_ns;
	if (d->look_ns > LOOK_NS)
		d->look_ns = LOOK_NS;
	d->clock = settings->clock;
	d->busy_ns = d->report.turned_ns = clock_monotonic_ns();
	d->orders = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->reports = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&d->mutex, NULL);
	failed = d->orders < 0 || d->reports < 0
			 ? errno
			 : pthread_create(&d->thread, NULL, drain_thread, d);
	if (failed == 0) {
		*out = d;
		return 0;
	}
	if (d->orders >= 0)
		close(d->orders);
	if (d->reports >= 0)
		close(d->reports);
	pthread_mutex_destroy(&d->mutex);
	free(d);
	return error_set_errno(e, failed, "cannot start the drain");
}

int
drain_descriptor(const struct drain *d)
{
	return d->reports;
}

void
drain_collect(struct drain *d, struct drain_report *report)
{
	drain_quiet(d->reports);
	pthread_mutex_lock(&d->mutex);
	*report = d->report;
	d->report = (struct drain_report){
		.open = report->open,
		.turned_ns = report->turned_ns,
		.wants = report->wants,
		.over = report->over,
	};
	pthread_mutex_unlock(&d->mutex);
}

void
drain_give(struct drain *d, const struct drain_segment *next)
{
	pthread_mutex_lock(&d->mutex);
	assert(d->next.number == 0);
	d->next = *next;
	d->report.wants = false;
	pthread_mutex_unlock(&d->mutex);
	drain_signal(d->orders);
}

struct drain_segment
drain_take_back(struct drain *d)
{
	struct drain_segment next;

	pthread_mutex_lock(&d->mutex);
	next = d->next;
	d->next.number = 0;
	pthread_mutex_unlock(&d->mutex);
	return next;
}

void
drain_set_disk(struct drain *d, int why)
{
	pthread_mutex_lock(&d->mutex);
	d->disk = why;
	pthread_mutex_unlock(&d->mutex);
	drain_signal(d->orders);
}

void
drain_set_clock(struct drain *d, const struct clock_map *clock)
{
	pthread_mutex_lock(&d->mutex);
	d->next_clock = *clock;
	d->clock_is_new = true;
	pthread_mutex_unlock(&d->mutex);
}

void
drain_order(struct drain *d, enum drain_order order)
{
	pthread_mutex_lock(&d->mutex);
	d->order = order;
	pthread_mutex_unlock(&d->mutex);
	drain_signal(d->orders);
}

bool
drain_is_at_it(struct drain *d)
{
	bool busy;

	pthread_mutex_lock(&d->mutex);
	busy = d->order != DRAIN_ALONG;
	pthread_mutex_unlock(&d->mutex);
	return busy;
}

void
drain_free(struct drain *d)
{
	if (!d)
		return;
	pthread_join(d->thread, NULL);
	close(d->orders);
	close(d->reports);
	pthread_mutex_destroy(&d->mutex);
	free(d);
}
