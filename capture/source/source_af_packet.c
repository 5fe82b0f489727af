/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_PACKET, where BPF programs are not to be had: one TPACKET_V3 socket for
 * each network namespace.  CAP_NET_RAW is enough.  It does not know sockets
 * and cgroups, and counts by socket, not by interface.
 */
#include "capture/source/source.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/link_types.h"
#include "capture/source/degraded.h"
#include "capture/source/packet_socket.h"
#include "capture/source/raw_record.h"
#include "capture/source/ring.h"

#define SOCKETS_MAX 64
#define PAGE 4096u

struct af_packet_namespace {
	struct packet_socket socket;
	char *name; /* NULL: our own */
	int fd;
};

struct af_packet_source {
	struct source source; /* first: this is one */
	struct af_packet_namespace *namespaces;
	size_t count;
	size_t ring_bytes;   /* of each */
	size_t current;      /* whose block was handed out last */
	size_t span;         /* its bytes; 0: none is out */
	uint64_t position;
	_Atomic uint64_t captured;
	int wake;
	json_t *degraded;
	char *filter;
	bool filter_in_kernel;
	struct filter ethernet, raw;
	char **names;        /* of interfaces; NULL: all */
	size_t name_count;
	struct packet_wanted wanted;
};

static void
af_packet_close(struct source *source)
{
	struct af_packet_source *s = (struct af_packet_source *)source;

	for (size_t i = 0; i < s->count; i++) {
		packet_socket_close(&s->namespaces[i].socket);
		if (s->namespaces[i].fd >= 0)
			close(s->namespaces[i].fd);
		free(s->namespaces[i].name);
	}
	for (size_t i = 0; i < s->name_count; i++)
		free(s->names[i]);
	if (s->wake >= 0)
		close(s->wake);
	filter_free(&s->ethernet);
	filter_free(&s->raw);
	json_decref(s->degraded);
	free(s->namespaces);
	free(s->names);
	free(s->filter);
	free(s);
}

/* "all" and nothing mean all. */
static void
af_packet_names(struct af_packet_source *s,
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
	s->wanted.names = (const char *const *)s->names;
	s->wanted.name_count = s->name_count;
}

/* A filter that has no meaning for one kind of device takes nothing there. */
static int
af_packet_filter(struct af_packet_source *s,
		 const struct source_options *options, struct error *e)
{
	struct filter_code *nothing;
	int status;

	if (!options->filter || !options->filter[0])
		return 0;
	s->filter = alloc_string(options->filter);
	status = filter_compile(s->filter, LINK_TYPE_ETHERNET, &s->ethernet, e);
	if (status < 0)
		return status;
	if (options->avoid & SOURCE_AVOID_FILTER ||
	    filter_needs_tags(s->filter)) {
		s->source.recorder_filter = s->filter;
		return 0;
	}
	if (filter_compile(s->filter, LINK_TYPE_RAW, &s->raw, NULL) < 0) {
		filter_free(&s->raw);
		nothing = alloc_zero(1, sizeof *nothing);
		nothing->code = 6; /* return 0 */
		s->raw = (struct filter){ nothing, 1 };
	}
	s->wanted.ethernet = &s->ethernet;
	s->wanted.raw = &s->raw;
	s->filter_in_kernel = true;
	return 0;
}

struct open_context {
	struct af_packet_source *source;
	struct packet_socket *socket;
	struct error *error;
};

static int
open_here(void *context)
{
	struct open_context *c = context;

	return packet_socket_open(c->socket, &c->source->wanted,
				  c->source->ring_bytes, c->error);
}

static int
refresh_here(void *context)
{
	struct open_context *c = context;

	return packet_socket_refresh(c->socket, &c->source->wanted, c->error);
}

/* A filter that this kernel refuses (libpcap makes loops) is the recorder's. */
static int
af_packet_open_socket(struct af_packet_source *s,
		      struct af_packet_namespace *n, struct error *e)
{
	struct open_context context = { s, &n->socket, e };
	int status = namespace_run(n->fd, open_here, &context, e);

