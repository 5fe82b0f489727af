/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/bpf_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "capture/source/degraded.h"
#include "capture/source/filter_program.h"

/* Verdicts, as in capture/bpf/packet.bpf.h. */
#define CGROUP_PASS 1
#define INTERFACE_PASS (-1)

/* Of the small ring in front of one that is not smaller than the default: what
 * a processor's last cache holds. */
#define NEAR_BYTES ((size_t)16 << 20)

#define QUIET_NS (600 * CLOCK_NS_PER_S)

/* When a place was last seen to have had a packet. */
struct place_quiet {
	uint64_t seen;
	int64_t since_ns;
};

void
bpf_source_begin(struct bpf_source *s, const struct source_type *type,
		 const struct source_options *options)
{
	s->source.type = type;
	s->source.clock = RAW_CLOCK_MONOTONIC;
	s->wake = -1;
	s->degraded = json_array();
	s->filter_in_kernel = true;
	s->quiet = map_new(sizeof(struct packet_place),
			   sizeof(struct place_quiet), PACKET_PLACES_MAX);
	if (options->filter && options->filter[0])
		s->filter = alloc_string(options->filter);
}

void
bpf_source_end(struct bpf_source *s)
{
	ring_pair_close(&s->rings);
	packet_program_close(&s->program);
	if (s->wake >= 0)
		close(s->wake);
	json_decref(s->degraded);
	map_free(s->quiet);
	free(s->filter);
}

static int
bpf_source_map(struct bpf_source *s, const struct packet_program_options *load,
	       struct error *e)
{
	/* Once per wake-up of the ring, not as long as there is something. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	const struct packet_program *p = &s->program;
	const struct ring_pair_maps maps = {
		.far = p->ring,
		.near = p->near,
		.choice = p->choice,
		.far_bytes = load->ring_bytes,
		.near_bytes = load->near_bytes,
	};
	int status = ring_pair_map(&s->rings, &maps, e);

	if (status < 0)
		return status;
	s->source.room = p->near < 0 ? load->ring_bytes : load->near_bytes;
	s->wake = epoll_create1(EPOLL_CLOEXEC);
	if (s->wake < 0 ||
	    epoll_ctl(s->wake, EPOLL_CTL_ADD, p->ring, &event) < 0 ||
	    (p->near >= 0 &&
	     epoll_ctl(s->wake, EPOLL_CTL_ADD, p->near, &event) < 0))
		return error_set_errno(e, errno, "watching the packet ring");
	return 0;
}

int
bpf_source_load(struct bpf_source *s, struct packet_program_options *load,
		const struct source_options *options, struct error *e)
{
	int status;

	status = ring_size(options->ring_bytes, &load->ring_bytes, e);
	if (status < 0)
		return status;
	if (load->ring_bytes >= RING_BYTES_DEFAULT)
		load->near_bytes = NEAR_BYTES;
	load->snaplen = options->snaplen;
	load->fixed_sizes = options->avoid & SOURCE_AVOID_DYNPTR;
	status = packet_program_load(load, NULL, s->degraded, &s->program, e);
	if (status < 0)
		return status;
	status = bpf_source_map(s, load, e);
	if (status < 0)
		return status;
	if (s->filter && (options->avoid & SOURCE_AVOID_FILTER ||
			  filter_needs_tags(s->filter))) {
		s->filter_in_kernel = false;
		s->source.recorder_filter = s->filter;
	}
	return 0;
}

static struct filter_target
filter_target(const struct bpf_source *s, bool ingress,
	      const struct packet_program *which)
{
	bool cgroup = s->source.type == &source_cgroup;

	return (struct filter_target){
		.type = cgroup ? BPF_PROG_TYPE_CGROUP_SKB :
				 BPF_PROG_TYPE_SCHED_CLS,
		.attach = cgroup && !ingress ? BPF_CGROUP_INET_EGRESS :
					       BPF_CGROUP_INET_INGRESS,
		.pass = cgroup ? CGROUP_PASS : INTERFACE_PASS,
		.capture = ingress ? which->ingress : which->egress,
		.totals = s->program.totals,
	};
}

int
bpf_source_filter(struct bpf_source *s, uint16_t link_type, bool ingress,
		  const struct packet_program *which,
		  struct bpf_filter_program *filter, struct error *e)
{
	struct filter_target target = filter_target(s, ingress, which);
	struct filter code;
	struct error why;
	int status;

	filter->program = filter->array = -1;
	if (!s->filter || !s->filter_in_kernel)
		return 0;
	status = filter_compile(s->filter, link_type, &code, e);
	if (status < 0)
		return status;
	status = filter_load(&code, &target, &filter->program, &filter->array,
			     &why);
	filter_free(&code);
	if (status < 0) {
		s->filter_in_kernel = false;
		s->source.recorder_filter = s->filter;
		degraded_add(s->degraded, "filter in the kernel",
			     "%s; the recorder filters", why.text);
	}
	return 0;
}

int
bpf_source_filter_none(struct bpf_source *s, bool ingress,
		       const struct packet_program *which,
		       struct bpf_filter_program *filter, struct error *e)
{
	struct filter_target target = filter_target(s, ingress, which);
	struct filter_code nothing = { .code = 6 }; /* return 0 */

