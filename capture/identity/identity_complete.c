/* SPDX-License-Identifier: Apache-2.0 */
/* What else is known of a process: cgroup, container, pod. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/identity/cgroup_path.h"
#include "capture/identity/container_id.h"
#include "capture/identity/identity_state.h"
#include "capture/identity/process_facts.h"

/* How long after a process was first seen its pod may become known. */
#define NAMES_NS (15 * CLOCK_NS_PER_S)

/*
 * Only paths in the unified hierarchy go by its ids: elsewhere (cgroup v1)
 * all processes are in its root.
 */
static const char *
cached_path(struct identity *i, uint64_t id)
{
	char *const *path = id ? map_get(i->cgroups, &id) : NULL;

	return path ? *path : NULL;
}

static void
cache_path(struct identity *i, uint64_t id, const char *path)
{
	char **place;
	const void *key;
	void *value;
	size_t cursor = 0;

	if (id == 0 || path[0] != '/' || path[1] == '\0')
		return;
	place = map_put(i->cgroups, &id, NULL);
	if (!place) { /* full: begin anew */
		while (map_next(i->cgroups, &cursor, &key, &value)) {
			free(*(char **)value);
			*(char **)value = NULL;
		}
		return;
	}
	free(*place);
	*place = alloc_string(path);
}

/* Fills what the event did not say from /proc, if it still is that process. */
static void
complete_from_proc(struct identity *i, struct known_process *p)
{
	struct identity_process facts = p->facts;
	struct process_facts proc;

	if (!process_facts_read(p->facts.pid, &proc))
		return;
	if (p->start_ns &&
	    proc.start_ns + PROCESS_START_SLACK_NS >= p->start_ns &&
	    proc.start_ns <= p->start_ns + PROCESS_START_SLACK_NS) {
		if (facts.name.size == 0) {
			facts.name = bytes_of(proc.name);
			facts.parent = proc.parent;
			facts.uid = proc.uid;
		}
		if (facts.executable.size == 0)
			facts.executable = bytes_of(proc.executable);
		if (facts.netns == 0)
			facts.netns = proc.netns;
		if (proc.cgroup_path[0])
			facts.cgroup_path = bytes_of(proc.cgroup_path);
		known_process_set(i->known, p, &facts);
	}
	process_facts_free(&proc);
}

static bool
set_names(struct identity *i, struct identity_process *facts)
{
	struct pod_name name;

	if (!pod_names_find(i->pods, facts->container, facts->pod_uid, &name))
		return false;
	facts->pod = name.pod;
	facts->pod_namespace = name.pod_namespace;
	if (name.pod_uid.size)
		facts->pod_uid = name.pod_uid;
	facts->pod_container = name.container;
	facts->kubernetes_mechanism = bytes_of(name.mechanism);
	return true;
}

static void
complete_container(struct identity *i, struct known_process *p)
{
	struct identity_process facts = p->facts;
	struct container_id container;

	if (!container_id_parse(facts.cgroup_path, &container))
		return;
	facts.container = container.id;
	facts.pod_uid = bytes_of(container.pod_uid);
	if (!set_names(i, &facts)) {
		p->ask_names_until = clock_monotonic_ns() + NAMES_NS;
		i->names_wanted = true;
	}
	known_process_set(i->known, p, &facts);
}

/* The whole path by the id, where the process itself is gone. */
static void
complete_path(struct identity *i, struct known_process *p)
{
	struct identity_process facts = p->facts;
	char *path;

	if (facts.cgroup_path.size && facts.cgroup_path.data[0] == '/')
		return;
	path = cgroup_path_of(facts.cgroup);
	if (!path)
		return;
	if (path[1] != '\0' || facts.cgroup_path.size == 0) {
		facts.cgroup_path = bytes_of(path);
		known_process_set(i->known, p, &facts);
	}
	free(path);
}

void
identity_complete(struct identity *i, struct known_process *p)
{
	const char *cached = cached_path(i, p->facts.cgroup);
	struct identity_process facts = p->facts;
	char *path;

	if (cached) {
		facts.cgroup_path = bytes_of(cached);
		known_process_set(i->known, p, &facts);
	}
	if (!cached || p->facts.executable.size == 0 ||
	    p->facts.name.size == 0)
		complete_from_proc(i, p);
	complete_path(i, p);
	complete_container(i, p);
	/* A process in a unified group other than its root: the id says it. */
	if (!cached && p->facts.cgroup > 1 && p->facts.cgroup_path.size) {
		path = cgroup_path_of(p->facts.cgroup);
		if (path)
			cache_path(i, p->facts.cgroup, path);
		free(path);
	}
}

void
identity_name_pods(struct identity *i)
{
	int64_t now = clock_monotonic_ns();
	struct known_process *p;
	size_t cursor = 0;

	if (!i->names_wanted)
		return;
	i->names_wanted = false;
	while ((p = known_process_next(i->known, &cursor)) != NULL) {
		struct identity_process facts = p->facts;

		if (p->ask_names_until == 0)
			continue;
		if (set_names(i, &facts)) {
			p->ask_names_until = 0;
			known_process_set(i->known, p, &facts);
		} else if (now > p->ask_names_until) {
			p->ask_names_until = 0;
		} else {
			i->names_wanted = true;
		}
	}
}
