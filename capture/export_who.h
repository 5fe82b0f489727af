/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was at the ends of an export's packets: the identity blocks of its
 * segments (capture/identity/identity_block.h), each before the packets that
 * need it and once, as long as it does not change.
 *
 * A socket belongs to a packet by protocol, addresses and ports; one that is
 * only bound (a listener, an unconnected UDP socket) by its own address and
 * port.  So there may be a few sockets too many, never too few.  Processes are
 * numbered anew, as every capture numbers its own from 1.  Input is hostile:
 * memory is bounded, what does not fit is left out and counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "capture/export_file.h"
#include "capture/packet_reader.h"

struct export_who_options {
	struct export_file *file; /* borrowed, a pcapng file */
	bool all;                 /* every block, whatever the packets */
	size_t memory_limit;      /* bytes, about */
};

struct export_who;

/* Owned by the caller; export_who_free allows NULL. */
struct export_who *export_who_new(const struct export_who_options *options);
void export_who_free(struct export_who *w);

/* Takes in the body of a custom block of a stream (packet_segment.stream);
 * anybody else's is passed over. */
void export_who_block(struct export_who *w, uint32_t stream, struct bytes body);

/* A packet that will be written next. */
void export_who_packet(struct export_who *w,
		       const struct packet_record *packet);

/* After the last packet: what came after those that need it. */
void export_who_finish(struct export_who *w);

/* Blocks that did not fit. */
uint64_t export_who_left_out(const struct export_who *w);
