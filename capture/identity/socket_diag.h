/* SPDX-License-Identifier: Apache-2.0 */
/* All TCP and UDP sockets of one network namespace, by sock_diag(7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/bpf/owner_event.h"

/* A growing list; zeroed is empty.  Free `at` with free(3). */
struct socket_list {
	struct owner_socket *at;
	size_t count, capacity;
};

/* The most sockets that are listed. */
#define SOCKET_LIST_MAX ((size_t)1 << 20)

/*
 * Appends the sockets of the namespace whose /proc/PID/ns/net `namespace_path`
 * is (NULL: the own).  Those that have no file (TIME_WAIT, not accepted yet)
 * are left out.  DENIED, IO, NOTFOUND (the namespace is gone).
 */
int socket_diag_list(const char *namespace_path, struct socket_list *list,
		     struct error *e);
