/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pcap or pcapng file being written under a temporary name.  Failures are
 * sticky: write on, and ask once at export_file_publish.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "capture/packet_reader.h"
#include "capture/pcapng.h"

struct export_file;

/* Begins the file that will become `path`; NULL on error. */
struct export_file *export_file_new(const char *path, bool pcap,
				    struct error *e);

/* Removes what was not published. */
void export_file_free(struct export_file *f);

/* Keeps the description of an interface until a packet of it comes. */
void export_file_interface(struct export_file *f, uint32_t number,
			   const struct pcapng_block *block, bool big_endian);

/* A block without interface; nothing in a classic pcap. */
void export_file_block(struct export_file *f,
		       const struct pcapng_block *block, bool big_endian);

/* ERR_UNSUPPORTED: a second link type, or a time after 2106, in a classic
 * pcap. */
int export_file_packet(struct export_file *f,
		       const struct packet_record *packet,
		       struct bytes options, bool big_endian, struct error *e);

/* Renames the finished file to its place, replacing what was there.  Returns
 * what failed first, if anything. */
int export_file_publish(struct export_file *f, uint64_t *size,
			struct error *e);
