/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control packets of MQTT: their fixed headers (MQTT 5.0 §2.1, 3.1.1 §2.2), and
 * whether bytes begin one.
 */
#pragma once

#include "dissect/dissector.h"

enum mqtt_type {
	MQTT_CONNECT = 1,
	MQTT_CONNACK,
	MQTT_PUBLISH,
	MQTT_PUBACK,
	MQTT_PUBREC,
	MQTT_PUBREL,
	MQTT_PUBCOMP,
	MQTT_SUBSCRIBE,
	MQTT_SUBACK,
	MQTT_UNSUBSCRIBE,
	MQTT_UNSUBACK,
	MQTT_PINGREQ,
	MQTT_PINGRESP,
	MQTT_DISCONNECT,
	MQTT_AUTH,
};

struct mqtt_packet {
	uint8_t type;  /* enum mqtt_type */
	uint8_t flags; /* the low half of the first byte */
	uint8_t head;  /* bytes of the fixed header */
	uint32_t size; /* bytes behind it */
};

static inline unsigned
mqtt_qos(const struct mqtt_packet *p)
{
	return p->flags >> 1 & 3;
}

/* Reads a fixed header; VERDICT_MAYBE: more bytes are needed.  No more is
 * demanded than that the packet is one that `side` may send. */
enum verdict mqtt_packet_read(struct bytes in, enum side side,
			      struct mqtt_packet *out);

/* Do the first bytes of a connection speak MQTT? */
enum verdict mqtt_probe(struct bytes client, struct bytes server);

/* The same behind a hole of a connection that is known to. */
enum verdict mqtt_resync(struct bytes in, enum side side);
