/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of AMQP 0-9-1 and their arguments, from the specification's
 * "Protocol Reference" and RabbitMQ's extensions.
 */
#pragma once

#include "base/buf.h"
#include "base/reader.h"

#define AMQP_METHOD(class, method) ((uint32_t)(class) << 16 | (method))

enum amqp_kind {
	AMQP_REQUEST,  /* of the client: `answer` comes */
	AMQP_ANSWER,   /* of the server, to such a one */
	AMQP_NOTICE,   /* of either side, without an answer */
	AMQP_CONTENT,  /* the same, and a message follows */
	AMQP_DELIVERY, /* an answer that a message follows */
};

struct amqp_method {
	uint32_t id;
	uint32_t answer;    /* AMQP_REQUEST: the usual one */
	enum amqp_kind kind;
	const char *name;
	/*
	 * Words apart by blanks: a letter for the type and a name:
	 *   o h l L   integers of 8, 16, 32 and 64 bits
	 *   b         bit (those that follow each other share octets)
	 *   s S t     short and long string, table
	 *   Q X R     short strings: queue or other resource, exchange, routing
	 *             key; V virtual host
	 *   C M       reply code and text
	 *   K         a long string that is a secret
	 *   n         the bit that no answer is wanted
	 */
	const char *arguments;
};

/* The method with that number (AMQP_METHOD), or NULL. */
const struct amqp_method *amqp_method_find(uint32_t id);

/* Appends a value of a table (its type letter comes first) as text; false
 * when it is malformed. */
bool amqp_value(struct reader *r, unsigned depth, struct buf *out);
