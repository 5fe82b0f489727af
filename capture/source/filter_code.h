/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pcap-filter(7) expression as instructions of classic BPF.  The kernel's
 * and libpcap's headers name their structs alike and cannot be included
 * together; this one stands between them and has the layout of both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct filter_code {
	uint16_t code; /* as in linux/filter.h */
	uint8_t jump_true;
	uint8_t jump_false;
	uint32_t k;
};

/* As many as the kernel takes. */
#define FILTER_CODE_MAX 4096

struct filter {
	struct filter_code *code; /* owned */
	size_t count;
};

/*
 * Compiles for packets that begin as LINKTYPE_* `link_type` says.  INVALID
 * with libpcap's words when it is no expression, or none for that link type.
 * Free with filter_free in any case.  A name in it is looked up by libpcap.
 */
int filter_compile(const char *expression, uint16_t link_type,
		   struct filter *f, struct error *e);
void filter_free(struct filter *f);

/*
 * True when the expression asks for what the kernel keeps apart from the
 * packet (a VLAN tag it took off), so that only a reader that put it back can
 * tell.
 */
bool filter_needs_tags(const char *expression);
