/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/identity/identity_state.h"
#include "capture/identity/process_facts.h"

#define PROCESS_LIMIT 16384
#define SOCKET_LIMIT  65536
#define RING_BYTES    ((uint64_t)1 << 20)
#define CGROUPS_MAX   4096
#define UNOWNED_MAX   65536
/* Without BPF: at most this share of a core goes into looking. */
#define SCAN_SHARE    20 /* one twentieth */
#define SCAN_NS       CLOCK_NS_PER_S
#define RESYNC_NS     (10 * CLOCK_NS_PER_S)
/* Of one start, as two boots of the recorder compute it. */
#define SAME_START_NS (100 * CLOCK_NS_PER_MS)

/* Reading the log of earlier sessions. */
struct history {
	struct identity *identity;
	uint64_t last_serial;
	bool same_boot;      /* of the session that is being read */
	bool restore;        /* second reading */
	struct map *alive;   /* serials that have not ended, by kind */
};

struct alive_key {
	uint64_t serial;
	uint64_t kind;
};

static void
history_note(struct history *h, const struct identity_log_entry *entry)
{
	const struct identity_block *block = entry->block;
	struct alive_key key = { entry->serial, block->kind };
	int64_t to = block->kind == IDENTITY_PROCESS ? block->process.to_ns
						     : block->socket.to_ns;
	uint64_t *offset;

	if (entry->serial > h->last_serial)
		h->last_serial = entry->serial;
	if (to) {
		map_remove(h->alive, &key);
		return;
	}
	offset = map_put(h->alive, &key, NULL);
	if (offset)
		*offset = entry->offset;
}

/* Takes over one that was alive when the log ended. */
static void
history_restore(struct history *h, const struct identity_log_entry *entry)
{
	const struct identity_block *block = entry->block;
	struct alive_key key = { entry->serial, block->kind };
	const uint64_t *offset = map_get(h->alive, &key);
	struct known_process *p;

	if (!offset || *offset != entry->offset)
		return;
	if (block->kind == IDENTITY_SOCKET) {
		/* Cookies of an earlier boot mean nothing now. */
		known_socket_restore(h->identity->known,
				     h->same_boot
					     ? known_socket_key(
						       block->socket.cookie,
						       entry->serial)
					     : known_socket_key(
						       0, entry->serial),
				     entry->serial, &block->socket);
		return;
	}
	p = known_process_add(h->identity->known, block->process.pid,
			      entry->serial);
	known_process_set(h->identity->known, p, &block->process);
	p->stale = true;
	if (h->same_boot)
		p->start_ns = (uint64_t)(block->process.from_ns -
					 h->identity->boottime_utc);
}

static void
history_visit(void *context, const struct identity_log_entry *entry)
{
	struct history *h = context;

	if (!entry->block)
		h->same_boot = bytes_equal(entry->boot,
					   bytes_of(h->identity->boot));
	else if (h->restore)
		history_restore(h, entry);
	else
		history_note(h, entry);
}

/* Ends what lived at the end of the last session and lives no more. */
static void
history_end(struct identity *i)
{
	int64_t now = clock_wall_ns();
	struct known_process *p;
	size_t cursor = 0;

	/* Only what could be seen can be missed. */
	if (i->existing == IDENTITY_MECHANISM_ITERATOR ||
	    (!i->scan_problem && !socket_scan_limits(i->scan)))
		known_sweep_sockets(i->known, now);
	while ((p = known_process_next(i->known, &cursor)) != NULL) {
		uint64_t start;
		int64_t apart;

		if (!p->stale || p->facts.to_ns)
			continue;
		start = process_facts_start(p->facts.pid);
		apart = (int64_t)start - (int64_t)p->start_ns;
		p->stale = false;
		if (start == 0 || apart > SAME_START_NS ||
		    apart < -SAME_START_NS)
			known_process_end(i->known, p, now);
	}
}

static int
open_log(struct identity *i, const struct identity_options *options,
	 struct error *e)
{
	struct history h = { .identity = i };
	size_t processes = options->process_limit ? options->process_limit
						  : PROCESS_LIMIT;
	size_t sockets =
		options->socket_limit ? options->socket_limit : SOCKET_LIMIT;
	int rc;

	h.alive = map_new(sizeof(struct alive_key), sizeof(uint64_t),
			  processes + sockets);
	rc = identity_log_read(options->log_path, history_visit, &h, NULL,
			       NULL, e);
	if (rc == 0 || rc == ERR_NOTFOUND)
		rc = identity_log_open(options->log_path, &i->log, e);
	if (rc == 0) {
		i->known = known_new(processes, sockets, i->log,
				     h.last_serial + 1);
		h.restore = true;
		rc = identity_log_read(options->log_path, history_visit, &h,
				       NULL, NULL, e);
	}
	map_free(h.alive);
	return rc;
}

