/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the PostgreSQL dissector, shared by its files only. */
#pragma once

#include "base/reader.h"
#include "dissect/proto/sql_text.h"
#include "dissect/proto/statements.h"

/* A longer message is passed by the stream, and only its beginning read. */
#define POSTGRESQL_HELD (128u << 10)
#define POSTGRESQL_COLUMNS 64
#define POSTGRESQL_PORTALS 8
#define POSTGRESQL_NAME 64 /* NAMEDATALEN */

struct postgresql_name {
	char text[POSTGRESQL_NAME];
	uint8_t size;
};

struct postgresql_portal {
	uint64_t key;       /* of its name */
	uint64_t statement; /* serial */
	uint64_t used;
	bool binary;        /* results */
};

struct postgresql_conn {
	/* The client. */
	struct postgresql_name database, application;
	struct statements statements;
	struct postgresql_portal portals[POSTGRESQL_PORTALS];
	uint64_t portal_clock;
	bool open;          /* a request is being read */
	bool described;     /* its method and summary were said */
	uint32_t executed;  /* statements in it */
	uint64_t last;      /* serial of the last one */
	const char *what;   /* what it is when nothing is executed */
	bool copying;       /* it goes on until CopyDone */
	bool synced;        /* the last request was ended by Sync */
	bool simple;        /* the data's end ends it; else Sync does */
	bool encryption_asked;
	uint64_t client_skip; /* bytes of a long message to pass */
	bool skipped, skip_ends;

	/* The server. */
	bool answering;     /* a response is open */
	bool copy_in;       /* it asked for data */
	bool failed;        /* the response said an error */
	bool fatal;         /* the last one of the connection */
	uint64_t server_skip;
	uint64_t rows, streamed; /* complete; since the last statement ended */
	uint64_t statement; /* serial of what is being answered */
	bool binary;        /* all columns are, when none were described */
	bool named;         /* column names head the body */
	uint16_t columns;   /* described in this response */
	uint32_t types[POSTGRESQL_COLUMNS];
	uint8_t formats[POSTGRESQL_COLUMNS];
};

/* A message: its type, and what is in it. */
struct postgresql_message {
	uint8_t type;
	size_t size;        /* all of it, as taken from the stream */
	struct bytes content;
};

/* Reads the type and length at the front of `in`; NO: it is none that `side`
 * sends.  MAYBE: less than 5 bytes.  The content may be cut. */
enum verdict postgresql_message(enum side side, struct bytes in,
				struct postgresql_message *message);

/* Whether the content (whole) is as its type has it. */
bool postgresql_is_sound(enum side side,
			 const struct postgresql_message *message);

/* Appends a value to the body: text with \t, \n and \ escaped as in COPY, or
 * what a binary one of that type (OID) stands for. */
void postgresql_value(struct bytes value, uint32_t type, bool binary,
		      struct sink *sink);

/* The same for one parameter, as a header. */
void postgresql_parameter(struct bytes value, uint32_t type, bool binary,
			  struct sink *sink);

/* Takes one message of the client, as dissector.feed does. */
struct step postgresql_request(struct postgresql_conn *conn, struct bytes in,
			       struct sink *sink);
/* The same for one of the server. */
struct step postgresql_response(struct postgresql_conn *conn, struct bytes in,
				struct sink *sink);

/* The startup packet and its like, which have no type. */
enum verdict postgresql_startup(struct bytes in, uint32_t *code);
