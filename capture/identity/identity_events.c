/* SPDX-License-Identifier: Apache-2.0 */
/* From events to processes and sockets. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/identity/identity_state.h"
#include "capture/identity/process_facts.h"

#define STATE_LISTEN 10
#define FAMILY_IPV4  2
/* Searched for this often before it is believed to be nobody's. */
#define SEARCHES 3

static int64_t
clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

void
identity_times(struct identity *i)
{
	i->monotonic_utc = clock_wall_ns() - clock_monotonic_ns();
	i->boottime_utc = clock_wall_ns() - clock_ns(CLOCK_BOOTTIME);
}

static int64_t
utc_of_monotonic(const struct identity *i, uint64_t ns)
{
	return (int64_t)ns + i->monotonic_utc;
}

static bool
same_start(uint64_t a, uint64_t b)
{
	uint64_t apart = a > b ? a - b : b - a;

	return apart <= PROCESS_START_SLACK_NS;
}

/* The process with this pid and start; one that had the pid before ends. */
static struct known_process *
process_of(struct identity *i, uint32_t pid, uint64_t start_ns,
	   enum identity_mechanism mechanism, bool *added)
{
	struct known_process *p = known_process_by_pid(i->known, pid);
	int64_t from = start_ns ? (int64_t)start_ns + i->boottime_utc : 0;

	*added = false;
	if (p && (start_ns == 0 || same_start(p->start_ns, start_ns))) {
		p->stale = false;
		return p;
	}
	if (p)
		known_process_end(i->known, p, from);
	*added = true;
	p = known_process_add(i->known, pid, 0);
	p->start_ns = start_ns;
	p->facts.from_ns = from;
	p->facts.mechanism = (uint8_t)mechanism;
	p->facts.uid = UINT32_MAX;
	return p;
}

/* The path of an executable from its components, leaf first. */
static char *
join_path(const struct owner_process *event)
{
	char joined[OWNER_PATH_SIZE + 2];
	size_t size = event->path_size < OWNER_PATH_SIZE ? event->path_size : 0;
	size_t at = sizeof(joined) - 1;
	size_t begin = 0;

	joined[at] = '\0';
	for (size_t k = 0; k < size; k++) {
		if (event->path[k] != '\0')
			continue;
		at -= k - begin;
		memcpy(joined + at, event->path + begin, k - begin);
		joined[--at] = '/';
		begin = k + 1;
	}
	return alloc_string(joined + at);
}

/* "/<parent>/<name>": the end of a path that can no longer be looked up. */
static char *
cgroup_end(const struct owner_process *event)
{
	int parent = (int)strnlen(event->cgroup_parent, OWNER_CGROUP_SIZE);
	int name = (int)strnlen(event->cgroup_name, OWNER_CGROUP_SIZE);

	if (name == 0)
		return alloc_string("");
	return alloc_format("%.*s/%.*s", parent, event->cgroup_parent, name,
			    event->cgroup_name);
}

static void
set_from_event(struct identity *i, struct known_process *p,
	       const struct owner_process *event)
{
	struct identity_process facts = p->facts;
	char *executable = join_path(event);
	char *group = cgroup_end(event);

	facts.mechanism = IDENTITY_MECHANISM_TRACEPOINT;
	facts.parent = event->parent;
	facts.uid = event->uid;
	facts.cgroup = event->cgroup;
	facts.netns = event->netns;
	facts.name = bytes_make(event->name,
				strnlen(event->name, OWNER_NAME_SIZE));
	facts.executable = bytes_of(executable);
	facts.cgroup_path = bytes_of(group);
	known_process_set(i->known, p, &facts);
	free(executable);
	free(group);
	identity_complete(i, p);
}

static void
on_process(struct identity *i, const struct owner_process *event)
{
	bool added;
	struct known_process *p =
		process_of(i, event->head.pid, event->head.start_ns,
			   IDENTITY_MECHANISM_TRACEPOINT, &added);

	set_from_event(i, p, event);
}

/* Another program from now on: another process as far as calls go. */
static void
on_exec(struct identity *i, const struct owner_process *event)
{
	struct known_process *before =
		known_process_by_pid(i->known, event->head.pid);
	int64_t now = utc_of_monotonic(i, event->head.time_ns);
	struct known_process *p;
	uint64_t old = 0, id;

	if (before) {
		old = before->facts.id;
		known_process_end(i->known, before, now);
	}
	p = known_process_add(i->known, event->head.pid, 0);
	p->start_ns = event->head.start_ns;
	p->facts.from_ns = now;
	id = p->facts.id;
	set_from_event(i, p, event);
	if (old)
		known_sockets_pass(i->known, old, id, now);
}

static void
on_ended(struct identity *i, const struct owner_head *head)
{
	struct known_process *p = known_process_by_pid(i->known, head->pid);

	if (p && same_start(p->start_ns, head->start_ns))
		known_process_end(i->known, p,
				  utc_of_monotonic(i, head->time_ns));
}

static void
set_address(uint8_t out[16], const uint8_t in[16], uint16_t family)
{
	static const uint8_t zero[16];

	if (family != FAMILY_IPV4) {
		memcpy(out, in, 16);
		return;
	}
	memset(out, 0, 16);
	if (memcmp(in, zero, 4) == 0)
		return;
	out[10] = out[11] = 0xff;
	memcpy(out + 12, in, 4);
}

