/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture file of either format as one sequence of events, whatever it is
 * compressed with.
 */
#pragma once

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/err.h"
#include "capture/input.h"
#include "capture/pcap_file.h"
#include "capture/pcapng.h"

enum capture_event_kind {
	CAPTURE_EVENT_SECTION,   /* a pcapng section begins; `options` */
	CAPTURE_EVENT_INTERFACE, /* the next interface of the section */
	CAPTURE_EVENT_PACKET,
	CAPTURE_EVENT_BLOCK,     /* any other pcapng block */
};

/* Borrowed until the next call; numbers in `options` and `block` are in the
 * file's byte order. */
struct capture_event {
	enum capture_event_kind kind;
	bool big_endian;
	struct bytes options;              /* SECTION, INTERFACE */
	struct pcapng_interface interface; /* INTERFACE */
	uint8_t fcs_length;                /* INTERFACE of classic pcap */
	struct pcapng_packet packet;       /* PACKET */
	struct pcapng_block block;         /* PACKET of pcapng, BLOCK */
};

struct capture_file {
	struct input input;
	bool is_pcapng;
	struct pcapng pcapng;
	struct pcap_file pcap;
	bool described; /* pcap: its interface event has been given */
};

/*
 * Begins reading `fd`, which stays the caller's.  `name` is for messages.
 * ERR_CORRUPT: not a capture file, with a sentence; else as input_open.
 * Free with capture_file_close in any case.
 */
int capture_file_open(struct capture_file *f, int fd, const char *name,
		      const atomic_bool *cancelled, struct error *e);
void capture_file_close(struct capture_file *f);

/* 1 and an event, 0 at the end, or a negative error. */
int capture_file_next(struct capture_file *f, struct capture_event *event);

/* After an error: what is wrong ("it ends inside a packet"), and where in the
 * uncompressed file the packet or block begins that could not be read. */
const char *capture_file_problem(const struct capture_file *f);
uint64_t capture_file_offset(const struct capture_file *f);
