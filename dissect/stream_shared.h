/* SPDX-License-Identifier: Apache-2.0 */
/* What all streams of one protocol share (dissector.shared_size). */
#pragma once

#include "dissect/stream_context.h"

/* The state of a protocol, `size` bytes that are zero at first. */
void *stream_shared(struct stream_context *context, enum protocol protocol,
		    size_t size);

/* Frees that of all protocols; it is zero again when it is asked for. */
void stream_shared_free(struct stream_context *context);
