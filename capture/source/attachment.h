/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet programs on the interfaces of one network namespace, kept up as
 * interfaces come and go.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/source/bpf_source.h"
#include "capture/source/namespace.h"

enum attachment_way { ATTACH_TCX, ATTACH_CLSACT };

struct attachment {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	int link_type;
	bool loopback;
	bool attached;
	int links[2];           /* ingress, egress; TCX */
	/* For an interface that came after the start: how long at most it was
	 * there without us, and the packets it had had by then. */
	int64_t unseen_ns;
	uint64_t unseen_packets;
	int64_t gone_ns;        /* CLOCK_MONOTONIC; 0: it is there */
};

/* One namespace; programs are chosen by [Ethernet or none][ingress, egress]. */
struct attachments {
	struct attachment *list; /* also of those that are gone */
	size_t count;
	int programs[2][2];
	enum attachment_way way;
	const char *const *names; /* of the wanted; NULL: all.  Borrowed */
	size_t name_count;
	int64_t looked_ns;        /* when interfaces were listed; 0: never */
	unsigned cleaned;         /* filters that others had left */
	json_t *degraded;         /* borrowed */
};

#define ATTACHMENTS_MAX 65536u
/* So many of those that are gone are remembered: packets of theirs may still
 * be in the open segment. */
#define ATTACHMENTS_GONE_MAX 1024u

/*
 * Lists the interfaces of the calling thread's namespace, attaches to new ones
 * and forgets those that are gone.  The first error of an interface is
 * returned after all have been tried.
 */
int attachments_refresh(struct attachments *a, struct error *e);

/* Takes everything off again (in the same namespace) and frees. */
void attachments_end(struct attachments *a);