	return filter_load(&(struct filter){ &nothing, 1 }, &target,
			   &filter->program, &filter->array, e);
}

void
bpf_filter_program_close(struct bpf_filter_program *filter)
{
	if (filter->program >= 0)
		close(filter->program);
	if (filter->array >= 0)
		close(filter->array);
	filter->program = filter->array = -1;
}

int
bpf_source_descriptor(const struct source *source)
{
	return ((const struct bpf_source *)source)->wake;
}

bool
bpf_source_peek(struct source *source, struct source_span *span)
{
	struct bpf_source *s = (struct bpf_source *)source;
	struct epoll_event event;

	/* Takes note of wake-ups, so that the descriptor gets quiet. */
	while (epoll_wait(s->wake, &event, 1, 0) > 0)
		;
	return ring_pair_peek(&s->rings, clock_monotonic_ns(), span);
}

void
bpf_source_release(struct source *source, size_t size)
{
	ring_pair_release(&((struct bpf_source *)source)->rings, size);
}

void
bpf_source_counts(const struct source *source, struct source_counts *counts)
{
	packet_program_counts(&((const struct bpf_source *)source)->program,
			      counts);
}

size_t
bpf_source_prune(struct bpf_source *s, const struct packet_place_counts *list,
		 size_t count, bpf_source_alive *alive)
{
	int64_t now_ns = clock_monotonic_ns();
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool added;
		struct place_quiet *quiet =
			map_put(s->quiet, &list[i].place, &added);

		if (!quiet)
			continue;
		/* One may be there before its first packet is counted. */
		if (added || quiet->seen != list[i].counts.seen) {
			quiet->seen = list[i].counts.seen;
			quiet->since_ns = now_ns;
		}
		if (now_ns - quiet->since_ns < QUIET_NS)
			continue;
		if (alive(&s->source, &list[i].place)) {
			kept++;
			continue;
		}
		packet_program_forget(&s->program, &list[i].place);
		map_remove(s->quiet, &list[i].place);
	}
	return kept;
}

bool
bpf_source_ended(const struct source *source)
{
	(void)source;
	return false;
}

json_t *
bpf_source_describe(const struct bpf_source *s, const char *mechanism)
{
	json_t *out = json_pack("{s:s, s:s, s:I, s:O}", "source",
				s->source.type->name, "mechanism", mechanism,
				"ring_bytes",
				(json_int_t)(s->rings.far.size +
					     s->rings.near.size),
				"degraded", s->degraded);

	if (s->filter)
		json_object_set_new(
			out, "filter",
			json_pack("{s:s, s:s}", "expression", s->filter,
				  "where", s->filter_in_kernel ? "kernel" :
								 "recorder"));
	return out;
}
