/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A k-way merge of streams by packet time.  A stream is opened when the merge
 * gets to the time of its next segment, so that captures that follow one
 * another need the buffers of one.
 *
 * Inside the sandbox nothing here may open a path: descriptors come from the
 * segment source, and input.c reads them.
 */
#include "capture/packet_reader.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/input.h"
#include "capture/link_types.h"
#include "capture/packet_observer.h"
#include "capture/pcapng.h"

/* Interfaces of one segment, over all its sections; more is damage. */
#define STREAM_INTERFACES_MAX (1u << 20)

struct stream {
	const uint32_t *order; /* the segments left, by index … */
	uint32_t count;        /* … and how many */
	uint32_t rank;         /* decides between packets of equal time */
	int64_t time_ns;       /* of `head`, or where the next segment begins */
	bool ready;            /* `head` is the next packet */
	struct packet_record head;
	struct bytes options; /* of `head` */

	int fd; /* of the segment being read, or -1 */
	uint32_t segment;
	struct input input;
	struct pcapng pcapng;
	/* Interfaces are numbered through the segment; its n-th one gets the
	 * same number in every segment of the stream. */
	uint32_t *numbers;
	uint32_t number_count;
	uint32_t number_capacity;
	uint32_t section_base; /* ordinal of the section's first interface */
	uint32_t next_ordinal;
};

struct packet_reader {
	struct packet_segment *segments;
	struct packet_segment_source source;
	struct packet_window window;
	uint32_t *order; /* segment indices, stream by stream */
	struct stream *streams;
	uint32_t stream_count;
	struct stream **heap; /* earliest first */
	uint32_t heap_size;
	uint32_t interface_count;
	struct packet_observer observer;
	struct packet_reader_stats stats; /* bytes_read: of closed segments */
};

static bool
packet_segment_overlaps(const struct packet_segment *segment,
			struct packet_window window)
{
	return segment->last_ns >= window.from_ns &&
	       segment->first_ns < window.to_ns;
}

/* Segment indices by stream, then by position. */
static int
packet_segment_compare(const void *a, const void *b, void *context)
{
	const struct packet_segment *segments = context;
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	if (segments[left].stream != segments[right].stream)
		return segments[left].stream < segments[right].stream ? -1 : 1;
	return left < right ? -1 : left > right;
}

static void
packet_reader_add_stream(struct packet_reader *r, const uint32_t *order,
			 uint32_t count)
{
	struct stream *s = &r->streams[r->stream_count];

	*s = (struct stream){
		.order = order,
		.count = count,
		.rank = r->stream_count++,
		.time_ns = r->segments[order[0]].first_ns,
		.fd = -1,
	};
}

static bool
stream_before(const struct stream *a, const struct stream *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	return a->rank < b->rank;
}

/* Restores the order of the heap below `at`. */
static void
packet_reader_sift(struct packet_reader *r, uint32_t at)
{
	struct stream *moved = r->heap[at];

	for (;;) {
		uint32_t child = at * 2 + 1;

		if (child >= r->heap_size)
			break;
		if (child + 1 < r->heap_size &&
		    stream_before(r->heap[child + 1], r->heap[child]))
			child++;
		if (!stream_before(r->heap[child], moved))
			break;
		r->heap[at] = r->heap[child];
		at = child;
	}
	r->heap[at] = moved;
}

static void
packet_reader_group(struct packet_reader *r, uint32_t count)
{
	uint32_t begin = 0;

	qsort_r(r->order, count, sizeof(*r->order), packet_segment_compare,
		r->segments);
	for (uint32_t i = 1; i <= count; i++) {
		if (i < count && r->segments[r->order[i]].stream ==
					 r->segments[r->order[begin]].stream)
			continue;
		packet_reader_add_stream(r, r->order + begin, i - begin);
		begin = i;
	}
	r->heap_size = r->stream_count;
	for (uint32_t i = 0; i < r->stream_count; i++)
		r->heap[i] = &r->streams[i];
	for (uint32_t i = r->heap_size / 2; i-- > 0;)
		packet_reader_sift(r, i);
}

