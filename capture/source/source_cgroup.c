/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BPF on the cgroup2 root: one attachment sees the packets of every socket of
 * the node, in all network namespaces, with the socket's cookie and cgroup.
 * It does not see what no socket here sends or receives (forwarded traffic,
 * ARP), nor link-layer headers.
 */
#include "capture/source/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/link_types.h"
#include "capture/source/bpf_source.h"
#include "capture/source/degraded.h"
#include "capture/source/kernel.h"
#include "capture/source/namespace.h"
#include "capture/source/place_names.h"

/* All of /proc is walked for names, so not whenever a place turns up. */
#define NAMES_NS (10 * CLOCK_NS_PER_S)
/* While only quiet places may be gone. */
#define QUIET_NAMES_NS (600 * CLOCK_NS_PER_S)
/* How often it is asked whether there are new places. */
#define PLACES_NS (5 * CLOCK_NS_PER_S)

struct cgroup_source {
	struct bpf_source bpf; /* first: this is one */
	int cgroup;            /* the directory */
	char *path;
	int links[2];          /* ingress, egress */
	struct bpf_filter_program filters[2];
	struct place_names *names;
	bool loopback_once;    /* all senders are seen */
	size_t named_places;   /* places there were when names were read */
	int64_t named_ns;      /* when */
	int64_t asked_ns;      /* when places were counted */
};

static void
cgroup_close(struct source *source)
{
	struct cgroup_source *s = (struct cgroup_source *)source;

	for (int i = 0; i < 2; i++) {
		if (s->links[i] >= 0)
			close(s->links[i]);
		bpf_filter_program_close(&s->filters[i]);
	}
	if (s->cgroup >= 0)
		close(s->cgroup);
	place_names_free(s->names);
	bpf_source_end(&s->bpf);
	free(s->path);
	free(s);
}

static int
cgroup_find(struct cgroup_source *s, const struct source_options *options,
	    struct error *e)
{
	bool whole = true;

	s->loopback_once = false;
	if (options->cgroup) {
		s->path = alloc_string(options->cgroup);
		s->cgroup = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (s->cgroup < 0)
			return error_set_errno(e, errno, "the cgroup %s",
					       s->path);
		return 0;
	}
	s->cgroup = kernel_cgroup_root(&s->path, &whole, e);
	if (s->cgroup < 0)
		return s->cgroup == ERR_NOTFOUND ? ERR_UNSUPPORTED : s->cgroup;
	s->loopback_once = whole;
	if (!whole)
		degraded_add(s->bpf.degraded, "the whole node",
			     "this is a cgroup namespace: only sockets of %s "
			     "and below are seen; run outside the container, "
			     "or with its cgroup namespace set to the host's",
			     s->path);
	return 0;
}

static int
cookie_of(void *context)
{
	*(uint64_t *)context = namespace_cookie();
	return 0;
}

/* The cookies of the namespaces that are wanted; none: all. */
static int
cgroup_namespaces(const struct source_options *options,
		  uint64_t cookies[PACKET_NAMESPACES_MAX], struct error *e)
{
	if (options->namespace_count > PACKET_NAMESPACES_MAX)
		return error_set(e, ERR_LIMIT,
				 "at most %d network namespaces can be "
				 "chosen; without a choice all are captured",
				 PACKET_NAMESPACES_MAX);
	for (size_t i = 0; i < options->namespace_count; i++) {
		int fd = namespace_open(options->namespaces[i], e);
		int status;

		if (fd < 0)
			return fd;
		status = namespace_run(fd, cookie_of, &cookies[i], e);
		close(fd);
		if (status < 0)
			return status;
	}
	return 0;
}

static int
cgroup_attach(struct cgroup_source *s, bool egress, struct error *e)
{
	const struct packet_program *p = &s->bpf.program;
	int program = s->filters[egress].program;

	if (program < 0)
		program = egress ? p->egress : p->ingress;
	s->links[egress] = bpf_link_create(program, s->cgroup,
					   egress ? BPF_CGROUP_INET_EGRESS :
						    BPF_CGROUP_INET_INGRESS,
					   NULL);
	if (s->links[egress] < 0) {
		char *what = alloc_format("a packet program on the cgroup %s",
					  s->path);
		int status = kernel_explain(e, errno, "", what);

		free(what);
		return status;
	}
	return 0;
}

static int
cgroup_start(struct cgroup_source *s, const struct source_options *options,
	     struct error *e)
{
	uint64_t cookies[PACKET_NAMESPACES_MAX];
	struct packet_program_options load = {
		.namespaces = cookies,
		.namespace_count = (uint32_t)options->namespace_count,
	};
	int status = cgroup_find(s, options, e);

