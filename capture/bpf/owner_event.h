/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What owner.bpf.c tells about sockets and processes, through its ring and
 * through its iterator.  Shared with .bpf.c files: kernel types only.
 */
#pragma once

#include <linux/types.h>

#define OWNER_PATH_SIZE 512u /* components, leaf first, each terminated */
#define OWNER_NAME_SIZE 16u
#define OWNER_CGROUP_SIZE 128u
#define OWNER_PATH_DEPTH 20u

enum owner_kind {
	OWNER_PROCESS = 1, /* struct owner_process: it uses a socket */
	OWNER_EXEC,        /* struct owner_process: the same, it is another
			    * program now */
	OWNER_EXIT,        /* struct owner_head */
	OWNER_SOCKET,      /* struct owner_socket */
	OWNER_CLOSED,      /* struct owner_socket: only cookie, no process */
};

struct owner_head {
	__u64 time_ns;  /* CLOCK_MONOTONIC */
	__u64 start_ns; /* of the process, CLOCK_BOOTTIME */
	__u32 kind;     /* enum owner_kind */
	__u32 pid;      /* thread group, initial namespace */
};

struct owner_socket {
	struct owner_head head;
	__u64 cookie;
	__u64 since_ns;     /* CLOCK_MONOTONIC; 0: unknown */
	__u64 netns_cookie; /* 0: unknown */
	__u64 inode;        /* of the file, from the iterator only */
	__u32 netns;        /* inode */
	__u32 thread;
	__u16 family;
	__u16 local_port, remote_port;
	__u8 ip_protocol;
	__u8 state;     /* TCP_* */
	__u8 local[16]; /* the first four bytes for IPv4 */
	__u8 remote[16];
};

struct owner_process {
	struct owner_head head;
	__u64 cgroup;        /* id in the unified hierarchy */
	__u32 parent;
	__u32 uid;
	__u32 netns;         /* inode */
	__u32 path_size;
	char name[OWNER_NAME_SIZE];
	/* Names of its cgroup and of the one above, in the unified hierarchy or,
	 * where it is in the root of that, in that of the memory controller. */
	char cgroup_name[OWNER_CGROUP_SIZE];
	char cgroup_parent[OWNER_CGROUP_SIZE];
	char path[OWNER_PATH_SIZE];
};
