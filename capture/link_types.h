/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link-layer header types as they stand in capture files
 * (https://www.tcpdump.org/linktypes.html).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum link_type {
	LINK_TYPE_NULL = 0,
	LINK_TYPE_ETHERNET = 1,
	LINK_TYPE_RAW_BSD = 12,     /* DLT_RAW, written by some as it is */
	LINK_TYPE_RAW_OPENBSD = 14, /* the same on OpenBSD */
	LINK_TYPE_RAW = 101,
	LINK_TYPE_LOOP = 108,
	LINK_TYPE_LINUX_SLL = 113,
	LINK_TYPE_IPV4 = 228,
	LINK_TYPE_IPV6 = 229,
	LINK_TYPE_LINUX_SLL2 = 276,
};

#define LINK_TYPE_TEXT 48

/* True for the types whose packets can be dissected. */
bool link_type_supported(uint16_t type);

/*
 * The short lower-case name ("ethernet", "linux_sll2"), or "linktype_147" for
 * a type without one, written to `out`.  Returns `out`.
 */
const char *link_type_name(uint16_t type, char out[LINK_TYPE_TEXT]);

/* RAW for its two old numbers, every other type as it is. */
uint16_t link_type_normal(uint16_t type);

/*
 * What packets of a Linux device begin with whose hardware type is ARPHRD_*
 * `hardware` (net/if_arp.h), or -1 for devices whose packets we do not know.
 */
int link_type_of_hardware(uint16_t hardware);

/* What is supported, as a list for an error message. */
extern const char link_types_supported[];
