/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BPF by interface: TCX, or clsact on older kernels.  Link-layer headers and
 * VLAN tags are there, and so is traffic that is only passed on; the cookie of
 * the socket is known for what is sent.
 */
#include "capture/source/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/link_types.h"
#include "capture/source/attachment.h"
#include "capture/source/bpf_source.h"
#include "capture/source/degraded.h"

#define NAMESPACES_MAX 64
/* How often interfaces are listed although no change was heard of. */
#define LIST_NS (10 * CLOCK_NS_PER_S)
/* And places for ones that are quiet. */
#define PRUNE_NS (60 * CLOCK_NS_PER_S)

struct interface_namespace {
	struct attachments attachments;
	struct packet_program own; /* of all but the first namespace */
	const struct packet_program *program;
	struct bpf_filter_program filters[2][2];
	char *name;                /* NULL: our own */
	int fd;
	int watch;                 /* readable when interfaces change */
	int64_t listed_ns;         /* when they were asked for, last */
	uint64_t cookie;
	uint64_t inode;
};

struct interface_source {
	struct bpf_source bpf; /* first: this is one */
	struct interface_namespace *namespaces;
	size_t count;
	char **names;          /* of the wanted interfaces; NULL: all */
	size_t name_count;
	enum attachment_way way;
	int watch;             /* epoll: readable when interfaces change */
	int64_t pruned_ns;     /* when places were looked at for quiet ones */
};

static int
end_here(void *context)
{
	attachments_end(context);
	return 0;
}

static void
namespace_close(struct interface_namespace *n)
{
	/* Should it not be possible to enter any more, there is nothing left
	 * to take off by name; links end with their descriptors. */
	if (namespace_run(n->fd, end_here, &n->attachments, NULL) < 0)
		attachments_end(&n->attachments);
	for (int i = 0; i < 4; i++)
		bpf_filter_program_close(&n->filters[i / 2][i % 2]);
	packet_program_close(&n->own);
	if (n->watch >= 0)
		close(n->watch);
	if (n->fd >= 0)
		close(n->fd);
	free(n->name);
}

static void
interface_close(struct source *source)
{
	struct interface_source *s = (struct interface_source *)source;

	for (size_t i = 0; i < s->count; i++)
		namespace_close(&s->namespaces[i]);
	for (size_t i = 0; i < s->name_count; i++)
		free(s->names[i]);
	free(s->names);
	free(s->namespaces);
	if (s->watch >= 0)
		close(s->watch);
	bpf_source_end(&s->bpf);
	free(s);
}

static void
interface_names(struct interface_source *s,
		const struct source_options *options)
{
	if (!options->interfaces || options->interface_count == 0 ||
	    (options->interface_count == 1 &&
	     strcmp(options->interfaces[0], "all") == 0))
		return;
	s->names = alloc_zero(options->interface_count, sizeof *s->names);
	for (; s->name_count < options->interface_count; s->name_count++)
		s->names[s->name_count] =
			alloc_string(options->interfaces[s->name_count]);
}

struct begin_context {
	struct interface_namespace *namespace;
	struct error *error;
};

/* Runs in the namespace.  Watches before the first look, so that nothing
 * comes unnoticed in between. */
static int
begin_here(void *context)
{
	struct begin_context *c = context;

	c->namespace->cookie = namespace_cookie();
	c->namespace->inode = namespace_inode();
	c->namespace->watch = namespace_watch(c->error);
	return c->namespace->watch < 0 ? c->namespace->watch : 0;
}

static int
refresh_here(void *context)
{
	struct begin_context *c = context;

	return attachments_refresh(&c->namespace->attachments, c->error);
}

/* The programs of a namespace know its number; the maps are all one. */
static int
namespace_load(struct interface_source *s, struct interface_namespace *n,
	       const struct source_options *options, struct error *e)
{
	struct packet_program_options load = { .interface = true,
					       .netns = n->cookie };
	json_t *ignored;
	int status;

	if (!s->bpf.program.object) {
		n->program = &s->bpf.program;
		return bpf_source_load(&s->bpf, &load, options, e);
	}
	load.ring_bytes = s->bpf.rings.far.size;
	load.near_bytes = s->bpf.rings.near.size;
	load.snaplen = options->snaplen;
	load.fixed_sizes = s->bpf.program.fixed_sizes;
	ignored = json_array(); /* the first has said it */
	status = packet_program_load(&load, &s->bpf.program, ignored, &n->own,
				     e);
	json_decref(ignored);
	n->program = &n->own;
	return status;
}

