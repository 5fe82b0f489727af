/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets and their processes without BPF: sock_diag(7) in every network
 * namespace gives ends, cookie and inode of each socket, /proc/PID/fd the
 * processes that have that inode open.  Walking all of /proc is what costs:
 * it is left out when sock_diag shows nothing new.
 *
 * Other namespaces need CAP_SYS_ADMIN (setns(2)); without it only the
 * recorder's own is seen, and socket_scan_limits says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/bpf/owner_event.h"

struct socket_scan;

/* Looks at nothing yet; free with socket_scan_free (NULL is allowed). */
struct socket_scan *socket_scan_new(void);
void socket_scan_free(struct socket_scan *s);

/* How a scan reports. */
struct socket_scan_sink {
	void *context;
	/* True when the owner of this socket is known: it need not be
	 * searched, and is not reported. */
	bool (*known)(void *context, const struct owner_socket *socket);
	/* A socket and one of the processes that have it open. */
	void (*found)(void *context, const struct owner_socket *socket);
};

/*
 * One look at everything; `thorough`: as if nothing were known.  IO, DENIED
 * when not even the own namespace can be asked.
 */
int socket_scan_run(struct socket_scan *s, bool thorough,
		    const struct socket_scan_sink *sink, struct error *e);

/* Why not all namespaces are seen, or NULL. */
const char *socket_scan_limits(const struct socket_scan *s);

/* Namespaces asked in the last scan, and walks through /proc so far. */
size_t socket_scan_namespaces(const struct socket_scan *s);
uint64_t socket_scan_walks(const struct socket_scan *s);
