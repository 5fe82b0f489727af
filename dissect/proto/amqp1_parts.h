/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the AMQP 1.0 dissector share. */
#pragma once

#include "dissect/proto/amqp1_value.h"
#include "dissect/sink.h"

#define AMQP1_SESSIONS 64
#define AMQP1_LINKS 256
#define AMQP1_UNSETTLED 2048
#define AMQP1_WAITING 64
#define AMQP1_ADDRESS 512   /* bytes kept of one */
#define AMQP1_HOST 128
#define AMQP1_SECTION_HELD (64u << 10) /* of a section that is decoded */
#define AMQP1_UNKNOWN UINT32_MAX

/* Whose frames are meant by a channel's number may differ by side. */
struct amqp1_session {
	uint32_t id;          /* never the same twice; 0: unused */
	uint16_t channels[2];
	bool begun[2], ended[2];
};

/* Where a side is within the sections of the message it sends on a link. */
struct amqp1_content {
	uint64_t exchange;    /* 0: no delivery is open */
	uint32_t delivery;    /* its number, or AMQP1_UNKNOWN */
	uint32_t holes;       /* of the side when it began */
	uint64_t left;        /* of a body that is passed as it is */
	bool kept;            /* … into the message */
	bool lost;            /* it cannot be followed any more */
	bool decoded;         /* a section was */
	bool body;            /* one of a body was */
	bool settled;
	bool secret;          /* its body is what proves who the client is */
	uint8_t *held;        /* of a section that goes on in the next frame */
	size_t held_size;     /* owned */
};

/* A link as one side speaks of it, by its handle. */
struct amqp1_link {
	uint64_t name;        /* hash */
	uint32_t session;     /* its id */
	uint32_t handle;
	enum side side;       /* whose handle it is */
	bool used;
	bool from_server;     /* messages come from the server */
	char *address;        /* of the node; owned, not terminated */
	size_t address_size;
	struct amqp1_content content;
};

/* A delivery whose state is to come. */
struct amqp1_unsettled {
	uint64_t exchange;
	uint32_t session, delivery;
	enum side side;       /* that sent it */
	uint32_t holes[2];
};

/* A performative that the other side answers with its own. */
struct amqp1_waiting {
	uint64_t exchange, name; /* of a link; else 0 */
	uint32_t session;
	uint8_t type;            /* enum amqp1_type; 0: unused */
	enum side side;          /* that asks */
	bool lost[2];            /* bytes of that side are missing since */
};

struct amqp1_side {
	enum { AMQP1_AT_FRAME, AMQP1_IN_PAYLOAD } state;
	uint32_t left;           /* bytes of the frame to come */
	uint32_t link;           /* of the transfer, in links */
	bool more;               /* other frames of it follow */
	uint8_t header;          /* protocol id of the last header + 1 */
	uint32_t holes;
	bool lost;               /* nothing was read since the last of them */
};

struct amqp1_conn {
	struct amqp1_side sides[2];
	struct amqp1_session sessions[AMQP1_SESSIONS];
	struct amqp1_waiting waiting[AMQP1_WAITING];
	struct amqp1_link *links;         /* owned; counted by sink_keep */
	struct amqp1_unsettled *unsettled; /* the same, oldest first */
	uint32_t link_count, unsettled_count, unsettled_room;
	uint32_t next_session, next_waiting, next_link, serial;
	uint64_t exchanges;
	uint8_t host_size;
	char host[AMQP1_HOST];
	uint8_t agent_size;
	char agent[AMQP1_HOST];
};

/* What is being read. */
struct amqp1_frame {
	struct amqp1_conn *conn;
	struct sink *sink;
	enum side side;
	uint16_t channel;
	size_t size;              /* with its head */
	uint64_t type;            /* enum amqp1_type of the performative */
	struct amqp1_value body;  /* its list */
};

/* Tables (amqp1_tables.c). */

/* The id of the session that a side's channel is of; for one whose beginning
 * was not seen, the channels of both sides have the same number. */
uint32_t amqp1_session_of(const struct amqp1_frame *f);
/* A side begins one in the frame's channel, in answer to what the other began in
 * its channel `remote` (-1: nothing), and ends it. */
uint32_t amqp1_session_begin(struct amqp1_frame *f, int32_t remote);
void amqp1_session_end(struct amqp1_frame *f);