	if (status != ERR_UNSUPPORTED || !s->filter_in_kernel)
		return status;
	packet_socket_close(&n->socket);
	degraded_add(s->degraded, "filter in the kernel",
		     "%s; the recorder filters", e ? e->text : "refused");
	s->filter_in_kernel = false;
	s->source.recorder_filter = s->filter;
	s->wanted.ethernet = s->wanted.raw = NULL;
	return namespace_run(n->fd, open_here, &context, e);
}

static int
af_packet_add(struct af_packet_source *s, const char *name, struct error *e)
{
	struct af_packet_namespace *n = &s->namespaces[s->count];
	struct epoll_event event = { .events = EPOLLIN };
	int status;

	n->socket.fd = -1;
	n->fd = NAMESPACE_OWN;
	s->count++;
	if (name) {
		n->fd = namespace_open(name, e);
		if (n->fd < 0)
			return n->fd;
		n->name = alloc_string(name);
	}
	status = af_packet_open_socket(s, n, e);
	if (status < 0)
		return status;
	if (s->wanted.names && n->socket.link_count < s->name_count && !name)
		return error_set(e, ERR_INVALID,
				 "there is no interface of the name you gave; "
				 "those there are: ip link");
	if (epoll_ctl(s->wake, EPOLL_CTL_ADD, n->socket.fd, &event) < 0)
		return error_set_errno(e, errno, "watching a packet socket");
	return 0;
}

static int
af_packet_start(struct af_packet_source *s,
		const struct source_options *options, struct error *e)
{
	size_t count = options->namespace_count ? options->namespace_count : 1;
	size_t bytes = 0;
	int status = ring_size(options->ring_bytes, &bytes, e);

	if (status == 0 && count > SOCKETS_MAX)
		status = error_set(e, ERR_LIMIT,
				   "at most %d network namespaces can be "
				   "chosen",
				   SOCKETS_MAX);
	if (status == 0)
		status = af_packet_filter(s, options, e);
	if (status < 0)
		return status;
	s->ring_bytes = bytes / count;
	s->source.room = s->ring_bytes;
	s->namespaces = alloc_zero(count, sizeof *s->namespaces);
	s->wake = epoll_create1(EPOLL_CLOEXEC);
	if (s->wake < 0)
		return error_set_errno(e, errno, "watching packet sockets");
	for (size_t i = 0; i < count && status == 0; i++)
		status = af_packet_add(s, options->namespace_count ?
						  options->namespaces[i] :
						  NULL,
				       e);
	return status;
}

static int
af_packet_open(const struct source_options *options, struct source **out,
	       struct error *e)
{
	struct af_packet_source *s = alloc_zero(1, sizeof *s);
	int status;

	s->source.type = &source_af_packet;
	s->source.clock = RAW_CLOCK_UTC;
	s->wake = -1;
	s->degraded = json_array();
	s->wanted.snaplen = options->snaplen &&
					    options->snaplen < RAW_PACKET_MAX ?
				    options->snaplen :
				    RAW_PACKET_MAX;
	af_packet_names(s, options);
	degraded_add(s->degraded, "sockets and cgroups",
		     "AF_PACKET does not tell them; processes are found by "
		     "address and port");
	if (!options->interfaces && !options->namespace_count)
		degraded_add(s->degraded, "the whole node",
			     "AF_PACKET sees one network namespace; others "
			     "are seen where they pass our interfaces");
	status = af_packet_start(s, options, e);
	if (status < 0) {
		af_packet_close(&s->source);
		return status;
	}
	*out = &s->source;
	return 0;
}

static int
af_packet_descriptor(const struct source *source)
{
	return ((const struct af_packet_source *)source)->wake;
}

static bool
af_packet_peek(struct source *source, struct source_span *span)
{
	struct af_packet_source *s = (struct af_packet_source *)source;
	size_t used = 0;

	for (size_t i = 0; i < s->count; i++) {
		size_t which = (s->current + i) % s->count;
		uint8_t *block = packet_socket_peek(
			&s->namespaces[which].socket, &used);

		if (!block)
			continue;
		s->current = which;
		s->span = (used + PAGE - 1) & ~(size_t)(PAGE - 1);
		*span = (struct source_span){ block, s->span, s->position,
					      true };
		return true;
	}
	return false;
}

