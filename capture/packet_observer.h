/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else a packet reader sees, for those who write captures again: the
 * descriptions of interfaces, blocks that are not packets, packet options.
 */
#pragma once

#include <stdint.h>

#include "capture/packet_reader.h"
#include "capture/pcapng.h"

struct packet_observer {
	void *context;
	/* The interface that packets will name `number` is declared. */
	void (*interface)(void *context, uint32_t number,
			  const struct pcapng_block *block, bool big_endian);
	/* A block that is neither section, interface nor packet. */
	void (*block)(void *context, const struct pcapng_block *block,
		      bool big_endian);
};

/* Calls `observer` (copied) from within packet_reader_next from now on. */
void packet_reader_observe(struct packet_reader *r,
			   struct packet_observer observer);

/* The stream (packet_segment.stream) that an observer is being told about, or
 * that gave the packet returned last. */
uint32_t packet_reader_stream(const struct packet_reader *r);

/* The options of the packet returned last, borrowed as its data. */
struct bytes packet_reader_options(const struct packet_reader *r,
				   bool *big_endian);
