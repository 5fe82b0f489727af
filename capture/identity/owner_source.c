/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/owner_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <owner.skel.h>

#include "base/alloc.h"
#include "capture/identity/cgroup_path.h"

#define READ_EVENTS 64

/* A program and what is lost without it. */
struct feature {
	const char *program;
	const char *name;
	const char *loss;
	bool required;
	const char *substitutes; /* used only when that is missing */
};

static const struct feature features[] = {
	{ "socket_state", "inet_sock_set_state",
	  "owners of sockets are known from /proc alone", true, NULL },
	{ "socket_send", "sock_send_length",
	  "a process that only sends is not told from the one that opened "
	  "the socket, UDP senders are known from /proc at start alone",
	  false, NULL },
	{ "socket_receive", "sock_recv_length",
	  "UDP receivers are known from /proc at start alone", false, NULL },
	{ "socket_received", "tcp_rcv_space_adjust",
	  "an accepted connection is its listener's", false,
	  "sock_recv_length" },
	{ "socket_release", "sock_release",
	  "the end of UDP sockets is not seen", false, NULL },
	{ "process_exec", "sched_process_exec",
	  "a process that executes another program keeps its name", false,
	  NULL },
	{ "process_exit", "sched_process_exit",
	  "the end of processes is noticed when their number is used again",
	  false, NULL },
	{ "open_sockets", "iter/task_file",
	  "sockets open before the recorder come from /proc and sock_diag",
	  false, NULL },
};

#define FEATURES (sizeof(features) / sizeof(features[0]))

struct owner_source {
	struct owner *skeleton;
	struct ring_buffer *ring;
	struct bpf_link *links[FEATURES];
	owner_source_handler *handler;
	void *context;
};

static int
be_quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static struct bpf_program *
program_of(struct owner *skeleton, size_t feature)
{
	return bpf_object__find_program_by_name(skeleton->obj,
						features[feature].program);
}

/* Opened with the programs that `wanted` has a bit for; not loaded. */
static struct owner *
open_skeleton(unsigned wanted, uint64_t ring_bytes)
{
	struct owner *skeleton = owner__open();

	if (!skeleton)
		return NULL;
	for (size_t i = 0; i < FEATURES; i++)
		bpf_program__set_autoload(program_of(skeleton, i),
					  (wanted >> i & 1) != 0);
	bpf_map__set_max_entries(skeleton->maps.events, (uint32_t)ring_bytes);
	skeleton->rodata->wake_bytes = ring_bytes / 2;
	return skeleton;
}

/* 0 when the kernel takes this program, or a negative errno. */
static int
try_load(size_t feature)
{
	struct owner *skeleton =
		open_skeleton(1u << feature, (uint64_t)getpagesize());
	int rc;

	if (!skeleton)
		return -errno;
	rc = owner__load(skeleton);
	owner__destroy(skeleton);
	return rc;
}

static void
degrade(json_t *degraded, size_t feature, const char *why)
{
	char *text = alloc_format("%s: %s", why, features[feature].loss);

	json_array_append_new(degraded,
			      json_pack("{s:s, s:s}", "feature",
					features[feature].name, "why", text));
	free(text);
}

static bool
is_without(const struct owner_source_options *options, const char *name)
{
	for (size_t i = 0; i < options->without_count; i++)
		if (strcmp(options->without[i], name) == 0 ||
		    strcmp(options->without[i], "bpf") == 0)
			return true;
	return false;
}

static size_t
feature_index(const char *name)
{
	size_t i = 0;

	while (i < FEATURES && strcmp(features[i].name, name) != 0)
		i++;
	return i;
}

/* A bit for each program that would be used on a kernel that has them all. */
static unsigned
choose_all(const struct owner_source_options *options)
{
	unsigned chosen = 0;

	for (size_t i = 0; i < FEATURES; i++) {
		const char *instead = features[i].substitutes;

		if (!is_without(options, features[i].name) &&
		    !(instead && (chosen >> feature_index(instead) & 1)))
			chosen |= 1u << i;
	}
	return chosen;
}

/* A bit for each program that can and shall be used. */
static unsigned
choose(const struct owner_source_options *options, json_t *degraded,
       struct error *e, int *rc)
{
	unsigned chosen = 0;

	*rc = 0;
	for (size_t i = 0; i < FEATURES; i++) {
		const char *instead = features[i].substitutes;
		int status;

		if (instead && (chosen >> feature_index(instead) & 1))
			continue;
		status = is_without(options, features[i].name) ? -ECANCELED
							       : try_load(i);
		if (status == 0) {
			chosen |= 1u << i;
			continue;
		}
		degrade(degraded, i,
			status == -ECANCELED ? "switched off"
					     : strerror(-status));
		if (!features[i].required)
			continue;
		*rc = error_set(e,
				status == -EPERM ? ERR_DENIED
						 : ERR_UNSUPPORTED,
				"the kernel does not load the program at %s: "
				"%s",
				features[i].name, strerror(-status));
		return 0;
	}
	return chosen;
}

static struct bpf_link *
attach(struct owner_source *o, size_t feature)
{
	struct bpf_program *program = program_of(o->skeleton, feature);
	struct bpf_link *link;
	int group;

	if (bpf_program__type(program) != BPF_PROG_TYPE_CGROUP_SOCK)
		return bpf_program__attach(program);
	group = cgroup_path_open_root();
	if (group < 0)
		return NULL;
	link = bpf_program__attach_cgroup(program, group);
	close(group);
	return link;
}

