/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewriting pcapng blocks for our segments: little endian, times in
 * nanoseconds, interface ids of the capture.  Options that pcapng defines as
 * numbers change byte order; everything unknown is copied as it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "capture/pcapng.h"

/* Appends one option: code, length, value, padding. */
void pcapng_put_option(struct buf *out, uint16_t code, struct bytes value);

/*
 * Appends the options of a block of type `block` without the end marker.
 * if_tsresol and if_tsoffset are left out of interface descriptions.
 */
void pcapng_convert_options(struct buf *out, uint32_t block,
			    struct bytes options, bool big_endian);

/*
 * Appends the body of a statistics block whose interface becomes `id`, with
 * all times in nanoseconds.  `body` holds the 12 fixed bytes at least.
 */
void pcapng_convert_statistics(struct buf *out, struct bytes body,
			       bool big_endian,
			       const struct pcapng_interface *interface,
			       uint32_t id);

/* Appends the body of any other block without interfaces and times. */
void pcapng_convert_body(struct buf *out, uint32_t block, struct bytes body,
			 bool big_endian);

/* The value of an 8-byte option, 0 when it is absent. */
uint64_t pcapng_option_u64(struct bytes options, bool big_endian,
			   uint16_t code);
