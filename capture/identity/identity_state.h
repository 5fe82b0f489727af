/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of identity.c share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/map.h"
#include "capture/identity/identity.h"
#include "capture/identity/known.h"
#include "capture/identity/identity_log.h"
#include "capture/identity/owner_source.h"
#include "capture/identity/pod_names.h"
#include "capture/identity/socket_scan.h"

struct identity {
	struct identity_log *log;
	struct known *known;
	struct owner_source *owners; /* NULL: no BPF */
	struct socket_scan *scan;
	struct pod_names *pods;
	struct map *cgroups; /* id → char *, path in the unified hierarchy */
	struct map *unowned; /* cookie → times it was searched in vain */
	json_t *degraded;
	char *problem;       /* of the log; NULL: none */
	char *scan_problem;  /* of the last look at all sockets */
	char boot[37];
	/* What is added to the kernel's clocks to have UTC. */
	int64_t monotonic_utc, boottime_utc;
	int64_t next_scan_ns;   /* monotonic; without BPF */
	int64_t next_resync_ns; /* after events were lost */
	uint64_t lost_handled;
	uint64_t events;
	enum identity_mechanism existing; /* how what was open is known */
	bool names_wanted; /* a process whose pod may still become known */
};

/* Compares the clocks again: UTC may have been set. */
void identity_times(struct identity *i);

/* Handlers of owner_source.h and of socket_scan.h; context: the identity. */
void identity_on_event(void *context, const struct owner_head *head,
		       size_t size);
void identity_on_open_socket(void *context, const struct owner_head *head,
			     size_t size);
void identity_on_scanned(void *context, const struct owner_socket *socket);
bool identity_knows(void *context, const struct owner_socket *socket);

/* Completes a process from /proc, cgroup and pod names as far as they are to
 * be had; the process may have ended. */
void identity_complete(struct identity *i, struct known_process *p);

/* Asks again for pods of processes that may have one. */
void identity_name_pods(struct identity *i);
