/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture file in place of a network: its packets as records in a ring of
 * our own, as fast as they are taken or at the pace of the file.
 *
 * At a pace, packets happen now: their times are shifted to when they are
 * given.  Without one they keep the times of the file.
 */
#include "capture/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/capture_file.h"
#include "capture/source/raw_record.h"
#include "capture/source/ring.h"

/* Packets put into the ring by one look, so that a look does not last. */
#define PACKETS_PER_LOOK 65536

/* Room for the largest packet. */
#define RING_LEAST (2 * (size_t)RAW_PACKET_MAX)

struct replay_interface {
	uint16_t link_type;
	char *name;
	uint64_t packets;
};

struct replay_source {
	struct source source; /* first: this is one */
	pthread_mutex_t mutex; /* of all that changes: who reads puts packets
				* into the ring, others ask what there was */
	struct ring ring;
	struct capture_file file;
	char *path;
	char *filter;
	int fd;
	int wake;             /* a timer: readable while there is more */
	double speed;         /* 0: as fast as it can be taken */
	uint32_t snaplen;
	struct replay_interface *interfaces; /* of all sections */
	size_t interface_count;
	size_t section;       /* the first interface of the current section */
	struct capture_event event;
	bool pending;         /* the event is a packet not yet in the ring */
	bool finished;        /* nothing more comes out of the file */
	struct error problem; /* why it ended early */
	bool told;
	int64_t first_ns;     /* of the file; -1 before its first packet */
	int64_t last_ns;
	int64_t start_ns;     /* CLOCK_MONOTONIC at the first packet */
	struct source_counts counts;
};

/* Not const: it takes the lock. */
static struct replay_source *
replay_of(const struct source *source)
{
	return (struct replay_source *)(uintptr_t)source;
}

static void
replay_close(struct source *source)
{
	struct replay_source *s = (struct replay_source *)source;

	capture_file_close(&s->file);
	ring_close(&s->ring);
	if (s->fd >= 0)
		close(s->fd);
	if (s->wake >= 0)
		close(s->wake);
	for (size_t i = 0; i < s->interface_count; i++)
		free(s->interfaces[i].name);
	free(s->interfaces);
	free(s->path);
	free(s->filter);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

static int
replay_start(struct replay_source *s, const struct source_options *options,
	     struct error *e)
{
	/* Always due: whoever waits looks again. */
	const struct itimerspec due = { .it_value = { .tv_nsec = 1 } };
	size_t bytes = 0;
	int status = ring_size(options->ring_bytes, &bytes, e);

	if (status == 0 && bytes < RING_LEAST)
		status = error_set(e, ERR_INVALID,
				   "to replay, the ring must have at least "
				   "1MiB");
	if (status == 0)
		status = ring_create(&s->ring, bytes, e);
	if (status < 0)
		return status;
	s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0)
		return error_set_errno(e, errno, "opening %s", s->path);
	status = capture_file_open(&s->file, s->fd, s->path, NULL, e);
	if (status < 0)
		return status;
	s->wake = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->wake < 0 ||
	    (s->speed == 0 && timerfd_settime(s->wake, 0, &due, NULL) < 0))
		return error_set_errno(e, errno, "making a timer");
	return 0;
}

static int
replay_open(const struct source_options *options, struct source **out,
	    struct error *e)
{
	struct replay_source *s = alloc_zero(1, sizeof *s);
	int status;

	pthread_mutex_init(&s->mutex, NULL);
	s->source.type = &source_replay;
	s->fd = s->wake = -1;
	s->first_ns = -1;
	s->speed = options->replay_speed > 0 ? options->replay_speed : 0;
	s->source.clock = s->speed > 0 ? RAW_CLOCK_MONOTONIC : RAW_CLOCK_UTC;
	if (options->filter && options->filter[0])
		s->filter = alloc_string(options->filter);
	s->source.recorder_filter = s->filter;
	s->snaplen = options->snaplen && options->snaplen < RAW_PACKET_MAX ?
			     options->snaplen :
			     RAW_PACKET_MAX;
	s->path = alloc_string(options->replay_file ? options->replay_file :
						      "");
	status = replay_start(s, options, e);
	if (status < 0) {
		replay_close(&s->source);
		return status;
	}
	*out = &s->source;
	return 0;
}

