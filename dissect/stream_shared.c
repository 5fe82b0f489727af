/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/stream_shared.h"

#include <stdlib.h>

#include "base/alloc.h"

void *
stream_shared(struct stream_context *context, enum protocol protocol,
	      size_t size)
{
	void **shared = &context->shared[protocol];

	if (!*shared)
		*shared = alloc_zero(1, size);
	return *shared;
}

void
stream_shared_free(struct stream_context *context)
{
	for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
		free(context->shared[i]);
		context->shared[i] = NULL;
	}
}