/* What is attached to which kind of device.  A filter without a meaning for
 * devices that have no link header takes nothing there. */
static int
namespace_programs(struct interface_source *s, struct interface_namespace *n,
		   struct error *e)
{
	static const uint16_t kinds[] = { LINK_TYPE_ETHERNET, LINK_TYPE_RAW };
	int status = 0;

	for (int i = 0; i < 4 && status == 0; i++) {
		int kind = i / 2, egress = i % 2;
		struct bpf_filter_program *filter = &n->filters[kind][egress];

		status = bpf_source_filter(&s->bpf, kinds[kind], !egress,
					   n->program, filter, e);
		if (status == ERR_INVALID && kind == 1)
			status = bpf_source_filter_none(&s->bpf, !egress,
							n->program, filter, e);
		n->attachments.programs[kind][egress] =
			filter->program >= 0 ? filter->program :
			egress		     ? n->program->egress :
					       n->program->ingress;
	}
	return status;
}

static int
namespace_add(struct interface_source *s, const char *name,
	      const struct source_options *options, struct error *e)
{
	struct interface_namespace *n = &s->namespaces[s->count++];
	struct begin_context context = { n, e };
	struct epoll_event event = { .events = EPOLLIN };
	int status;

	n->watch = -1;
	n->fd = NAMESPACE_OWN;
	for (int i = 0; i < 4; i++)
		n->filters[i / 2][i % 2] = (struct bpf_filter_program){ -1,
									-1 };
	if (name) {
		n->fd = namespace_open(name, e);
		if (n->fd < 0)
			return n->fd;
		n->name = alloc_string(name);
	}
	n->attachments.way = s->way;
	n->attachments.degraded = s->bpf.degraded;
	n->attachments.names = (const char *const *)s->names;
	n->attachments.name_count = s->name_count;
	status = namespace_run(n->fd, begin_here, &context, e);
	if (status == 0)
		status = namespace_load(s, n, options, e);
	if (status == 0)
		status = namespace_programs(s, n, e);
	if (status == 0 &&
	    epoll_ctl(s->watch, EPOLL_CTL_ADD, n->watch, &event) < 0)
		status = error_set_errno(e, errno, "watching interfaces");
	if (status == 0)
		status = namespace_run(n->fd, refresh_here, &context, e);
	s->way = n->attachments.way;
	return status;
}

static size_t
attached_count(const struct interface_source *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		for (size_t k = 0; k < s->namespaces[i].attachments.count; k++)
			count += s->namespaces[i].attachments.list[k].attached;
	return count;
}

static int
interface_start(struct interface_source *s,
		const struct source_options *options, struct error *e)
{
	size_t count = options->namespace_count ? options->namespace_count : 1;
	int status = 0;

	if (count > NAMESPACES_MAX)
		return error_set(e, ERR_LIMIT,
				 "at most %d network namespaces can be chosen",
				 NAMESPACES_MAX);
	s->watch = epoll_create1(EPOLL_CLOEXEC);
	if (s->watch < 0)
		return error_set_errno(e, errno, "watching interfaces");
	s->namespaces = alloc_zero(count, sizeof *s->namespaces);
	s->way = options->avoid & SOURCE_AVOID_TCX ? ATTACH_CLSACT :
						     ATTACH_TCX;
	for (size_t i = 0; i < count && status == 0; i++)
		status = namespace_add(s,
				       options->namespace_count ?
					       options->namespaces[i] :
					       NULL,
				       options, e);
	if (status == 0 && s->names && attached_count(s) < s->name_count &&
	    count == 1)
		status = error_set(e, ERR_INVALID,
				   "not all of the interfaces you named are "
				   "there; those there are: ip link");
	return status;
}

static int
interface_open(const struct source_options *options, struct source **out,
	       struct error *e)
{
	struct interface_source *s = alloc_zero(1, sizeof *s);
	int status;

	s->watch = -1;
	bpf_source_begin(&s->bpf, &source_interface, options);
	interface_names(s, options);
	status = interface_start(s, options, e);
	if (status < 0) {
		interface_close(&s->bpf.source);
		return status;
	}
	*out = &s->bpf.source;
	return 0;
}

static int
interface_watch(const struct source *source)
{
	return ((const struct interface_source *)source)->watch;
}

/* As long as nothing is heard of changes there are none; all the same they are
 * asked for now and then. */
