/* SPDX-License-Identifier: Apache-2.0 */
/* Snappy, as its "format_description.txt" tells. */
#pragma once

#include "base/buf.h"

/* Appends the decompressed form of one block to `out`, up to its limit; false
 * when some is missing because of that or as it is malformed: what was appended
 * is right as far as it goes. */
bool snappy_block(struct bytes in, struct buf *out);
