/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was at the ends of the packets, as it stands in a segment: pcapng custom
 * blocks (draft-ietf-opsawg-pcapng §4.8), one for a process, one for a socket.
 * A segment carries all that its own packets need, so that it stands alone;
 * a reader may meet the same process or socket in several segments and takes
 * the newest.  Programs that do not know the blocks pass over them.
 *
 * Body, little endian: u32 enterprise number (32473, RFC 5612: there is no
 * number of our own), the 8 bytes "aftertap", u16 kind, u16 version 1, then
 * the fields below in their order; numbers fixed-size, strings u16 size and
 * bytes.  A reader ignores what follows the fields it knows.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

#define IDENTITY_ENTERPRISE 32473u
#define IDENTITY_STRING_MAX 4096u

enum identity_kind {
	IDENTITY_PROCESS = 1,
	IDENTITY_SOCKET = 2,
};

/* How it is known. */
#define IDENTITY_MECHANISM_MAP(X)                                  \
	X(UNKNOWN, "unknown")                                      \
	X(TRACEPOINT, "tracepoint") /* seen as it happened, by BPF */ \
	X(ITERATOR, "iterator")     /* BPF iterator at start */       \
	X(PROC, "proc")             /* /proc and sock_diag */

enum identity_mechanism {
#define X(name, text) IDENTITY_MECHANISM_##name,
	IDENTITY_MECHANISM_MAP(X)
#undef X
	IDENTITY_MECHANISM_COUNT
};

/* One life of a process (not of its number, which is used again). */
struct identity_process {
	uint64_t id;         /* within the capture; never used again */
	uint32_t pid;        /* thread group, in the initial pid namespace */
	uint32_t parent;     /* its parent's pid, 0: unknown */
	uint32_t uid;
	int64_t from_ns;     /* started, UTC; 0: unknown */
	int64_t to_ns;       /* ended; 0: it lived when this was written */
	uint64_t cgroup;     /* id; 0: unknown */
	uint64_t netns;      /* inode of /proc/PID/ns/net; 0: unknown */
	uint8_t mechanism;   /* enum identity_mechanism */
	struct bytes name;   /* comm, at most 15 bytes */
	struct bytes executable;  /* path; empty: unknown */
	struct bytes cgroup_path; /* below the cgroup root */
	struct bytes container;   /* id, 64 hex digits in general */
	/* As far as the node itself knows Kubernetes; empty: unknown. */
	struct bytes pod, pod_namespace, pod_uid, pod_container;
	struct bytes kubernetes_mechanism; /* "log directory", "cri", … */
};

/* One socket of a process, while it had these two ends. */
struct identity_socket {
	uint64_t cookie;     /* 0: not known */
	uint64_t process;    /* identity_process.id */
	uint32_t thread;     /* that was seen using it; 0: unknown */
	uint8_t ip_protocol; /* 6, 17 */
	bool listening;      /* accepts; what it accepts has its own entry,
			      * this one stands in where that is missing */
	uint8_t mechanism;
	uint8_t local[16], remote[16]; /* IPv4 mapped; zero: any */
	uint16_t local_port, remote_port; /* 0: any */
	uint64_t netns;      /* inode; 0: unknown */
	int64_t from_ns, to_ns; /* UTC; from 0: before the recorder looked;
				 * to 0: open when this was written */
	uint64_t netns_cookie;  /* of the same namespace, as raw packets carry
				 * it; 0: unknown */
};

/* Where a socket is looked for: what it does not say is zero. */
struct identity_place {
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint32_t ip_protocol;
};

_Static_assert(sizeof(struct identity_place) == 40, "no padding: hashed");

/* The place of a socket.  One that listens has no remote end, and 0.0.0.0 is
 * any address, as :: is. */
struct identity_place identity_place_of(const struct identity_socket *socket);

/* Appends the body of a custom block (PCAPNG_CUSTOM). */
void identity_encode_process(struct buf *out, const struct identity_process *p);
void identity_encode_socket(struct buf *out, const struct identity_socket *s);

struct identity_block {
	enum identity_kind kind;
	union {
		struct identity_process process;
		struct identity_socket socket;
	};
};

/*
 * Reads the body of a custom block; slices are borrowed from it.  True when it
 * is one of ours and whole; false for anybody else's and for damage.
 */
bool identity_decode(struct bytes body, struct identity_block *block);
