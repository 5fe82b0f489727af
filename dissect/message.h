/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One half of a call while it is read and while it waits for the other half.
 * Messages are recycled through the stream context, so that a busy connection
 * allocates nothing.
 */
#pragma once

#include "base/buf.h"
#include "dissect/stream_context.h"

#define MESSAGE_INTERIM 64

struct message {
	struct message *next; /* in a queue, or among the spare */
	struct message *peer; /* a response's request; a request's response
			       * that was complete before the request was */

	/* Stream positions; the end is exact only when `end_known`. */
	uint64_t start, end;
	uint64_t acknowledged;      /* of the other side, at the first byte */
	uint64_t acknowledged_last; /* and at the last one seen */
	/* Highest acknowledged by this side's packets before the first byte. */
	uint64_t acknowledged_before;
	bool has_before;

	bool broken_before; /* bytes of this side are missing or not understood
			     * since its previous message, or before its first */
	bool end_known;
	bool ended;
	bool incomplete;    /* bytes are missing inside */
	bool truncated;     /* the body is longer than was kept */
	bool has_id;
	bool alone;         /* of the server, answers nothing */
	bool late;          /* a request: what answers it may have passed */
	bool claimed;       /* a request: a response has begun that answers it */
	bool timed;         /* when parts of the body came is kept */
	bool framed;        /* of a channel: wire_bytes counts, not start and end */
	uint8_t side;       /* that sent it (enum side) */
	uint32_t breaks;    /* of its lane when it began */
	uint8_t protocol;   /* enum protocol of the call; 0: the connection's */
	enum call_reason reason; /* a request: why its pairing is uncertain; a
				  * response: why it would stay alone */

	unsigned flags;     /* enum message_flag */
	int32_t status;
	uint64_t id;
	uint64_t note;      /* the dissector's, for what answers it */
	enum encoding encoding;
	int64_t first_ns, last_ns;
	struct packet_ref packet;
	uint64_t body_wire_bytes;
	uint64_t wire_bytes; /* `framed` */

	struct {
		uint32_t offset, size;
	} fields[FIELD_COUNT];  /* in text */
	/* A request: the interim responses it got, "100 Continue, …". */
	char interim[MESSAGE_INTERIM];
	uint8_t interim_size;
	uint64_t charged;       /* of context->buffered */
	/* These, last in the struct, outlive the message. */
	struct buf text;
	struct buf head;        /* (varint size, bytes) name, value, name, … */
	struct buf body;
	struct buf times;       /* of body: struct body_time each */
};

/* An empty message, from the spare ones when there are any. */
struct message *message_new(struct stream_context *context);

/* Gives `m` (not NULL) back to the spare ones, or frees it. */
void message_release(struct stream_context *context, struct message *m);

/* Frees the spare ones. */
void message_free_spare(struct stream_context *context);

/* The last value given wins. */
void message_set_field(struct stream_context *context, struct message *m,
		       enum field field, struct bytes value);
/* The value of a field, empty when it was not set. */
struct bytes message_field(const struct message *m, enum field field);

/* Appends to the head within the limits. */
void message_add_header(struct stream_context *context, struct message *m,
			struct bytes name, struct bytes value);

/* Several, in order; all of them or as many as the limits allow. */
void message_add_headers(struct stream_context *context, struct message *m,
			 const struct header_pair *headers, size_t count);

/* Appends to the body, within the limits, what came at `time_ns`; what is not
 * kept is counted. */
void message_add_body(struct stream_context *context, struct message *m,
		      struct bytes data, int64_t time_ns);