static int
write_log(struct identity *i, bool sync, struct error *e)
{
	struct error problem = { .code = 0 };
	int rc;

	known_write(i->known);
	rc = identity_log_flush(i->log, sync, &problem);
	free(i->problem);
	i->problem = rc < 0 ? alloc_string(problem.text) : NULL;
	if (rc < 0 && e)
		*e = problem;
	return rc;
}

/* Looks at all sockets by /proc; the next look is as far away as this one was
 * expensive. */
static void
scan(struct identity *i, bool thorough)
{
	const struct socket_scan_sink sink = { i, identity_knows,
					       identity_on_scanned };
	int64_t begin = clock_monotonic_ns(), spent;
	struct error problem;

	if (thorough) {
		map_free(i->unowned);
		i->unowned = map_new(sizeof(uint64_t), sizeof(uint32_t),
				     UNOWNED_MAX);
	}
	free(i->scan_problem);
	i->scan_problem = NULL;
	if (socket_scan_run(i->scan, thorough, &sink, &problem) < 0)
		i->scan_problem = alloc_string(problem.text);
	spent = clock_monotonic_ns() - begin;
	i->next_scan_ns = begin + (spent * SCAN_SHARE > SCAN_NS
					   ? spent * SCAN_SHARE
					   : SCAN_NS);
}

/* Everything that is open now, by the best means there is. */
static void
look_at_everything(struct identity *i)
{
	known_mark_stale(i->known);
	i->existing = IDENTITY_MECHANISM_ITERATOR;
	if (!i->owners ||
	    owner_source_existing(i->owners, identity_on_open_socket, i,
				  NULL) < 0) {
		i->existing = IDENTITY_MECHANISM_PROC;
		scan(i, true);
	}
	history_end(i);
}

static void
open_owners(struct identity *i, const struct identity_options *options)
{
	const struct owner_source_options owners = {
		.without = options->without,
		.without_count = options->without_count,
		.ring_bytes = options->ring_bytes ? options->ring_bytes
						  : RING_BYTES,
	};
	struct error problem;

	if (owner_source_open(&owners, &i->owners, i->degraded, &problem) == 0)
		return;
	i->owners = NULL;
	json_array_append_new(i->degraded,
			      json_pack("{s:s, s:s}", "feature", "bpf", "why",
					problem.text));
}

int
identity_open(const struct identity_options *options,
	      struct identity **identity, struct error *e)
{
	struct identity *i = alloc_zero(1, sizeof(*i));
	int rc;

	i->degraded = json_array();
	i->scan = socket_scan_new();
	i->cgroups = map_new(sizeof(uint64_t), sizeof(char *), CGROUPS_MAX);
	i->unowned =
		map_new(sizeof(uint64_t), sizeof(uint32_t), UNOWNED_MAX);
	i->pods = pod_names_new(options->root ? options->root : "");
	identity_boot_id(i->boot);
	identity_times(i);
	rc = open_log(i, options, e);
	if (rc == 0) {
		/* Attached first: what happens while looking is not missed. */
		open_owners(i, options);
		look_at_everything(i);
		rc = identity_dispatch(i, e);
	}
	if (rc < 0) {
		identity_close(i);
		return rc;
	}
	*identity = i;
	return 0;
}

int
identity_descriptor(const struct identity *i)
{
	return i->owners ? owner_source_descriptor(i->owners) : -1;
}

static void
take_events(struct identity *i)
{
	int64_t now = clock_monotonic_ns();
	uint64_t lost;

	identity_times(i);
	if (!i->owners) {
		if (now >= i->next_scan_ns) {
			known_mark_stale(i->known);
			scan(i, false);
			history_end(i);
		}
		return;
	}
	(void)owner_source_drain(i->owners, identity_on_event, i);
	lost = owner_source_lost(i->owners);
	if (lost != i->lost_handled && now >= i->next_resync_ns) {
		i->lost_handled = lost;
		i->next_resync_ns = now + RESYNC_NS;
		look_at_everything(i);
	}
}

int
identity_dispatch(struct identity *i, struct error *e)
{
	take_events(i);
	if (pod_names_news(i->pods) || i->names_wanted)
		identity_name_pods(i);
	return write_log(i, false, e);
}

int
identity_segment_closed(struct identity *i, int64_t keep_from_ns,
			struct error *e)
{
	int rc = identity_dispatch(i, e);

	if (rc < 0)
		return rc;
	if (!identity_log_is_loose(i->log))
		return identity_log_flush(i->log, true, e);
	return identity_log_compact(i->log, keep_from_ns, e);
}

void
identity_close(struct identity *i)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	if (!i)
		return;
	if (i->known && i->owners)
		take_events(i);
	if (i->known)
		(void)write_log(i, true, NULL);
	owner_source_close(i->owners);
	known_free(i->known);
	identity_log_close(i->log);
	socket_scan_free(i->scan);
	pod_names_free(i->pods);
	while (map_next(i->cgroups, &cursor, &key, &value))
		free(*(char **)value);
	map_free(i->cgroups);
	map_free(i->unowned);
	json_decref(i->degraded);
	free(i->problem);
	free(i->scan_problem);
	free(i);
}