	load.loopback_once = s->loopback_once;
	if (status == 0)
		status = cgroup_namespaces(options, cookies, e);
	if (status == 0)
		status = bpf_source_load(&s->bpf, &load, options, e);
	if (status == 0 && options->namespace_count &&
	    !s->bpf.program.netns_known)
		status = error_set(e, ERR_UNSUPPORTED,
				   "this kernel cannot choose packets by "
				   "network namespace here; capture by "
				   "interface instead");
	for (int i = 0; i < 2 && status == 0; i++)
		status = bpf_source_filter(&s->bpf, LINK_TYPE_RAW, i == 0,
					   &s->bpf.program, &s->filters[i], e);
	for (int i = 0; i < 2 && status == 0; i++)
		status = cgroup_attach(s, i == 1, e);
	/* Now, because the right to enter them is given up after this. */
	if (status == 0)
		place_names_refresh(s->names);
	return status;
}

static int
cgroup_open(const struct source_options *options, struct source **out,
	    struct error *e)
{
	struct cgroup_source *s = alloc_zero(1, sizeof *s);
	int status;

	s->cgroup = s->links[0] = s->links[1] = -1;
	for (int i = 0; i < 2; i++)
		s->filters[i] = (struct bpf_filter_program){ -1, -1 };
	s->names = place_names_new();
	bpf_source_begin(&s->bpf, &source_cgroup, options);
	status = cgroup_start(s, options, e);
	if (status < 0) {
		cgroup_close(&s->bpf.source);
		return status;
	}
	*out = &s->bpf.source;
	return 0;
}

static bool
cgroup_is_alive(const struct source *source, const struct packet_place *place)
{
	const struct cgroup_source *s = (const struct cgroup_source *)source;

	return place_names_find(s->names, place->netns, place->ifindex);
}

/* Names are read when there is a place that may have none, or that may be
 * gone. */
static int
cgroup_refresh(struct source *source, struct error *e)
{
	struct cgroup_source *s = (struct cgroup_source *)source;
	struct packet_place_counts *list;
	int64_t now = clock_monotonic_ns();
	size_t count, quiet;

	(void)e;
	if (now - s->asked_ns < PLACES_NS)
		return 0;
	s->asked_ns = now;
	count = packet_program_places(&s->bpf.program, &list);
	quiet = bpf_source_prune(&s->bpf, list, count, cgroup_is_alive);
	free(list);
	if (count == s->named_places &&
	    (quiet == 0 || now - s->named_ns < QUIET_NAMES_NS))
		return 0;
	if (now - s->named_ns < NAMES_NS)
		return 0;
	s->named_places = count;
	s->named_ns = now;
	place_names_refresh(s->names);
	return 0;
}

static json_t *
cgroup_describe_place(const struct cgroup_source *s,
		      const struct packet_place_counts *place)
{
	const struct place_name *name = place_names_find(
		s->names, place->place.netns, place->place.ifindex);
	json_t *out = json_pack(
		"{s:I, s:I, s:i, s:I, s:I, s:I, s:I}", "ifindex",
		(json_int_t)place->place.ifindex, "netns",
		(json_int_t)place->place.netns, "link_type", LINK_TYPE_RAW,
		"seen", (json_int_t)place->counts.seen, "lost",
		(json_int_t)(place->counts.lost_ring +
			     place->counts.lost_errors),
		"lost_errors", (json_int_t)place->counts.lost_errors,
		"unseen_ns", (json_int_t)0);

	if (name)
		json_object_set_new(out, "name", json_string(name->interface));
	if (name && name->inode)
		json_object_set_new(out, "netns_inode",
				    json_integer((json_int_t)name->inode));
	if (name && name->netns[0])
		json_object_set_new(out, "netns_name",
				    json_string(name->netns));
	return out;
}

static json_t *
cgroup_describe(const struct source *source)
{
	const struct cgroup_source *s = (const struct cgroup_source *)source;
	json_t *out = bpf_source_describe(&s->bpf,
					  s->bpf.program.fixed_sizes ?
						  "cgroup_skb, ring buffer" :
						  "cgroup_skb, ring buffer, "
						  "exact records");
	json_t *interfaces = json_array();
	struct packet_place_counts *list;
	size_t count = packet_program_places(&s->bpf.program, &list);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(interfaces,
				      cgroup_describe_place(s, &list[i]));
	free(list);
	json_object_set_new(out, "interfaces", interfaces);
	json_object_set_new(out, "cgroup", json_string(s->path));
	if (s->loopback_once)
		json_object_set_new(out, "loopback", json_string("egress"));
	return out;
}

const struct source_type source_cgroup = {
	.name = "cgroup",
	.format = RAW_FORMAT_RECORDS,
	.open = cgroup_open,
	.descriptor = bpf_source_descriptor,
	.peek = bpf_source_peek,
	.release = bpf_source_release,
	.ended = bpf_source_ended,
	.watch = source_unwatched,
	.counts = bpf_source_counts,
	.refresh = cgroup_refresh,
	.describe = cgroup_describe,
	.close = cgroup_close,
};
