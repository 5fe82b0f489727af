/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF programs of capture/bpf/owner.bpf.c: which of them this kernel takes
 * is found by loading each; what they tell is handed on event by event.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "capture/bpf/owner_event.h"

struct owner_source;

struct owner_source_options {
	const char *const *without; /* features not to use */
	size_t without_count;
	uint64_t ring_bytes; /* a power of two */
};

/* An event: what follows `head` its kind says, `size` bytes in all. */
typedef void owner_source_handler(void *context, const struct owner_head *head,
				  size_t size);

/*
 * Loads and attaches.  What is missing is added to `degraded` (an array) as
 * {"feature","why"}.  DENIED or UNSUPPORTED when nothing useful is left.
 */
int owner_source_open(const struct owner_source_options *options,
		      struct owner_source **source, json_t *degraded,
		      struct error *e);
void owner_source_close(struct owner_source *o);

/* Whether a feature is in use: "inet_sock_set_state", "sock_send_length",
 * "sock_recv_length", "tcp_rcv_space_adjust", "sock_release",
 * "sched_process_exec", "sched_process_exit", "iter/task_file". */
bool owner_source_has(const struct owner_source *o, const char *feature);

/* Readable when the ring is half full. */
int owner_source_descriptor(const struct owner_source *o);

/* Hands on all that is in the ring; how many. */
size_t owner_source_drain(struct owner_source *o,
			  owner_source_handler *handler, void *context);

/* Hands on every socket that is open now, of every process, as OWNER_SOCKET
 * events without since_ns.  UNSUPPORTED, IO. */
int owner_source_existing(struct owner_source *o,
			  owner_source_handler *handler, void *context,
			  struct error *e);

/* Events that found no room. */
uint64_t owner_source_lost(const struct owner_source *o);

/* Adds {"check","ok","detail","fix"} for each program, loaded and dropped. */
void owner_source_probe(json_t *checks);