static int
replay_descriptor(const struct source *source)
{
	return ((const struct replay_source *)source)->wake;
}

static void
replay_add_interface(struct replay_source *s, const struct capture_event *event)
{
	struct bytes options = event->options;
	struct pcapng_option option;
	struct replay_interface *added;

	s->interfaces = alloc_resize(s->interfaces, s->interface_count + 1,
				     sizeof *s->interfaces);
	added = &s->interfaces[s->interface_count++];
	memset(added, 0, sizeof *added);
	added->link_type = event->interface.link_type;
	while (pcapng_option_next(&options, event->big_endian, &option))
		if (option.code == 2 && !added->name && option.value.size < 256)
			added->name = alloc_string_n(option.value.data,
						     option.value.size);
}

static void
replay_finish(struct replay_source *s, int status)
{
	s->finished = true;
	if (status < 0)
		error_set(&s->problem, status,
			  "%s was read up to byte %llu: %s", s->path,
			  (unsigned long long)capture_file_offset(&s->file),
			  capture_file_problem(&s->file) ?
				  capture_file_problem(&s->file) :
				  err_text(status));
}

/* Makes s->event the next packet; false when there is none. */
static bool
replay_next(struct replay_source *s)
{
	while (!s->pending && !s->finished) {
		int got = capture_file_next(&s->file, &s->event);

		if (got <= 0)
			replay_finish(s, got);
		else if (s->event.kind == CAPTURE_EVENT_SECTION)
			s->section = s->interface_count;
		else if (s->event.kind == CAPTURE_EVENT_INTERFACE)
			replay_add_interface(s, &s->event);
		else if (s->event.kind == CAPTURE_EVENT_PACKET)
			s->pending = true;
	}
	return s->pending;
}

/* Nanoseconds of the file between its first packet and this one. */
static int64_t
replay_elapsed(struct replay_source *s)
{
	const struct pcapng_packet *p = &s->event.packet;

	if (p->timed)
		s->last_ns = p->time_ns;
	if (s->first_ns < 0) {
		s->first_ns = s->last_ns;
		s->start_ns = clock_monotonic_ns();
	}
	return s->last_ns > s->first_ns ? s->last_ns - s->first_ns : 0;
}

/* When the pending packet is due, on the source's clock. */
static int64_t
replay_time(struct replay_source *s)
{
	int64_t elapsed = replay_elapsed(s);

	if (s->speed == 0)
		return s->last_ns;
	return s->start_ns + (int64_t)((double)elapsed / s->speed);
}

/* EPB flags: the lowest two bits are the direction. */
static uint8_t
replay_direction(const struct replay_source *s)
{
	const struct capture_event *event = &s->event;
	struct bytes options = event->packet.options;
	struct pcapng_option option;

	if (!s->file.is_pcapng || event->block.type != PCAPNG_ENHANCED_PACKET)
		return RAW_DIRECTION_UNKNOWN;
	while (pcapng_option_next(&options, event->big_endian, &option))
		if (option.code == PCAPNG_PACKET_FLAGS &&
		    option.value.size == 4)
			return pcapng_u32(option.value.data,
					  event->big_endian) % 4 % 3;
	return RAW_DIRECTION_UNKNOWN;
}

/* Puts the pending packet into the ring; false when there is no room. */
static bool
replay_put(struct replay_source *s, int64_t time_ns)
{
	const struct pcapng_packet *p = &s->event.packet;
	struct raw_record record = {
		.time_ns = time_ns > 0 ? (uint64_t)time_ns : 0,
		.captured = p->captured < s->snaplen ? p->captured :
						       s->snaplen,
		.length = p->length,
		.ifindex = (uint32_t)(s->section + p->interface + 1),
		.direction = replay_direction(s),
		.kind = RAW_PACKET,
	};
	uint8_t *room = ring_reserve(
		&s->ring, (uint32_t)sizeof record + record.captured);

	if (!room)
		return false;
	memcpy(room, &record, sizeof record);
	if (record.captured)
		memcpy(room + sizeof record, p->data, record.captured);
	ring_commit(&s->ring, room);
	s->counts.seen_packets++;
	s->counts.seen_bytes += p->length;
	s->counts.captured_packets++;
	s->counts.cut_packets += record.captured < p->captured;
	s->interfaces[record.ifindex - 1].packets++;
	s->pending = false;
	return true;
}

