/* SPDX-License-Identifier: Apache-2.0 */
/* Events as lines of JSON, in one fixed form. */
#pragma once

#include "base/buf.h"
#include "dissect/event.h"
#include "dissect/stream.h"

/* Both expect a struct buf as context, and append one line to it. */
void record_call(void *context, struct call_event *call);
void record_name(void *context, const struct name_event *name);

/* What remains to be said about a stream and its coverage. */
void record_stream(struct buf *out, const struct stream *s);
void record_coverage(struct buf *out, const struct coverage *coverage);