struct packet_reader *
packet_reader_new(const struct packet_segment *segments, uint32_t count,
		  struct packet_window window,
		  struct packet_segment_source source)
{
	struct packet_reader *r = alloc_zero(1, sizeof(*r));
	uint32_t wanted = 0;

	r->source = source;
	r->window = window;
	r->segments = alloc_zero((size_t)count + 1, sizeof(*r->segments));
	r->order = alloc_zero((size_t)count + 1, sizeof(*r->order));
	r->streams = alloc_zero((size_t)count + 1, sizeof(*r->streams));
	r->heap = alloc_zero((size_t)count + 1, sizeof(struct stream *));
	for (uint32_t i = 0; i < count; i++) {
		r->segments[i] = segments[i];
		if (!packet_segment_overlaps(&segments[i], window))
			continue;
		r->order[wanted++] = i;
		r->stats.bytes_total += segments[i].stored_bytes;
	}
	if (wanted > 0)
		packet_reader_group(r, wanted);
	return r;
}

/* Ends the segment being read and steps to the next. */
static void
stream_close(struct packet_reader *r, struct stream *s)
{
	pcapng_free(&s->pcapng);
	input_close(&s->input);
	close(s->fd);
	s->fd = -1;
	s->ready = false;
	r->stats.bytes_read += r->segments[s->segment].stored_bytes;
}

void
packet_reader_free(struct packet_reader *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->stream_count; i++) {
		if (r->streams[i].fd >= 0)
			stream_close(r, &r->streams[i]);
		free(r->streams[i].numbers);
	}
	free(r->segments);
	free(r->order);
	free(r->streams);
	free(r->heap);
	free(r);
}

static int
stream_open(struct packet_reader *r, struct stream *s)
{
	const struct packet_segment *segment;
	int fd;

	s->segment = s->order[0];
	segment = &r->segments[s->segment];
	s->order++;
	s->count--;
	fd = r->source.open(r->source.context, s->segment);
	if (fd < 0)
		return fd;
	s->fd = fd;
	s->section_base = 0;
	s->next_ordinal = 0;
	if (input_open(&s->input, fd, NULL) < 0)
		return ERR_IO;
	input_expect_frames(&s->input, segment->frame_checks,
			    segment->frame_check_count);
	pcapng_init(&s->pcapng, &s->input);
	return 0;
}

/* Numbers the interface that `block` has just declared. */
static int
stream_add_interface(struct packet_reader *r, struct stream *s,
		     const struct pcapng_block *block)
{
	struct pcapng *p = &s->pcapng;
	struct pcapng_interface *interface =
		&p->interfaces[p->interface_count - 1];

	interface->link_type = link_type_normal(interface->link_type);
	if (s->next_ordinal == STREAM_INTERFACES_MAX)
		return ERR_CORRUPT;
	if (s->next_ordinal++ < s->number_count)
		return 0;
	if (s->number_count == s->number_capacity) {
		s->number_capacity = s->number_capacity * 2 + 8;
		s->numbers = alloc_resize(s->numbers, s->number_capacity,
					  sizeof(*s->numbers));
	}
	if (r->observer.interface)
		r->observer.interface(r->observer.context, r->interface_count,
				      block, p->big_endian);
	s->numbers[s->number_count++] = r->interface_count++;
	return 0;
}

/* What epb_flags say of the direction; most packets have no options. */
static uint8_t
stream_direction(const struct stream *s, struct bytes options)
{
	bool big = s->pcapng.big_endian;
	struct pcapng_option option;

	while (pcapng_option_next(&options, big, &option))
		if (option.code == PCAPNG_PACKET_FLAGS &&
		    option.value.size == 4)
			return pcapng_u32(option.value.data, big) % 4 %
			       (PACKET_OUTBOUND + 1);
	return PACKET_DIRECTION_UNKNOWN;
}

