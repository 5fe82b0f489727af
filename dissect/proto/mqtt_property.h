/* SPDX-License-Identifier: Apache-2.0 */
/* Properties and reason codes of MQTT (5.0 §2.2.2, §2.4; 3.1.1 §3.2.2.3). */
#pragma once

#include "base/buf.h"
#include "base/reader.h"

struct mqtt_property {
	uint8_t id;
	/* 'o' 'h' 'l': integers of 8, 16, 32 bits; 'v': of variable size;
	 * 's': text; 'b': bytes; 'p': a pair of texts; 'x': bytes that are a
	 * secret */
	char type;
	const char *name;
};

enum {
	MQTT_PROPERTY_CONTENT_TYPE = 3,
	MQTT_PROPERTY_CLIENT = 18,
	MQTT_PROPERTY_REASON = 31,
	MQTT_PROPERTY_ALIAS = 35,
};

/* A value that was read. */
struct mqtt_value {
	const struct mqtt_property *property;
	uint32_t number;
	struct bytes text; /* the second of a pair */
	struct bytes key;  /* the first */
};

/* A number of one to four bytes, seven bits each. */
uint32_t mqtt_number(struct reader *r);

/* A 16-bit length and that many bytes. */
struct bytes mqtt_string(struct reader *r);

/* The next property; false at the end, or when it is malformed (r->failed). */
bool mqtt_property_next(struct reader *r, struct mqtt_value *out);

/* Whether properties with their length come next, whole and well-formed, and
 * among them the one numbered `wanted` (0: any, or none). */
bool mqtt_properties_are_good(struct reader *r, uint8_t wanted);

/* The name of a reason code of version 5, or NULL. */
const char *mqtt_reason(uint8_t code);

/* That of the return code of a CONNACK before it, or NULL. */
const char *mqtt_return_code(uint8_t code);
