/* SPDX-License-Identifier: Apache-2.0 */
/* Who the packets of one segment belong to, from the capture's identity.log. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "capture/recorder/interfaces.h"
#include "capture/segment_writer.h"
#include "capture/source/raw_reader.h"

struct seal_identity;

/* A log that is absent or damaged gives what there is. */
struct seal_identity *seal_identity_open(const char *log_path);
void seal_identity_close(struct seal_identity *i);

/* A packet of the segment; `time_ns` is UTC. */
void seal_identity_want(struct seal_identity *i, int64_t time_ns,
			uint16_t link_type, const struct raw_packet *packet);

/* Which namespaces the interfaces are in, for those that the source, which has
 * no right to enter namespaces, did not know. */
void seal_identity_namespaces(const struct seal_identity *i,
			      struct interfaces *interfaces);

/* Writes the blocks for all that was wanted. */
int seal_identity_write(struct seal_identity *i, struct segment_writer *w,
			struct error *e);