/* What the event says of the socket itself. */
static void
set_socket(struct identity *i, struct known_socket *s,
	   const struct owner_socket *event, uint64_t key)
{
	struct identity_socket *facts = &s->facts;
	struct identity_socket before = *facts;

	facts->cookie = event->cookie;
	facts->ip_protocol = event->ip_protocol;
	facts->listening = event->ip_protocol == 6 &&
			   event->state == STATE_LISTEN;
	facts->netns = event->netns;
	facts->netns_cookie = event->netns_cookie;
	if (event->thread)
		facts->thread = event->thread;
	if (event->local_port || facts->local_port == 0) {
		set_address(facts->local, event->local, event->family);
		facts->local_port = event->local_port;
	}
	if (event->remote_port || facts->remote_port == 0) {
		set_address(facts->remote, event->remote, event->family);
		facts->remote_port = event->remote_port;
	}
	s->stale = false;
	/* Where padding differs, an entry is written once too often.
	 * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
	if (memcmp(&before, facts, sizeof(before)) != 0)
		known_socket_changed(i->known, s, key);
}

static void
on_socket(struct identity *i, const struct owner_socket *event)
{
	uint64_t key = known_socket_key(event->cookie, event->inode);
	struct known_process *p =
		known_process_by_pid(i->known, event->head.pid);
	struct known_socket *s;
	uint64_t id;
	bool added;

	/* Told after its process had ended (a connection that fails). */
	if (!p && (s = known_socket_any(i->known, key)) != NULL) {
		set_socket(i, s, event, key);
		return;
	}
	p = process_of(i, event->head.pid, event->head.start_ns,
		       IDENTITY_MECHANISM_TRACEPOINT, &added);
	id = p->facts.id;
	if (added)
		identity_complete(i, p);
	s = known_socket_put(i->known, key, id, &added);
	if (!s)
		return;
	if (added) {
		s->facts.mechanism = IDENTITY_MECHANISM_TRACEPOINT;
		s->facts.from_ns = utc_of_monotonic(
			i, event->since_ns ? event->since_ns
					   : event->head.time_ns);
	}
	set_socket(i, s, event, key);
}

void
identity_on_event(void *context, const struct owner_head *head, size_t size)
{
	struct identity *i = context;
	bool process = size >= sizeof(struct owner_process);
	bool socket = size >= sizeof(struct owner_socket);

	i->events++;
	if (head->kind == OWNER_PROCESS && process)
		on_process(i, (const struct owner_process *)head);
	else if (head->kind == OWNER_EXEC && process)
		on_exec(i, (const struct owner_process *)head);
	else if (head->kind == OWNER_EXIT)
		on_ended(i, head);
	else if (head->kind == OWNER_SOCKET && socket)
		on_socket(i, (const struct owner_socket *)head);
	else if (head->kind == OWNER_CLOSED && socket)
		known_socket_close(
			i->known,
			((const struct owner_socket *)head)->cookie,
			utc_of_monotonic(i, head->time_ns));
}

/*
 * Of several processes that have one socket open, the master stands for a
 * listener (what it accepts says more), the youngest for a connection: it was
 * handed down.
 */
static bool
is_better_owner(const struct known_socket *s, const struct known_process *old,
		const struct known_process *p)
{
	bool older = p->start_ns < old->start_ns ||
		     (p->start_ns == old->start_ns &&
		      p->facts.pid < old->facts.pid);
	bool shared = s->facts.listening || s->facts.remote_port == 0;

	return shared ? older : !older;
}

/* A socket that was found open, and a process that has it. */
static void
on_open(struct identity *i, const struct owner_socket *event,
	enum identity_mechanism mechanism)
{
	uint64_t key = known_socket_key(event->cookie, event->inode);
	const struct known_process *old;
	struct known_process *p;
	struct known_socket *s;
	uint64_t id;
	bool added;

	p = process_of(i, event->head.pid, event->head.start_ns, mechanism,
		       &added);
	id = p->facts.id;
	if (added)
		identity_complete(i, p);
	s = known_socket_any(i->known, key);
	if (!s) {
		s = known_socket_put(i->known, key, id, &added);
		if (!s)
			return;
		s->facts.mechanism = (uint8_t)mechanism;
	} else if (s->facts.process != id &&
		   s->facts.mechanism != IDENTITY_MECHANISM_TRACEPOINT) {
		old = known_process_by_id(i->known, s->facts.process);
		p = known_process_by_id(i->known, id);
		if (!old || !p || is_better_owner(s, old, p)) {
			s->facts.process = id;
			known_socket_changed(i->known, s, key);
		}
	}
	set_socket(i, s, event, key);
}

void
identity_on_open_socket(void *context, const struct owner_head *head,
			size_t size)
{
	if (size >= sizeof(struct owner_socket))
		on_open(context, (const struct owner_socket *)head,
			IDENTITY_MECHANISM_ITERATOR);
}

void
identity_on_scanned(void *context, const struct owner_socket *socket)
{
	on_open(context, socket, IDENTITY_MECHANISM_PROC);
}

bool
identity_knows(void *context, const struct owner_socket *socket)
{
	struct identity *i = context;
	uint64_t key = known_socket_key(socket->cookie, socket->inode);
	struct known_socket *s = known_socket_any(i->known, key);
	uint32_t *searches;

	if (s) {
		set_socket(i, s, socket, key);
		return true;
	}
	searches = map_put(i->unowned, &key, NULL);
	return searches && ++*searches > SEARCHES;
}
