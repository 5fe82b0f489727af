/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity blocks for tests, written from the description at the top of
 * capture/identity/identity_block.h and not with its encoder.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

struct given_process {
	uint64_t id;
	uint32_t pid;
	int64_t from_ns, to_ns;
	const char *name; /* and its executable is /usr/bin/<name> */
	const char *container, *pod, *pod_namespace; /* NULL: none */
};

/* Addresses are text; NULL: any. */
struct given_socket {
	uint64_t cookie, process;
	uint32_t thread;
	uint8_t ip_protocol; /* 0: TCP */
	bool listening;
	uint8_t mechanism;
	const char *local, *remote;
	uint16_t local_port, remote_port;
	uint64_t netns;
	int64_t from_ns, to_ns;
};

/* The body of a custom block in place of what `out` held. */
void identities_process(struct buf *out, const struct given_process *p);
void identities_socket(struct buf *out, const struct given_socket *s);
