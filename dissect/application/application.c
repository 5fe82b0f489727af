/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/application.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/application/grpc_messages.h"
#include "dissect/content.h"
#include "dissect/payload.h"

struct application {
	struct application_options options;
	struct content_decoder *decoder;
	struct buf decoded;
	struct buf messages[2]; /* of the request, of the response */
};

struct application *
application_new(const struct application_options *options)
{
	struct application *a = alloc_zero(1, sizeof(*a));

	a->options = *options;
	a->decoder = content_decoder_new();
	buf_init(&a->decoded, options->body_limit);
	for (int side = 0; side < 2; side++)
		buf_init(&a->messages[side], PAYLOAD_MESSAGES_LIMIT);
	return a;
}

void
application_free(struct application *a)
{
	if (!a)
		return;
	content_decoder_free(a->decoder);
	buf_free(&a->decoded);
	for (int side = 0; side < 2; side++)
		buf_free(&a->messages[side]);
	free(a);
}

static void
grpc_call(struct application *a, struct call_event *call)
{
	struct call_half *halves[2] = { &call->request, &call->response };
	uint32_t types[2] = { DESCRIPTORS_NONE, DESCRIPTORS_NONE };
	const struct grpc_reader reader = {
		.decoder = a->decoder,
		.scratch = &a->decoded,
		.descriptors = a->options.descriptors,
		.ratio_limit = a->options.ratio_limit,
	};

	if (reader.descriptors)
		descriptors_method(reader.descriptors,
				   call->fields[FIELD_METHOD], &types[0],
				   &types[1]);
	for (int side = 0; side < 2; side++) {
		if (!halves[side]->body.size)
			continue;
		buf_reset(&a->messages[side]);
		grpc_messages(&reader, halves[side], types[side],
			      &a->messages[side]);
		halves[side]->messages = buf_view(&a->messages[side]);
	}
}

void
application_call(struct application *a, struct call_event *call)
{
	if (call->protocol == PROTOCOL_grpc)
		grpc_call(a, call);
}
