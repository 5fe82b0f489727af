/* SPDX-License-Identifier: Apache-2.0 */
/* The type system of AMQP 1.0 (Part 1 of the OASIS standard). */
#pragma once

#include "base/reader.h"
#include "dissect/proto/json_writer.h"

/* Lists in lists that are read. */
#define AMQP1_DEPTH 16
/* What is described by something that names none of the standard's types. */
#define AMQP1_UNNAMED UINT64_MAX

enum amqp1_kind {
	AMQP1_NULL,
	AMQP1_BOOLEAN,
	AMQP1_UNSIGNED,
	AMQP1_SIGNED,
	AMQP1_FLOAT,
	AMQP1_DOUBLE,
	AMQP1_DECIMAL, /* as it is */
	AMQP1_CHARACTER,
	AMQP1_TIME,    /* milliseconds since 1970 */
	AMQP1_UUID,
	AMQP1_BINARY,
	AMQP1_STRING,
	AMQP1_SYMBOL,
	AMQP1_LIST,
	AMQP1_MAP,
	AMQP1_ARRAY,
};

/* The types that performatives, sections and states are described by: the
 * second half of their descriptors. */
enum amqp1_type {
	AMQP1_OPEN = 0x10,
	AMQP1_BEGIN,
	AMQP1_ATTACH,
	AMQP1_FLOW,
	AMQP1_TRANSFER,
	AMQP1_DISPOSITION,
	AMQP1_DETACH,
	AMQP1_END,
	AMQP1_CLOSE,
	AMQP1_ERROR = 0x1d,
	AMQP1_RECEIVED = 0x23,
	AMQP1_ACCEPTED,
	AMQP1_REJECTED,
	AMQP1_RELEASED,
	AMQP1_MODIFIED,
	AMQP1_SOURCE,
	AMQP1_TARGET,
	AMQP1_COORDINATOR = 0x30,
	AMQP1_DECLARE,
	AMQP1_DISCHARGE,
	AMQP1_DECLARED,
	AMQP1_TRANSACTIONAL,
	AMQP1_SASL_MECHANISMS = 0x40,
	AMQP1_SASL_INIT,
	AMQP1_SASL_CHALLENGE,
	AMQP1_SASL_RESPONSE,
	AMQP1_SASL_OUTCOME,
	AMQP1_HEADER = 0x70,
	AMQP1_DELIVERY_ANNOTATIONS,
	AMQP1_MESSAGE_ANNOTATIONS,
	AMQP1_PROPERTIES,
	AMQP1_APPLICATION_PROPERTIES,
	AMQP1_DATA,
	AMQP1_SEQUENCE,
	AMQP1_VALUE,
	AMQP1_FOOTER,
};

/* A value, borrowed from what it was read from. */
struct amqp1_value {
	enum amqp1_kind kind;
	uint64_t number;    /* of those of fixed size; the bits of floats */
	struct bytes bytes; /* of the others: text, or what is inside */
	uint32_t count;     /* values inside */
	uint8_t element;    /* AMQP1_ARRAY: their constructor */
	bool described;
	uint64_t descriptor; /* enum amqp1_type, another number, or
			      * AMQP1_UNNAMED */
	struct bytes name;   /* a descriptor that is a symbol */
};

/* The next value; false when it is malformed or cut (the reader has failed). */
bool amqp1_read(struct reader *r, struct amqp1_value *value);

/* What is inside of a list, map or array, read in order: false at its end, and
 * when it is malformed (r->failed). */
struct amqp1_items {
	struct reader in;
	uint32_t left;
	uint8_t element; /* 0: each has its own constructor */
};
struct amqp1_items amqp1_items(const struct amqp1_value *value);
bool amqp1_next(struct amqp1_items *items, struct amqp1_value *value);

/* The constructor and size of a value whose contents need not be here: how
 * many bytes precede its contents, and how many those are; 0: more bytes are
 * needed, or `r` has failed as there can be none. */
struct amqp1_extent {
	size_t head;
	uint64_t size;
	uint8_t code;
};
struct amqp1_extent amqp1_extent(struct bytes in);

/* The descriptor at the front of `in` and its size; 0 bytes: more are needed.
 * What does not begin with one has AMQP1_UNNAMED. */
size_t amqp1_descriptor(struct bytes in, uint64_t *descriptor);

/* As JSON: described values are {"descriptor": value}; deeper than AMQP1_DEPTH
 * is "…". */
void amqp1_json(const struct amqp1_value *value, struct json_writer *w);

/* As text: what has none is JSON. */
void amqp1_text(const struct amqp1_value *value, struct buf *out);