/* A side's link; a new one, which knows nothing, when there is none. */
struct amqp1_link *amqp1_link_of(struct amqp1_frame *f, uint32_t handle);
/* The link of that name and direction as the other side speaks of it. */
struct amqp1_link *amqp1_link_peer(struct amqp1_frame *f,
				   const struct amqp1_link *link);
/* Its node (a copy) from here on; and that it is no more. */
void amqp1_link_address(struct amqp1_frame *f, struct amqp1_link *link,
			struct bytes address);
void amqp1_link_forget(struct amqp1_frame *f, struct amqp1_link *link);
/* Gives back what is held of a section. */
void amqp1_content_free(struct amqp1_content *content, struct sink *sink);

/* Deliveries that wait for their state. */
void amqp1_unsettled_add(struct amqp1_frame *f, uint64_t exchange,
			 uint32_t delivery);
/* The one with that exchange: whether there is one, and not any more. */
bool amqp1_unsettled_has(const struct amqp1_conn *conn, uint64_t exchange);
void amqp1_unsettled_remove(struct amqp1_conn *conn, uint64_t exchange);

/* Exchanges (amqp1_exchange.c): each is a channel of the stream. */

/* The id of one that begins. */
uint64_t amqp1_exchange_new(struct amqp1_conn *conn);
/* The other side answers the frame with its own, which has that `name` (of a
 * link, or 0) in that session. */
void amqp1_ask(struct amqp1_frame *f, uint64_t name, uint32_t session);
/* What the other side asked so, or NULL; session 0: any. */
struct amqp1_waiting *amqp1_asked(struct amqp1_frame *f, uint8_t type,
				  uint64_t name, uint32_t session);
/* The frame answers what waits, or something that was not seen (NULL). */
void amqp1_answer(struct amqp1_frame *f, struct amqp1_waiting *w);
/* Nothing answers the frame. */
void amqp1_single(struct amqp1_frame *f);
/* Bytes of the frame's side are missing. */
void amqp1_note_hole(struct amqp1_conn *conn, enum side side,
		     struct sink *sink);
/* What waits in a session (0: all), or on the link of that name in it, gets
 * no answer because of `error`. */
void amqp1_fail(struct amqp1_frame *f, uint32_t session, uint64_t name,
		struct bytes error);
/* What the frame's disposition says of deliveries is what answers them. */
void amqp1_disposition(struct amqp1_frame *f);

/* What messages say (amqp1_say.c), of the open message. */

#define AMQP1_ERROR_SIZE 600

/* "amqp:open", without the standard's prefix; NULL: not a performative. */
const char *amqp1_name(uint64_t type);
/* Method, version, host, client. */
void amqp1_say_begin(struct amqp1_frame *f, const char *method);
/* The fields of the frame's performative. */
void amqp1_say_fields(struct amqp1_frame *f);
void amqp1_say_path(struct amqp1_frame *f, struct bytes path);
/* A value as a header; null is none. */
void amqp1_say(struct sink *sink, const char *prefix, struct bytes name,
	       const struct amqp1_value *value);
/* Entries of a map as headers, by their names behind `prefix`. */
void amqp1_say_map(struct sink *sink, const char *prefix,
		   const struct amqp1_value *map);
/* Its condition and description as one text of at most AMQP1_ERROR_SIZE bytes;
 * empty when it is none. */
struct bytes amqp1_error_text(const struct amqp1_value *error,
			      char out[AMQP1_ERROR_SIZE]);
/* The outcome of a delivery that `side` sent, and whether it is final. */
void amqp1_say_state(struct amqp1_frame *f, const struct amqp1_value *state,
		     enum side side);
bool amqp1_is_final(const struct amqp1_value *state);
/* The n-th field of a performative or state; null when it has fewer. */
struct amqp1_value amqp1_field(const struct amqp1_value *list, unsigned n);

/* Messages (amqp1_message.c). */

/* Begins a delivery, or goes on with it: f->side is in a payload of `left`
 * bytes from here on. */
void amqp1_transfer(struct amqp1_frame *f, uint32_t left);
/* At a payload of which some is left: as feed. */
struct step amqp1_payload(struct amqp1_frame *f, struct bytes in);
/* Behind it; `consumed` as of sink_end. */
void amqp1_transfer_end(struct amqp1_frame *f, size_t consumed);
/* What is sent on a link ends where it is. */
void amqp1_content_cut(struct amqp1_frame *f, struct amqp1_link *link);
