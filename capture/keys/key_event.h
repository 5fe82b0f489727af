/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the BPF programs of capture/bpf/key_probes.bpf.c hand over.  Shared with
 * them, so nothing but kernel types.
 */
#pragma once

#include <linux/types.h>

#define KEY_SECRET_MAX 64
#define KEY_RANDOM_SIZE 32

/* As enum secret_label of capture/secrets.h, which user space asserts. */
enum key_label {
	KEY_MASTER,
	KEY_CLIENT_EARLY,
	KEY_CLIENT_HANDSHAKE,
	KEY_SERVER_HANDSHAKE,
	KEY_CLIENT_TRAFFIC,
	KEY_SERVER_TRAFFIC,
	KEY_LABELS,
};

enum key_hook {
	KEY_HOOK_OPENSSL = 1,
	KEY_HOOK_GO = 2,
	KEY_HOOK_GNUTLS = 3,
	KEY_HOOK_BORINGSSL = 4,
};

/* A secret, from the ring "secrets". */
struct key_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 cookie;  /* of the thread's last TCP socket; 0: unknown */
	__u32 pid;     /* thread group */
	__u32 thread;
	__u16 local_port, remote_port; /* host order */
	__u8 label;    /* enum key_label */
	__u8 hook;     /* enum key_hook */
	__u8 size;     /* of the secret */
	__u8 has_random;
	__u8 local[16], remote[16]; /* IPv4 mapped */
	char name[16];
	__u8 random[KEY_RANDOM_SIZE];
	__u8 secret[KEY_SECRET_MAX];
};

/* A file as /proc/PID/maps and a binary's inode name it. */
struct key_file {
	__u64 inode;
	__u32 device; /* major << 20 | minor */
	__u32 pad;
};

/* A program was executed, from the ring "programs". */
struct key_program {
	__u32 pid;
	__u32 known; /* its file is in the map "known_files" */
};
