/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the tables of dissect/proto/kafka_api.h. */
#pragma once

#include "base/bytes.h"

/* One field as the table has it. */
struct kafka_field {
	char type;         /* ']' ends an array, 0 the message */
	bool plain;        /* an array of plain values */
	bool here;         /* in this version */
	struct bytes name; /* part of the table */
	const char *next;
};

/* The field at `at` of a table. */
struct kafka_field kafka_field_read(const char *at, int version);

/* Behind the bracket that closes the array whose fields are at `at`. */
const char *kafka_field_behind_array(const char *at);
