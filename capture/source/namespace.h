/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces and what is in them.  Entering one is done by a thread of
 * its own, so that the process stays where it is.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* In place of a descriptor: the caller's own. */
#define NAMESPACE_OWN (-1)

/* Opens a namespace by its ip-netns(8) name or by a path; a descriptor, or
 * NOTFOUND, DENIED. */
int namespace_open(const char *name, struct error *e);

/*
 * Runs `work(context)` in the namespace and returns what it returns, or a
 * negative error when the namespace cannot be entered (DENIED without
 * CAP_SYS_ADMIN).  Sockets made there stay there.
 */
int namespace_run(int descriptor, int (*work)(void *context), void *context,
		  struct error *e);

/*
 * The kernel's number for the calling thread's namespace (SO_NETNS_COOKIE,
 * Linux 5.14), which no other namespace gets until the next boot; on older
 * kernels the inode number of the namespace.
 */
uint64_t namespace_cookie(void);

/* The inode number of the calling thread's namespace; 0: /proc is missing. */
uint64_t namespace_inode(void);

/* One network interface. */
struct link {
	uint32_t ifindex;
	uint16_t hardware; /* ARPHRD_* */
	unsigned flags;    /* IFF_* */
	uint64_t packets;  /* both ways, since it appeared */
	char name[IF_NAMESIZE];
};

#define LINKS_MAX 65536u

/* The interfaces of the calling thread's namespace; `*links` is the caller's
 * (free). */
int namespace_links(struct link **links, size_t *count, struct error *e);

/*
 * A socket of the calling thread's namespace that becomes readable whenever an
 * interface changes; namespace_drain empties it, true when something was there.
 */
int namespace_watch(struct error *e);
bool namespace_drain(int watch);
