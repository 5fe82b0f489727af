/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as frames between a parser and the writer; decoding trusts nothing.
 *
 * Numbers are varints, times are fixed or differences.  A call says of its
 * texts and addresses only what differs from the call before it, so that both
 * ends remember that one.  The encoder clamps times to
 * 0 … EVENT_TIME_MAX and counts to EVENT_COUNT_MAX, so that differences and
 * sums of any two fit; a decoder refuses the rest.  What a decoder accepts
 * has only known protocols, flags, reasons, encodings and states, and
 * payload_refs that end below 4 GiB; whether a block exists is for the store
 * to know.
 */
#pragma once

#include "base/frame.h"
#include "dissect/descriptor_event.h"
#include "dissect/event.h"
#include "dissect/payload.h"

enum event_type {
	EVENT_BLOCK = 1,
	EVENT_CALL,
	EVENT_CONNECTION,
	EVENT_NAME,
	EVENT_PROGRESS, /* struct event_progress */
	EVENT_DONE,     /* struct event_progress; the parser exits 0 after it */
	EVENT_FAULT,    /* text; the parser gives up */
	EVENT_PROCESS,
	EVENT_DESCRIPTOR,
};

#define EVENT_FRAME_LIMIT (24u << 20)
#define EVENT_TIME_MAX (INT64_MAX / 2)
#define EVENT_COUNT_MAX ((uint64_t)1 << 56)

/* Longer texts of a call are always sent. */
#define EVENT_MEMORY_TEXT 63

struct event_memory_text {
	uint8_t size;
	uint8_t text[EVENT_MEMORY_TEXT];
};

/* What the call before said; zero at the start of a stream of frames. */
struct event_memory {
	struct event_memory_text texts[FIELD_COUNT + 2]; /* content types */
	uint8_t client[16], server[16];
	int64_t time_ns; /* the last one of the call */
};

/* How far a parser has come, with its counts so far. */
struct event_progress {
	uint64_t bytes_read, packets;
	int64_t time_ns; /* of the last packet */
	uint32_t damaged_segments;
	struct coverage coverage;
};

/* Each encoder appends one frame, or sets out->failed and appends nothing. */

/* EVENT_BLOCK */
void event_encode_block(struct buf *out, const struct payload_block *block);

/* EVENT_CALL: head and body of its halves stay behind, their refs travel. */
void event_encode_call(struct buf *out, struct event_memory *memory,
		       const struct call_event *call);

/* EVENT_CONNECTION: the facts of TCP only where it is TCP. */
void event_encode_connection(struct buf *out, const struct connection_event *c);

/* EVENT_NAME */
void event_encode_name(struct buf *out, const struct name_event *name);

/* EVENT_PROCESS: its strings cut to IDENTITY_STRING_MAX */
void event_encode_process(struct buf *out, const struct process_event *event);

/* EVENT_DESCRIPTOR */
void event_encode_descriptor(struct buf *out,
			     const struct descriptor_event *event);

/* EVENT_PROGRESS */
void event_encode_progress(struct buf *out, const struct event_progress *p);

/* EVENT_DONE: the last progress. */
void event_encode_done(struct buf *out, const struct event_progress *p);

/* EVENT_FAULT: one sentence. */
void event_encode_fault(struct buf *out, const char *text);

/* Each decoder returns 0 with slices borrowed from `payload`, or ERR_CORRUPT
 * with its result in no useful state. */

/* EVENT_BLOCK: the id fits SQLite's integers, the sizes are not 0. */
int event_decode_block(struct bytes payload, struct payload_block *block);

/* EVENT_CALL; its slices are borrowed from `memory` as well. */
int event_decode_call(struct bytes payload, struct event_memory *memory,
		      struct call_event *call);

/* EVENT_CONNECTION */
int event_decode_connection(struct bytes payload, struct connection_event *c);

/* EVENT_NAME */
int event_decode_name(struct bytes payload, struct name_event *name);

/* EVENT_PROCESS */
int event_decode_process(struct bytes payload, struct process_event *event);

/* EVENT_DESCRIPTOR: neither name nor file is empty. */
int event_decode_descriptor(struct bytes payload,
			    struct descriptor_event *event);

/* EVENT_PROGRESS and EVENT_DONE */
int event_decode_progress(struct bytes payload, struct event_progress *p);
