/* SPDX-License-Identifier: Apache-2.0 */
/* What a server of gRPC says of its types, on its way out of the dissector. */
#pragma once

#include "dissect/event.h"

/* A FileDescriptorProto that a server of gRPC answered with when it was asked
 * for its types. */
struct descriptor_event {
	struct endpoint server;
	int64_t time_ns; /* of the answer */
	struct bytes name; /* of the file */
	struct bytes file;
};

/* Who wants to have them. */
struct descriptor_sink {
	void *context;
	void (*file)(void *context, const struct descriptor_event *event);
};
