/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the protocol guide of Kafka says of its APIs: names, versions, the
 * fields of requests and answers, and the names of error codes.
 * https://kafka.apache.org/protocol
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

#define KAFKA_API_VERSIONS 18
#define KAFKA_SASL_HANDSHAKE 17
#define KAFKA_SASL_AUTHENTICATE 36
#define KAFKA_FETCH 1
#define KAFKA_METADATA 3

/*
 * Fields are words apart by blanks: a letter for the type and a name, with
 * "@3" from version 3 on, "@2-4" in those, "@-3" up to 3.
 *
 *   o b h i l    boolean, and integers of 8, 16, 32 and 64 bits
 *   g I          UUID; that of a topic
 *   s y K        string; bytes; bytes that are a secret and are not kept
 *   T G X M      strings: a topic, a group, a transaction, an error's message
 *   N Q          strings: a resource; the value of a setting, which is not
 *                kept when the string before it names a secret
 *   E            error code (16 bits)
 *   a p          the acks (16 bits); the index of a partition (32 bits)
 *   R            records
 *   [name … ]    an array of structures; *iname an array of plain values
 *
 * Fields behind the last one that is described are passed over; in flexible
 * versions tagged fields end the message and each structure of an array.
 */
struct kafka_api {
	int16_t key;
	int16_t version_max;   /* that is known here */
	int16_t flexible;      /* the first flexible version */
	bool hidden;           /* has secrets: without fields, nothing is kept */
	const char *name;
	const char *request;   /* fields; NULL: not described here */
	const char *response;
};

/* The API of that key, or NULL. */
const struct kafka_api *kafka_api_find(int key);

/* "NOT_LEADER_OR_FOLLOWER"; NULL when there is no such code. */
const char *kafka_error_name(int code);
