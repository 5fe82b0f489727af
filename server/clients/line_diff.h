/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of one place looks like to a person. */
#pragma once

#include "base/buf.h"

/* Appends a unified diff of one hunk from `before` to `after`, with three
 * lines around it; nothing when they are equal.  Linear in their sizes. */
void line_diff(struct bytes before, struct bytes after, const char *path,
	       struct buf *out);
