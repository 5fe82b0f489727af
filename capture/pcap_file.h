/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the classic capture format (draft-ietf-opsawg-pcap): micro- and
 * nanoseconds, both byte orders, and Kuznetzov's variant with longer record
 * headers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "capture/input.h"
#include "capture/pcapng.h"

#define PCAP_HEADER 24

struct pcap_file {
	struct input *in;
	const char *problem; /* after ERR_CORRUPT and ERR_TRUNCATED */
	uint64_t offset;     /* of the current record */
	bool big_endian;
	bool nanoseconds;
	bool swapped_lengths; /* may be: files of libpcap before 1998 */
	uint32_t record_header;
	uint32_t snaplen;
	uint16_t link_type;
	uint8_t fcs_length; /* bytes of frame check sequence; 0: not known */
	size_t pending;
};

/* True when a stream that begins so is a classic capture file. */
bool pcap_detect(struct bytes start);

/* Reads the file header.  ERR_CORRUPT, ERR_TRUNCATED, or as input fails. */
int pcap_open(struct pcap_file *f, struct input *in);

/*
 * 1 and the next packet (borrowed until the next call), 0 at the end,
 * ERR_TRUNCATED, ERR_CORRUPT, ERR_IO or ERR_CANCELLED.
 */
int pcap_next(struct pcap_file *f, struct pcapng_packet *packet);
