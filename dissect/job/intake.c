/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/intake.h"

#include <stdlib.h>

#include "base/text.h"

#define FAULT_TEXT_MAX 200

/* Ids are dealt out by stride; a parser must keep to its own. */
static bool
own_id(const struct parser *p, uint64_t id)
{
	return id % p->count == p->index;
}

/* dissect/payload.h: heads and bodies take turns. */
static bool
is_bodies(const struct parser *p, uint64_t block)
{
	return block / p->count % 2;
}

static int
take_block(struct store_writer *store, struct parser *p, struct bytes payload)
{
	struct payload_block block;

	if (event_decode_block(payload, &block) < 0 ||
	    !own_id(p, block.block) ||
	    block.bodies != is_bodies(p, block.block) ||
	    block.block < p->next_block[block.bodies])
		return ERR_CORRUPT;
	p->next_block[block.bodies] = block.block + 1;
	return store_writer_block(store, block.block,
				  block.bodies ? PAYLOAD_BODIES :
						 PAYLOAD_HEADS,
				  block.raw_size, block.compressed);
}

/* A reference must be into a block of its kind that this parser has sent. */
static bool
known_ref(const struct parser *p, struct payload_ref ref, bool bodies)
{
	return ref.size == 0 ||
	       (own_id(p, ref.block) && is_bodies(p, ref.block) == bodies &&
		ref.block < p->next_block[bodies]);
}

static int
take_call(struct store_writer *store, struct parser *p, struct bytes payload)
{
	struct call_event call;

	if (event_decode_call(payload, &p->last_call, &call) < 0 ||
	    !own_id(p, call.connection) ||
	    !known_ref(p, call.request.head_ref, false) ||
	    !known_ref(p, call.request.body_ref, true) ||
	    !known_ref(p, call.request.messages_ref, true) ||
	    !known_ref(p, call.response.head_ref, false) ||
	    !known_ref(p, call.response.body_ref, true) ||
	    !known_ref(p, call.response.messages_ref, true))
		return ERR_CORRUPT;
	return store_writer_call(store, &call);
}

static int
take_connection(struct store_writer *store, struct parser *p,
		struct bytes payload)
{
	struct connection_event connection;

	if (event_decode_connection(payload, &connection) < 0 ||
	    !own_id(p, connection.id))
		return ERR_CORRUPT;
	return store_writer_connection(store, &connection);
}

static int
take_name(struct store_writer *store, struct bytes payload)
{
	struct name_event name;

	if (event_decode_name(payload, &name) < 0)
		return ERR_CORRUPT;
	return store_writer_name(store, &name);
}

static int
take_process(struct store_writer *store, struct bytes payload)
{
	struct process_event process;

	if (event_decode_process(payload, &process) < 0)
		return ERR_CORRUPT;
	return store_writer_process(store, &process);
}

static int
take_descriptor(struct descriptor_list *descriptors, struct bytes payload)
{
	struct descriptor_event event;

	if (event_decode_descriptor(payload, &event) < 0)
		return ERR_CORRUPT;
	descriptor_list_add(descriptors, &event);
	return 0;
}

static int
take_progress(struct parser *p, struct bytes payload, bool done)
{
	struct event_progress progress;

	if (event_decode_progress(payload, &progress) < 0)
		return ERR_CORRUPT;
	p->progress = progress;
	p->done = done;
	return 0;
}

static void
take_fault(struct parser *p, struct bytes payload)
{
	char *text = text_printable(payload, FAULT_TEXT_MAX);

	parser_fail(p, "gave up: %s", text);
	free(text);
}

int
intake_frame(struct store_writer *store, struct descriptor_list *descriptors,
	     struct parser *p, const struct frame *frame)
{
	if (p->done) /* it said that there would be no more */
		return ERR_CORRUPT;
	switch (frame->type) {
	case EVENT_BLOCK:
		return take_block(store, p, frame->payload);
	case EVENT_CALL:
		return take_call(store, p, frame->payload);
	case EVENT_CONNECTION:
		return take_connection(store, p, frame->payload);
	case EVENT_NAME:
		return take_name(store, frame->payload);
	case EVENT_PROCESS:
		return take_process(store, frame->payload);
	case EVENT_DESCRIPTOR:
		return take_descriptor(descriptors, frame->payload);
	case EVENT_PROGRESS:
		return take_progress(p, frame->payload, false);
	case EVENT_DONE:
		return take_progress(p, frame->payload, true);
	case EVENT_FAULT:
		take_fault(p, frame->payload);
		return 0;
	default:
		return ERR_CORRUPT;
	}
}
