/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Length-framed messages between our own processes:
 * u32 LE size of type+payload, u8 type, payload.  The receiving side trusts
 * nothing: a size over its cap is ERR_CORRUPT.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

#define FRAME_HEADER 5

struct frame {
	uint8_t type;
	struct bytes payload;
};

/* Appends a header for a payload of unknown size; returns its position. */
size_t frame_begin(struct buf *out, uint8_t type);

/* Fills in the size of the frame begun at `position`.  When something did not
 * fit (`out->failed`), removes the frame: `out` holds whole frames only. */
void frame_end(struct buf *out, size_t position);

/*
 * Takes the next whole frame from the front of `in` (`*in` moves past it).
 * Returns 1 with `*frame` borrowed from `in`, 0 when more bytes are needed,
 * ERR_CORRUPT when the size is 0 or over `limit`.
 */
int frame_next(struct bytes *in, size_t limit, struct frame *frame);