static int
attach_all(struct owner_source *o, unsigned chosen, json_t *degraded,
	   struct error *e)
{
	for (size_t i = 0; i < FEATURES; i++) {
		if (!(chosen >> i & 1))
			continue;
		o->links[i] = attach(o, i);
		if (o->links[i])
			continue;
		if (features[i].required)
			return error_set_errno(e, errno,
					       "cannot attach the program at "
					       "%s",
					       features[i].name);
		degrade(degraded, i, strerror(errno));
	}
	return 0;
}

static int
pass_on(void *context, void *data, size_t size)
{
	struct owner_source *o = context;

	if (size >= sizeof(struct owner_head))
		o->handler(o->context, data, size);
	return 0;
}

static int
load(struct owner_source *o, unsigned chosen, uint64_t ring_bytes,
     struct error *e)
{
	int rc = -ENOMEM;

	o->skeleton = open_skeleton(chosen, ring_bytes);
	if (o->skeleton)
		rc = owner__load(o->skeleton);
	if (rc < 0) {
		owner__destroy(o->skeleton);
		o->skeleton = NULL;
		return error_set_errno(e, -rc,
				       "cannot load the programs that tell "
				       "the owners of sockets");
	}
	o->ring = ring_buffer__new(bpf_map__fd(o->skeleton->maps.events),
				   pass_on, o, NULL);
	if (!o->ring)
		return error_set_errno(e, errno, "cannot map the ring");
	return 0;
}

int
owner_source_open(const struct owner_source_options *options,
		  struct owner_source **source, json_t *degraded,
		  struct error *e)
{
	libbpf_print_fn_t printer = libbpf_set_print(be_quiet);
	struct owner_source *o = alloc_zero(1, sizeof(*o));
	unsigned chosen = choose_all(options);
	int rc = 0;

	/* One by one only when something is amiss: each load reads the
	 * kernel's BTF anew. */
	if (options->without_count ||
	    load(o, chosen, options->ring_bytes, NULL) < 0) {
		chosen = choose(options, degraded, e, &rc);
		if (rc == 0)
			rc = load(o, chosen, options->ring_bytes, e);
	}
	if (rc == 0)
		rc = attach_all(o, chosen, degraded, e);
	libbpf_set_print(printer);
	if (rc < 0) {
		owner_source_close(o);
		return rc;
	}
	*source = o;
	return 0;
}

void
owner_source_close(struct owner_source *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < FEATURES; i++)
		bpf_link__destroy(o->links[i]);
	ring_buffer__free(o->ring);
	if (o->skeleton)
		owner__destroy(o->skeleton);
	free(o);
}

bool
owner_source_has(const struct owner_source *o, const char *feature)
{
	size_t i = feature_index(feature);

	return o && i < FEATURES && o->links[i];
}

int
owner_source_descriptor(const struct owner_source *o)
{
	return ring_buffer__epoll_fd(o->ring);
}

size_t
owner_source_drain(struct owner_source *o, owner_source_handler *handler,
		   void *context)
{
	int count;

	o->handler = handler;
	o->context = context;
	count = ring_buffer__consume(o->ring);
	return count > 0 ? (size_t)count : 0;
}

int
owner_source_existing(struct owner_source *o, owner_source_handler *handler,
		      void *context, struct error *e)
{
	struct owner_socket *chunk;
	struct bpf_link *link = o->links[feature_index("iter/task_file")];
	int fd, rc = 0;
	ssize_t n;

	if (!link)
		return error_set(e, ERR_UNSUPPORTED,
				 "no BPF iterator over open files");
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return error_set_errno(e, errno,
				       "cannot iterate over open files");
	chunk = alloc_zero(READ_EVENTS, sizeof(*chunk));
	for (;;) {
		n = read(fd, chunk, READ_EVENTS * sizeof(*chunk));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		for (size_t i = 0; i < (size_t)n / sizeof(*chunk); i++)
			handler(context, &chunk[i].head, sizeof(*chunk));
	}
	if (n < 0)
		rc = error_set_errno(e, errno, "cannot read open files");
	free(chunk);
	close(fd);
	return rc;
}

uint64_t
owner_source_lost(const struct owner_source *o)
{
	return __atomic_load_n(&o->skeleton->bss->lost_events,
			       __ATOMIC_RELAXED);
}

void
owner_source_probe(json_t *checks)
{
	libbpf_print_fn_t printer = libbpf_set_print(be_quiet);

	for (size_t i = 0; i < FEATURES; i++) {
		int rc = try_load(i);
		char *detail = rc == 0 ? alloc_string("loads")
				       : alloc_format("%s; without it %s",
						      strerror(-rc),
						      features[i].loss);
		const char *fix =
			rc == 0 ? ""
			: rc == -EPERM
				? "run with CAP_BPF and CAP_PERFMON"
				: "a kernel of 6.3 or later has all of them";
		char *check = alloc_format("identity: BPF at %s",
					   features[i].name);

		json_array_append_new(
			checks, json_pack("{s:s, s:b, s:s, s:s}", "check",
					  check, "ok", rc == 0, "detail",
					  detail, "fix", fix));
		free(check);
		free(detail);
	}
	libbpf_set_print(printer);
}