/* Takes in a packet block; 1 when it lies in the window, 0, or an error. */
static int
stream_take_packet(struct packet_reader *r, struct stream *s,
		   const struct pcapng_block *block)
{
	struct pcapng_packet packet;

	if (pcapng_packet(&s->pcapng, block, &packet) < 0)
		return ERR_CORRUPT;
	if (packet.time_ns < r->window.from_ns ||
	    packet.time_ns >= r->window.to_ns) {
		r->stats.packets_outside++;
		return 0;
	}
	s->time_ns = packet.time_ns;
	s->options = packet.options;
	s->head = (struct packet_record){
		.time_ns = packet.time_ns,
		.data = packet.data,
		.captured = packet.captured,
		.length = packet.length > packet.captured ? packet.length
							  : packet.captured,
		.interface = s->numbers[s->section_base + packet.interface],
		.link_type = s->pcapng.interfaces[packet.interface].link_type,
		.direction = packet.options.size > 0
				     ? stream_direction(s, packet.options)
				     : PACKET_DIRECTION_UNKNOWN,
		.segment = s->segment,
		.offset = block->offset,
	};
	return 1;
}

/* Reads to the next packet in the window: 1, 0 at the segment's end, or an
 * error. */
static int
stream_read(struct packet_reader *r, struct stream *s)
{
	struct pcapng_block block;

	for (;;) {
		int status = pcapng_next(&s->pcapng, &block);

		if (status <= 0)
			return status;
		if (pcapng_is_packet(block.type)) {
			status = stream_take_packet(r, s, &block);
			if (status != 0)
				return status;
		} else if (block.type == PCAPNG_INTERFACE) {
			if (stream_add_interface(r, s, &block) < 0)
				return ERR_CORRUPT;
		} else if (block.type == PCAPNG_SECTION) {
			s->section_base = s->next_ordinal;
		} else if (r->observer.block) {
			r->observer.block(r->observer.context, &block,
					  s->pcapng.big_endian);
		}
	}
}

/* Goes on to the stream's next packet, or to where its next segment begins.
 * 1, 0 when it has ended, or an error. */
static int
stream_advance(struct packet_reader *r, struct stream *s)
{
	int status;

	if (s->fd < 0) {
		status = stream_open(r, s);
		if (status < 0)
			return status;
	}
	status = stream_read(r, s);
	s->ready = status > 0;
	if (s->ready)
		return 1;
	if (status == ERR_IO)
		return status;
	r->stats.damaged_segments += status < 0;
	stream_close(r, s);
	if (s->count == 0)
		return 0;
	s->time_ns = r->segments[s->order[0]].first_ns;
	return 1;
}

int
packet_reader_next(struct packet_reader *r, struct packet_record *packet)
{
	while (r->heap_size > 0) {
		struct stream *s = r->heap[0];
		int status;

		if (s->ready) {
			*packet = s->head;
			s->ready = false;
			r->stats.packets++;
			return 1;
		}
		status = stream_advance(r, s);
		if (status < 0)
			return status;
		if (status == 0) {
			r->heap[0] = r->heap[--r->heap_size];
			free(s->numbers);
			s->numbers = NULL;
			s->number_count = s->number_capacity = 0;
		}
		if (r->heap_size > 1)
			packet_reader_sift(r, 0);
	}
	return 0;
}

struct packet_reader_stats
packet_reader_stats(const struct packet_reader *r)
{
	struct packet_reader_stats stats = r->stats;

	for (uint32_t i = 0; i < r->stream_count; i++)
		if (r->streams[i].fd >= 0)
			stats.bytes_read += r->streams[i].input.stored;
	return stats;
}

void
packet_reader_observe(struct packet_reader *r, struct packet_observer observer)
{
	r->observer = observer;
}

uint32_t
packet_reader_stream(const struct packet_reader *r)
{
	return r->segments[r->heap[0]->segment].stream;
}

struct bytes
packet_reader_options(const struct packet_reader *r, bool *big_endian)
{
	/* The stream that gave the packet stays on top until the next one. */
	const struct stream *s = r->heap[0];

	*big_endian = s->pcapng.big_endian;
	return s->options;
}
