/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the NATS dissector share. */
#pragma once

#include "dissect/proto/nats_line.h"
#include "dissect/sink.h"

#define NATS_CLIENT_SIZE 96

struct nats_side {
	enum { NATS_AT_LINE, NATS_AT_PAYLOAD, NATS_AT_END } state;
	enum side role;           /* of the message that is being read */
	uint64_t channel;         /* whose it is */
	uint32_t left;            /* bytes of its payload to come */
	uint32_t holes;           /* so far */
	bool lost;                /* nothing was read since the last of them */
	uint32_t pings, answered; /* that this side asked, so far */
};

struct nats_conn {
	struct nats_side sides[2];
	uint8_t client_size;
	char client[NATS_CLIENT_SIZE]; /* what it calls itself */
};

/* State of a channel: what waits for an answer. */
struct nats_asked {
	uint32_t holes[2]; /* of the sides when it began */
	bool jetstream;    /* the answer is JSON of JetStream's API */
};

/* What is being read. */
struct nats_frame {
	struct nats_conn *conn;
	struct sink *sink;
	enum side side;
	struct nats_line line;
	size_t head;          /* bytes of the line and of headers */
	size_t wire;          /* bytes of it all */
	struct bytes headers; /* NATS/1.0 and what follows, or empty */
	uint32_t payload;     /* bytes of it */
	bool jetstream;       /* it answers a request of JetStream's API */
};

/* Each says a line in the open message. */
void nats_say_info(struct nats_frame *f);
void nats_say_connect(struct nats_frame *f);
void nats_say_subscription(struct nats_frame *f);
void nats_say_error(struct nats_frame *f);
/* A message that asks or tells; true when JetStream's API is asked. */
bool nats_say_message(struct nats_frame *f);
/* A message that answers another; and what JetStream's API answers. */
void nats_say_answer(struct nats_frame *f);
void nats_say_jetstream(struct nats_frame *f, struct bytes payload);

/* FIELD_METHOD, and the client by FIELD_USER_AGENT. */
void nats_say_method(struct nats_frame *f, const char *method);
