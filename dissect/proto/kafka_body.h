/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of one message of Kafka, read as they arrive and written as JSON;
 * what they say of topics, groups and errors is noted on the way.
 */
#pragma once

#include "dissect/dissector.h"
#include "dissect/proto/kafka_api.h"

#define KAFKA_LEVELS 5
#define KAFKA_TOPIC_SIZE 250
#define KAFKA_ERROR_SIZE 400
/* What is waited for at once: a string, a batch of records. */
#define KAFKA_HELD (192u << 10)

struct json_writer;

enum kafka_state {
	KAFKA_FIELDS,
	KAFKA_RECORDS, /* between the batches of a field */
	KAFKA_PASS,    /* bytes that are not shown */
	KAFKA_TAGS,    /* before the number of tagged fields */
	KAFKA_TAG,     /* before one of them */
	KAFKA_END,     /* all that is described has been read */
};

struct kafka_level {
	const char *fields; /* of an element */
	uint32_t left;      /* elements to come, with the one being read */
	bool plain;         /* without structure */
};

struct kafka_body {
	int16_t version;
	bool flexible;
	bool response;
	bool secret;              /* the string before names one */
	enum kafka_state state;
	const struct kafka_api *api;
	const char *at;           /* in its fields */
	uint8_t depth;
	bool open, comma;         /* of the JSON */
	bool in_records;          /* their array is open */
	bool broken;              /* it is not as it is described */
	bool cut;                 /* some is not shown */
	struct kafka_level levels[KAFKA_LEVELS];
	uint32_t tags;            /* tagged fields to come */
	uint32_t pass;            /* KAFKA_PASS: bytes to come */
	enum kafka_state after;   /* and what is behind them */
	uint32_t records_left;    /* bytes of the field */

	/* What was noted. */
	uint32_t topics, marks;   /* marks: headers for partitions */
	uint64_t records;
	int32_t error;            /* the first that is none 0 */
	bool has_error_code;
	int16_t acks;
	uint16_t topic_size, error_size;
	uint8_t topic_depth;      /* of the array that the topic is in */
	uint8_t bare_error;       /* of the error whose topic follows it; 0 */
	int32_t partition;
	char topic[KAFKA_TOPIC_SIZE];   /* the latest */
	char message[KAFKA_ERROR_SIZE]; /* that came with the error */
};

/* Before the first field.  `version` and `api` are known to fit. */
void kafka_body_start(struct kafka_body *b, const struct kafka_api *api,
		      int16_t version, bool response);

/*
 * Reads from the front of `in`, of which the message has `left` bytes (more
 * than are here, or as many).  STEP_MORE, or STEP_DONE: took n bytes, none when
 * the state is KAFKA_END: then all is read, or not as it is described.
 */
struct step kafka_body_read(struct kafka_body *b, struct bytes in,
			    uint32_t left, struct sink *sink);

/* Closes what is open, and says what was noted. */
void kafka_body_end(struct kafka_body *b, struct sink *sink);

/* A number of at most 32 bits in 7-bit groups (flexible versions): 1 read,
 * 0 more bytes are needed, -1 none. */
int kafka_varint(struct bytes in, size_t *at, uint32_t *value);
