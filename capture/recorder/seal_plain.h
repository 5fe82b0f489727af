/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw/NNNNNN.plain: packets of plaintext (capture/keys/plaintext_packet.h) that
 * belong to the raw segment of that number, one record after the other.  A torn
 * end is the end.
 */
#pragma once

#include "capture/source/raw_reader.h"

struct seal_plain {
	void *mapping; /* NULL: there is none */
	size_t size;
	struct raw_reader reader;
	struct raw_packet packet; /* the next one; its time is UTC */
	bool has_packet;
};

/* A file that is not there is an empty one. */
void seal_plain_open(struct seal_plain *p, const char *path);
void seal_plain_close(struct seal_plain *p);

/* Goes to the first packet, and to the one after `packet`. */
void seal_plain_rewind(struct seal_plain *p);
void seal_plain_next(struct seal_plain *p);
