/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pcap-filter(7) expression applied to packets that were recorded, where the
 * kernel could not: the same answer as libpcap gives over a file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct raw_filter;

/* INVALID with libpcap's words when it is no expression for any of Ethernet
 * and IP packets.  Free with raw_filter_free. */
int raw_filter_new(const char *expression, struct raw_filter **f,
		   struct error *e);
void raw_filter_free(struct raw_filter *f);

/*
 * Whether a packet that begins as LINKTYPE_* `link_type` says matches:
 * `captured` bytes at `data` of `length` on the wire.  False where the
 * expression has no meaning for that link type.
 */
bool raw_filter_matches(struct raw_filter *f, uint16_t link_type,
			const uint8_t *data, uint32_t captured,
			uint32_t length);
