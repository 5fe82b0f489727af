/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the MQTT dissector share. */
#pragma once

#include "dissect/proto/mqtt_packet.h"
#include "dissect/proto/mqtt_property.h"
#include "dissect/sink.h"

#define MQTT_CLIENT_SIZE 128
#define MQTT_ALIASES 64
#define MQTT_ALIAS_TOPIC 512
#define MQTT_VERSION_5 5

/* The topic that a number stands for (5.0 §3.3.2.3.4). */
struct mqtt_alias {
	uint16_t number, size;
	uint8_t *topic; /* owned */
};

struct mqtt_side {
	enum { MQTT_AT_PACKET, MQTT_AT_PAYLOAD, MQTT_IN_PAYLOAD } state;
	uint64_t channel;  /* of the PUBLISH whose payload it is */
	uint32_t left;     /* bytes of it to come */
	uint32_t holes;    /* so far */
	bool lost;         /* nothing was read since the last of them */
	struct mqtt_alias *aliases; /* MQTT_ALIASES of them, or NULL; owned */
};

struct mqtt_conn {
	struct mqtt_side sides[2];
	uint32_t pings, answered; /* so far */
	uint8_t version;          /* 3, 4, 5; 0: not known */
	uint8_t client_size;
	char client[MQTT_CLIENT_SIZE]; /* its identifier */
};

/* A packet that is being read. */
struct mqtt_frame {
	struct mqtt_conn *conn;
	struct sink *sink;
	enum side side;
	struct mqtt_packet packet;
	struct reader in;    /* what is left of it, without a payload */
	uint32_t payload;    /* bytes of one */
	struct bytes reason; /* why, when it says so in words */
};

/* Each says a packet in the open message; f->in is at the variable header, or
 * behind the packet's number where it has one.  What is not as it should be
 * makes the message incomplete. */
void mqtt_say_connect(struct mqtt_frame *f);
void mqtt_say_connack(struct mqtt_frame *f);
void mqtt_say_subscribe(struct mqtt_frame *f);
void mqtt_say_disconnect(struct mqtt_frame *f); /* and AUTH */
/* PUBACK and its like, SUBACK, UNSUBACK. */
void mqtt_say_acknowledgement(struct mqtt_frame *f);

/* What comes before the payload of a PUBLISH, of which f->in is all that is to
 * be had.  `version` is that of the packet, or 0. */
void mqtt_say_publish(struct mqtt_frame *f, struct bytes topic, uint16_t id,
		      uint8_t version);

/* FIELD_METHOD, and the client by FIELD_USER_AGENT. */
void mqtt_say_method(struct mqtt_frame *f, const char *method);

/* Forgets the topics that numbers stand for. */
void mqtt_aliases_free(struct mqtt_side *side, struct sink *sink);
