/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the CQL dissector share. */
#pragma once

#include "base/reader.h"
#include "dissect/proto/json_writer.h"
#include "dissect/proto/statements.h"
#include "dissect/sink.h"

#define CQL_ENVELOPE_HEAD 9
#define CQL_LENGTH_LIMIT (256u << 20)
#define CQL_HOST 64

enum cql_opcode {
	CQL_ERROR,
	CQL_STARTUP,
	CQL_READY,
	CQL_AUTHENTICATE,
	CQL_OPTIONS = 5,
	CQL_SUPPORTED,
	CQL_QUERY,
	CQL_RESULT,
	CQL_PREPARE,
	CQL_EXECUTE,
	CQL_REGISTER,
	CQL_EVENT,
	CQL_BATCH,
	CQL_AUTH_CHALLENGE,
	CQL_AUTH_RESPONSE,
	CQL_AUTH_SUCCESS,
};

enum cql_flag {
	CQL_COMPRESSED = 1,
	CQL_TRACING = 2,
	CQL_PAYLOAD = 4,
	CQL_WARNING = 8,
	CQL_BETA = 16,
};

enum cql_codec { CQL_CODEC_UNKNOWN, CQL_CODEC_LZ4, CQL_CODEC_SNAPPY };

/* The head of an envelope (§2 of the protocol). */
struct cql_head {
	uint8_t version, flags, opcode;
	bool response;
	int16_t stream;
	uint32_t length; /* of the body */
};

/* The head at the front of `in`; MAYBE when it is cut, NO when it is none that
 * `side` sends. */
enum verdict cql_head_read(struct bytes in, enum side side,
			   struct cql_head *head);

/* A segment of version 5 (§2.2 there). */
struct cql_segment {
	size_t head, size;   /* bytes before its payload, of all */
	uint32_t payload;    /* bytes there */
	uint32_t inflated;   /* bytes that it stands for; 0: as it is */
	bool whole;          /* its envelopes are whole */
};

/* Whether a segment begins here: its head has a checksum. */
enum verdict cql_segment_read(struct bytes in, struct cql_segment *segment);
/* Whether that one, which is here as a whole, is as it was sent. */
bool cql_segment_is_right(const struct cql_segment *segment, struct bytes in);

/* Appends what a body of version 3 or 4, or a segment's payload that stands for
 * `inflated` bytes, was before; false when it is malformed or too long. */
bool cql_inflate_body(enum cql_codec codec, struct bytes in, struct buf *out);
bool cql_inflate_segment(struct bytes in, uint32_t inflated, struct buf *out);

/* State of a channel of the stream, which is a stream of the protocol. */
struct cql_asked {
	uint8_t opcode;
	uint64_t statement; /* serial of it; 0: none that is known */
	uint32_t holes[2];  /* of the sides when it began */
};

struct cql_side {
	uint32_t left;      /* bytes of an envelope that is not held, to come */
	uint32_t holes;
	bool lost;          /* nothing was read since the last of them */
	uint64_t channel;   /* of the message that they are of */
	struct cql_head head; /* of the envelope in `held` */
	uint8_t *held;      /* its body so far, from segments; owned */
	size_t held_size, held_room;
	uint32_t held_left; /* bytes of it to come; 0: none is */
};

struct cql_conn {
	struct cql_side sides[2];
	struct statements statements;
	uint8_t version;    /* 0: not known */
	uint8_t codec;      /* enum cql_codec */
	uint8_t host_size;
	char host[CQL_HOST]; /* the keyspace in use */
	uint8_t agent_size;
	char agent[CQL_HOST];
};

/* An envelope that is read; its message is open. */
struct cql_frame {
	struct cql_conn *conn;
	struct sink *sink;
	enum side side;
	struct cql_head head;
	struct cql_asked *asked; /* of its channel */
	struct reader in;        /* what is left of the body */
	bool cut;                /* which is not all there */
	uint32_t values;         /* of the request, said so far */
};

/* Notation (§3). */
struct bytes cql_string(struct reader *r);
struct bytes cql_long_string(struct reader *r);
/* With `null` set for those that have no value. */
struct bytes cql_value_bytes(struct reader *r, bool *null);

/* A type: its number, and those of what is inside in the octets above; what is
 * nested deeper or user-defined has 0 there. */
#define CQL_TYPE_NONE UINT32_MAX
uint32_t cql_type(struct reader *r, unsigned depth);
/* "list<int>". */
void cql_type_name(uint32_t type, struct buf *out);
/* A value as JSON; of type CQL_TYPE_NONE as text, or hexadecimal. */
void cql_value_json(uint32_t type, struct bytes value, struct json_writer *w);
/* As the header of that name. */
void cql_say_value(struct sink *sink, const char *name, uint32_t type,
		   struct bytes value, bool null);

/* Headers of the open message. */
void cql_say_number(struct sink *sink, const char *name, int64_t number);
void cql_say_hex(struct sink *sink, const char *name, struct bytes in);
void cql_say_text(struct sink *sink, const char *name, struct bytes text);
/* A list of strings, and a map of strings to strings or lists. */
void cql_say_list(struct cql_frame *f, const char *name);
/* A map of bytes, of which the names are said. */
void cql_say_payload(struct cql_frame *f);
const char *cql_consistency(unsigned number);

/* Method, path, summary and body of a statement's text. */
void cql_say_statement(struct cql_frame *f, const char *method,
		       struct bytes text);
void cql_say_request(struct cql_frame *f);
void cql_say_response(struct cql_frame *f);
