/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a parser gone bad may send: a stream of frames.  Every event that is
 * accepted must be one that the encoder writes back to the same meaning.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>

#include "dissect/event_wire.h"

/* The second encoding of an event: what the first one meant. */
static void
check_call(struct bytes payload, struct buf *once, struct buf *twice)
{
	struct event_memory memories[4] = { 0 };
	struct call_event call;
	struct bytes again;

	if (event_decode_call(payload, &memories[0], &call) < 0)
		return;
	event_encode_call(once, &memories[1], &call);
	again = bytes_from(buf_view(once), FRAME_HEADER);
	assert(event_decode_call(again, &memories[2], &call) == 0);
	event_encode_call(twice, &memories[3], &call);
}

static void
check_connection(struct bytes payload, struct buf *once, struct buf *twice)
{
	struct connection_event connection;
	struct bytes again;

	if (event_decode_connection(payload, &connection) < 0)
		return;
	event_encode_connection(once, &connection);
	again = bytes_from(buf_view(once), FRAME_HEADER);
	assert(event_decode_connection(again, &connection) == 0);
	event_encode_connection(twice, &connection);
}

static void
check_others(const struct frame *frame, struct buf *once, struct buf *twice)
{
	struct payload_block block;
	struct name_event name;
	struct process_event process;
	struct descriptor_event descriptor;
	struct event_progress progress;

	if (frame->type == EVENT_BLOCK &&
	    event_decode_block(frame->payload, &block) == 0) {
		event_encode_block(once, &block);
		event_encode_block(twice, &block);
	} else if (frame->type == EVENT_NAME &&
		   event_decode_name(frame->payload, &name) == 0) {
		event_encode_name(once, &name);
		event_encode_name(twice, &name);
	} else if (frame->type == EVENT_PROCESS &&
		   event_decode_process(frame->payload, &process) == 0) {
		event_encode_process(once, &process);
		event_encode_process(twice, &process);
	} else if (frame->type == EVENT_DESCRIPTOR &&
		   event_decode_descriptor(frame->payload, &descriptor) == 0) {
		event_encode_descriptor(once, &descriptor);
		event_encode_descriptor(twice, &descriptor);
	} else if ((frame->type == EVENT_PROGRESS ||
		    frame->type == EVENT_DONE) &&
		   event_decode_progress(frame->payload, &progress) == 0) {
		event_encode_progress(once, &progress);
		event_encode_progress(twice, &progress);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_make(data, size);
	struct frame frame;
	struct buf once, twice;

	buf_init(&once, EVENT_FRAME_LIMIT);
	buf_init(&twice, EVENT_FRAME_LIMIT);
	while (frame_next(&in, EVENT_FRAME_LIMIT, &frame) == 1) {
		buf_reset(&once);
		buf_reset(&twice);
		if (frame.type == EVENT_CALL)
			check_call(frame.payload, &once, &twice);
		else if (frame.type == EVENT_CONNECTION)
			check_connection(frame.payload, &once, &twice);
		else
			check_others(&frame, &once, &twice);
		assert(bytes_equal(buf_view(&once), buf_view(&twice)));
	}
	buf_free(&once);
	buf_free(&twice);
	return 0;
}
