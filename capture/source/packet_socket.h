/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AF_PACKET socket with a TPACKET_V3 ring (packet(7),
 * Documentation/networking/packet_mmap.rst): all interfaces of a network
 * namespace or some of them, told apart by a classic filter in front of the
 * user's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/source/filter_code.h"
#include "capture/source/namespace.h"
#include "capture/source/source.h"

/* A block is closed after this long however little is in it. */
#define PACKET_BLOCK_MS 60
#define PACKET_BLOCK_BYTES (1u << 20)

struct packet_socket {
	int fd;
	uint8_t *blocks;
	size_t size;          /* of all blocks */
	size_t count;
	size_t next;          /* the block that is filled next */
	uint64_t netns;       /* cookie */
	uint64_t netns_inode;
	struct link *links;   /* those wanted that there are */
	size_t link_count;
	uint64_t packets;     /* seen, so far */
	uint64_t drops;
};

/* What is wanted of the namespace. */
struct packet_wanted {
	const char *const *names; /* NULL: all */
	size_t name_count;
	const struct filter *ethernet; /* NULL: no filter */
	const struct filter *raw;      /* for devices without link header */
	uint32_t snaplen;              /* at most RAW_PACKET_MAX */
};

/* Opens in the calling thread's namespace.  DENIED without CAP_NET_RAW.
 * Close in any case. */
int packet_socket_open(struct packet_socket *s,
		       const struct packet_wanted *wanted, size_t ring_bytes,
		       struct error *e);
void packet_socket_close(struct packet_socket *s);

/* Looks at the interfaces again (in the socket's namespace) and adapts. */
int packet_socket_refresh(struct packet_socket *s,
			  const struct packet_wanted *wanted, struct error *e);

/* The next full block, or NULL; its used bytes. */
uint8_t *packet_socket_peek(struct packet_socket *s, size_t *used);
/* Gives it back to the kernel; returns the packets that were in it. */
uint32_t packet_socket_release(struct packet_socket *s);

/* Adds what the kernel counted since the last call to `packets` and `drops`. */
void packet_socket_count(struct packet_socket *s);
