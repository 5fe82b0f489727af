/* SPDX-License-Identifier: Apache-2.0 */
/* Names for messages that were written without, once their type is known. */
#pragma once

#include "base/buf.h"
#include "dissect/application/descriptors.h"

/*
 * Appends `lines` to `out`, the lines that grpc_messages wrote of a body, with
 * messages by name: of `type`, which is one of `descriptors`.  `body` is what
 * was kept of it, its messages framed and not compressed.  A line stays as it
 * is where it has no message, or not the one that the body has there.  Lines
 * that there is no room for are counted, as grpc_messages does.
 *
 * `scratch` is for one message.  False when no line has changed.
 */
bool grpc_names(const struct descriptors *descriptors, uint32_t type,
		struct bytes lines, struct bytes body, struct buf *scratch,
		struct buf *out);