static void
af_packet_release(struct source *source, size_t size)
{
	struct af_packet_source *s = (struct af_packet_source *)source;

	if (size < s->span || s->span == 0)
		return;
	s->captured += packet_socket_release(&s->namespaces[s->current].socket);
	s->position += s->span;
	s->span = 0;
	s->current = (s->current + 1) % s->count;
}

static void
af_packet_counts(const struct source *source, struct source_counts *counts)
{
	const struct af_packet_source *s =
		(const struct af_packet_source *)source;

	memset(counts, 0, sizeof *counts);
	for (size_t i = 0; i < s->count; i++) {
		struct packet_socket *socket = &s->namespaces[i].socket;

		packet_socket_count(socket);
		counts->seen_packets += socket->packets;
		counts->lost_kernel += socket->drops;
	}
	counts->captured_packets = s->captured;
}

static int
af_packet_refresh(struct source *source, struct error *e)
{
	struct af_packet_source *s = (struct af_packet_source *)source;
	int worst = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct af_packet_namespace *n = &s->namespaces[i];
		struct open_context context = { s, &n->socket, e };
		int status = namespace_run(n->fd, refresh_here, &context, e);

		if (status < 0)
			worst = status;
	}
	return worst;
}

static bool
af_packet_ended(const struct source *source)
{
	(void)source;
	return false;
}

static void
af_packet_describe_links(const struct af_packet_namespace *n,
			 json_t *interfaces)
{
	for (size_t i = 0; i < n->socket.link_count; i++) {
		const struct link *link = &n->socket.links[i];
		int link_type = link_type_of_hardware(link->hardware);
		json_t *out;

		if (link_type < 0)
			continue;
		out = json_pack("{s:I, s:s, s:I, s:i, s:I}", "ifindex",
				(json_int_t)link->ifindex, "name", link->name,
				"netns", (json_int_t)n->socket.netns,
				"link_type", link_type, "unseen_ns",
				(json_int_t)0);
		if (n->socket.netns_inode)
			json_object_set_new(
				out, "netns_inode",
				json_integer((json_int_t)
						     n->socket.netns_inode));
		if (n->name)
			json_object_set_new(out, "netns_name",
					    json_string(n->name));
		json_array_append_new(interfaces, out);
	}
}

/* The kernel counts what it dropped by socket: by namespace, then, and by
 * interface where there is one alone. */
static json_t *
af_packet_describe_socket(const struct af_packet_source *s,
			  const struct af_packet_namespace *n)
{
	json_t *out = json_pack("{s:I, s:I, s:I}", "netns",
				(json_int_t)n->socket.netns, "netns_inode",
				(json_int_t)n->socket.netns_inode,
				"lost_kernel", (json_int_t)n->socket.drops);

	if (s->name_count == 1)
		json_object_set_new(out, "name", json_string(s->names[0]));
	return out;
}

static json_t *
af_packet_describe(const struct source *source)
{
	const struct af_packet_source *s =
		(const struct af_packet_source *)source;
	json_t *interfaces = json_array(), *sockets = json_array();
	json_t *out = json_pack("{s:s, s:s, s:I, s:s, s:O, s:o}", "source",
				"af_packet", "mechanism", "TPACKET_V3",
				"ring_bytes",
				(json_int_t)s->ring_bytes *
					(json_int_t)s->count,
				"loopback", "ingress", "degraded", s->degraded,
				"interfaces", interfaces);

	for (size_t i = 0; i < s->count; i++) {
		af_packet_describe_links(&s->namespaces[i], interfaces);
		json_array_append_new(
			sockets,
			af_packet_describe_socket(s, &s->namespaces[i]));
	}
	json_object_set_new(out, "sockets", sockets);
	if (s->filter)
		json_object_set_new(
			out, "filter",
			json_pack("{s:s, s:s}", "expression", s->filter,
				  "where", s->filter_in_kernel ? "kernel" :
								 "recorder"));
	return out;
}

const struct source_type source_af_packet = {
	.name = "af_packet",
	.format = RAW_FORMAT_BLOCKS,
	.open = af_packet_open,
	.descriptor = af_packet_descriptor,
	.peek = af_packet_peek,
	.release = af_packet_release,
	.ended = af_packet_ended,
	.watch = source_unwatched,
	.counts = af_packet_counts,
	.refresh = af_packet_refresh,
	.describe = af_packet_describe,
	.close = af_packet_close,
};