/* Wakes the reader when the pending packet is due. */
static void
replay_wait(struct replay_source *s, int64_t due_ns)
{
	const struct itimerspec due = {
		.it_value = { .tv_sec = due_ns / CLOCK_NS_PER_S,
			      .tv_nsec = due_ns % CLOCK_NS_PER_S },
	};

	timerfd_settime(s->wake, TFD_TIMER_ABSTIME, &due, NULL);
}

static void
replay_fill(struct replay_source *s)
{
	int64_t now = clock_monotonic_ns();

	for (int i = 0; i < PACKETS_PER_LOOK && replay_next(s); i++) {
		int64_t time_ns = replay_time(s);

		if (s->speed > 0 && time_ns > now) {
			replay_wait(s, time_ns);
			return;
		}
		if (!replay_put(s, time_ns))
			return;
	}
}

static bool
replay_peek(struct source *source, struct source_span *span)
{
	struct replay_source *s = (struct replay_source *)source;
	bool some;

	pthread_mutex_lock(&s->mutex);
	replay_fill(s);
	some = ring_peek(&s->ring, span);
	pthread_mutex_unlock(&s->mutex);
	return some;
}

static void
replay_release(struct source *source, size_t size)
{
	ring_release(&((struct replay_source *)source)->ring, size);
}

static void
replay_counts(const struct source *source, struct source_counts *counts)
{
	struct replay_source *s = replay_of(source);

	pthread_mutex_lock(&s->mutex);
	*counts = s->counts;
	pthread_mutex_unlock(&s->mutex);
}

/* Tells once that the file was damaged. */
static int
replay_refresh(struct source *source, struct error *e)
{
	struct replay_source *s = (struct replay_source *)source;
	int status = 0;

	pthread_mutex_lock(&s->mutex);
	if (s->problem.code && !s->told) {
		s->told = true;
		status = s->problem.code;
		if (e)
			*e = s->problem;
	}
	pthread_mutex_unlock(&s->mutex);
	return status;
}

static bool
replay_ended(const struct source *source)
{
	const struct replay_source *s = (const struct replay_source *)source;
	struct ring copy = s->ring; /* to look without taking */
	struct source_span span;

	return s->finished && !s->pending && !ring_peek(&copy, &span);
}

static json_t *
replay_describe(const struct source *source)
{
	struct replay_source *s = replay_of(source);
	json_t *interfaces = json_array();
	json_t *out = json_pack("{s:s, s:s, s:s, s:[], s:o}", "source",
				"replay", "mechanism",
				s->speed > 0 ? "a file at a pace" : "a file",
				"file", s->path, "degraded", "interfaces",
				interfaces);

	pthread_mutex_lock(&s->mutex);
	for (size_t i = 0; i < s->interface_count; i++) {
		const struct replay_interface *each = &s->interfaces[i];
		json_t *one = json_pack(
			"{s:I, s:I, s:i, s:I, s:I, s:I}", "ifindex",
			(json_int_t)i + 1, "netns", (json_int_t)0, "link_type",
			(int)each->link_type, "seen", (json_int_t)each->packets,
			"lost", (json_int_t)0, "unseen_ns", (json_int_t)0);

		if (each->name && json_string(each->name))
			json_object_set_new(one, "name",
					    json_string(each->name));
		json_array_append_new(interfaces, one);
	}
	if (s->problem.code)
		json_object_set_new(out, "problem",
				    json_string(s->problem.text));
	pthread_mutex_unlock(&s->mutex);
	if (s->source.recorder_filter)
		json_object_set_new(out, "filter",
				    json_pack("{s:s, s:s}", "expression",
					      s->source.recorder_filter,
					      "where", "recorder"));
	return out;
}

const struct source_type source_replay = {
	.name = "replay",
	.format = RAW_FORMAT_RECORDS,
	.open = replay_open,
	.descriptor = replay_descriptor,
	.peek = replay_peek,
	.release = replay_release,
	.ended = replay_ended,
	.watch = source_unwatched,
	.counts = replay_counts,
	.refresh = replay_refresh,
	.describe = replay_describe,
	.close = replay_close,
};
