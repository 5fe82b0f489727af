/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads that differ in few places from one before them are stored as these
 * places (docs/adr/0053).  Requests of one client are of the same size and,
 * but for an id or a time, say the same: to find that is cheaper than to have
 * zstd find it, and leaves it a tenth to compress.
 *
 * A delta is the bytes 0x80 0x00 (which begin no head: no size in it is
 * written with a needless byte), the varints of the reference's offset in the
 * block and of the head's size, and the stretches that differ.  Each is the
 * varint of the bytes before it that are as in the reference, the varint of
 * twice its size, and its bytes; or, when that varint is odd, its bytes as
 * lower case hexadecimal digits, two in a byte (the first in the upper half),
 * a last zero making them even.
 */
#pragma once

#include "base/buf.h"

#define HEAD_DELTA_SETS 256 /* a power of 2 */
#define HEAD_DELTA_WAYS 2   /* programs that say the same in another order */

/* Heads of a block that others may refer to; zero for an empty block. */
struct head_delta_table {
	struct head_delta_set {
		uint32_t offset[HEAD_DELTA_WAYS];
		uint16_t size[HEAD_DELTA_WAYS]; /* 0: none */
		uint16_t next; /* way to give up */
	} sets[HEAD_DELTA_SETS];
};

/* Appends a head, or its delta, to the block that `table` is of.  No more is
 * appended than the head has bytes. */
void head_delta_append(struct head_delta_table *table, struct buf *block,
		       struct bytes head);

/*
 * The head that `stored`, a slice of the decompressed block, stands for: that
 * slice, or `scratch`, in which it is put together.  Empty when it is damaged;
 * nothing is read outside of `block`.
 */
struct bytes head_delta_read(struct bytes block, struct bytes stored,
			     struct buf *scratch);
