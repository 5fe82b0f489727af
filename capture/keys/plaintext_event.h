/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the BPF programs of capture/bpf/plaintext_probes.bpf.c hand over.  Shared with
 * them, so nothing but kernel types.
 */
#pragma once

#include <linux/types.h>

#define PLAINTEXT_CHUNK 4096u /* of data, in one record */
#define PLAINTEXT_CHUNKS 16u  /* of one call; what is beyond is cut */

/* A part of what one call gave or got; its data follows. */
struct plaintext_event {
	__u64 time_ns;   /* CLOCK_MONOTONIC */
	__u64 cookie;    /* of the socket */
	__u64 netns;     /* cookie of the socket's network namespace */
	__u64 offset;    /* in the stream of this direction, since first seen */
	__u64 opposite;  /* how far the other direction is */
	__u32 netns_inode;
	__u32 pid;       /* thread group */
	__u32 size;      /* of the data, at most PLAINTEXT_CHUNK */
	__u16 local_port, remote_port; /* host order */
	__u8 local[16], remote[16];    /* IPv4 mapped */
	__u8 outbound;   /* written, not read */
	__u8 pad[7];
};