static int
namespace_refresh(struct interface_namespace *n, struct error *e)
{
	struct begin_context context = { n, e };
	int64_t now = clock_monotonic_ns();

	if (!namespace_drain(n->watch) && now - n->listed_ns < LIST_NS) {
		n->attachments.looked_ns = now;
		return 0;
	}
	n->listed_ns = now;
	return namespace_run(n->fd, refresh_here, &context, e);
}

static bool
interface_is_alive(const struct source *source,
		   const struct packet_place *place)
{
	const struct interface_source *s =
		(const struct interface_source *)source;

	for (size_t i = 0; i < s->count; i++) {
		const struct interface_namespace *n = &s->namespaces[i];

		for (size_t k = 0;
		     n->cookie == place->netns && k < n->attachments.count; k++)
			if (n->attachments.list[k].attached &&
			    n->attachments.list[k].ifindex == place->ifindex)
				return true;
	}
	return false;
}

/* Interfaces come and go. */
static void
interface_prune(struct interface_source *s)
{
	struct packet_place_counts *list;
	int64_t now = clock_monotonic_ns();
	size_t count;

	if (now - s->pruned_ns < PRUNE_NS)
		return;
	s->pruned_ns = now;
	count = packet_program_places(&s->bpf.program, &list);
	(void)bpf_source_prune(&s->bpf, list, count, interface_is_alive);
	free(list);
}

static int
interface_refresh(struct source *source, struct error *e)
{
	struct interface_source *s = (struct interface_source *)source;
	int worst = 0;

	interface_prune(s);

	for (size_t i = 0; i < s->count; i++) {
		int status = namespace_refresh(&s->namespaces[i], e);

		if (status < 0)
			worst = status;
	}
	return worst;
}

static void
describe_one(const struct interface_namespace *n, const struct attachment *one,
	     const struct packet_place_counts *places, json_t *interfaces,
	     size_t place_count)
{
	uint64_t seen = 0, lost = 0, errors = 0;
	json_t *out;

	if (!one->attached && !one->gone_ns)
		return;
	for (size_t i = 0; i < place_count; i++) {
		if (places[i].place.netns != n->cookie ||
		    places[i].place.ifindex != one->ifindex)
			continue;
		seen = places[i].counts.seen;
		errors = places[i].counts.lost_errors;
		lost = places[i].counts.lost_ring + errors;
	}
	out = json_pack("{s:I, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:b}",
			"ifindex", (json_int_t)one->ifindex, "name", one->name,
			"netns", (json_int_t)n->cookie, "link_type",
			one->link_type, "seen", (json_int_t)seen, "lost",
			(json_int_t)lost, "lost_errors", (json_int_t)errors,
			"unseen_ns",
			(json_int_t)one->unseen_ns, "unseen_packets",
			(json_int_t)one->unseen_packets, "gone",
			one->gone_ns != 0);
	if (n->inode)
		json_object_set_new(out, "netns_inode",
				    json_integer((json_int_t)n->inode));
	if (n->name)
		json_object_set_new(out, "netns_name", json_string(n->name));
	json_array_append_new(interfaces, out);
}

static json_t *
interface_describe(const struct source *source)
{
	const struct interface_source *s =
		(const struct interface_source *)source;
	json_t *out = bpf_source_describe(&s->bpf, s->way == ATTACH_TCX ?
							   "TCX" :
							   "clsact");
	json_t *interfaces = json_array();
	struct packet_place_counts *places;
	size_t count = packet_program_places(&s->bpf.program, &places);
	unsigned cleaned = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct interface_namespace *n = &s->namespaces[i];

		for (size_t k = 0; k < n->attachments.count; k++)
			describe_one(n, &n->attachments.list[k], places,
				     interfaces, count);
		cleaned += n->attachments.cleaned;
	}
	free(places);
	json_object_set_new(out, "interfaces", interfaces);
	json_object_set_new(out, "loopback", json_string("egress"));
	if (cleaned)
		json_object_set_new(out, "cleaned", json_integer(cleaned));
	return out;
}

const struct source_type source_interface = {
	.name = "interface",
	.format = RAW_FORMAT_RECORDS,
	.open = interface_open,
	.descriptor = bpf_source_descriptor,
	.peek = bpf_source_peek,
	.release = bpf_source_release,
	.ended = bpf_source_ended,
	.watch = interface_watch,
	.counts = bpf_source_counts,
	.refresh = interface_refresh,
	.describe = interface_describe,
	.close = interface_close,
};
