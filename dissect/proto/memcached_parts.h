/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the memcached dissector, shared by its files only. */
#pragma once

#include "base/reader.h"
#include "dissect/proto/line.h"

/* A longer line is none: a get of many keys. */
#define MEMCACHED_LINE (64u << 10)
#define MEMCACHED_KEY 250
#define MEMCACHED_HEADER 24 /* of a binary message */
/* Quiet commands are one request with what is not quiet behind them, up to so
 * many. */
#define MEMCACHED_GROUP 4096
#define MEMCACHED_NAME 24

/* How a command is answered. */
enum memcached_answer {
	MEMCACHED_UNKNOWN, /* the command was not seen */
	MEMCACHED_LINE_ANSWER,
	MEMCACHED_VALUES,  /* VALUE …, END */
	MEMCACHED_STATS,   /* STAT …, END */
	MEMCACHED_META,    /* one of the meta answers */
	MEMCACHED_NOOP,    /* MN behind those to quiet commands */
	MEMCACHED_WATCH,   /* OK, and lines without end */
	MEMCACHED_BINARY,  /* a message, behind those to quiet commands */
};

enum memcached_state {
	MEMCACHED_START, /* a line, or a header */
	MEMCACHED_DATA,  /* before `left` bytes of a value */
	MEMCACHED_TAIL,  /* at the end of line behind them */
};

struct memcached_side {
	enum memcached_state state;
	uint64_t left;
	bool more;       /* the message goes on behind the value */
};

struct memcached_conn {
	bool binary;
	struct memcached_side sides[2];
	uint32_t quiet;  /* commands in the request that is open */

	/* The server. */
	bool answering, failed, watching;
	enum memcached_answer answer;
	uint32_t commands; /* that are answered */
	uint32_t answers;  /* so far */
	uint32_t mark;     /* hash that the last answer is known by; 0: none */
	uint32_t hits;
};

/* A line of the client. */
struct memcached_command {
	char name[MEMCACHED_NAME + 1]; /* upper case */
	bool known;
	struct bytes key;              /* the first; or what it is about */
	struct bytes keys;             /* all of a get, with blanks */
	enum memcached_answer answer;
	bool has_data;
	uint64_t data;                 /* bytes that follow */
	bool silent;                   /* noreply, or nothing is ever answered */
	bool quiet;                    /* answered only when it is worth it */
	uint32_t mark;                 /* the answer can be told by it */
};

/* memcached_text.c */
/* False when a command of that name cannot be like that. */
bool memcached_command(struct bytes line, struct memcached_command *command);
/* Whether these bytes (at least one) may begin a line of them. */
bool memcached_begins_command(struct bytes in);
bool memcached_begins_answer(struct bytes in);
/* Whether a line begins an answer; YES: nothing else does so. */
enum verdict memcached_answer(struct bytes line);

/* What the response finds with its request. */
uint64_t memcached_note(enum memcached_answer answer, uint32_t commands,
			uint32_t mark);
void memcached_begin_answer(struct memcached_conn *conn, struct sink *sink);
void memcached_end_answer(struct memcached_conn *conn, size_t size,
			  struct sink *sink);
/* A value that was found: a header, and its bytes into the body. */
void memcached_value(struct memcached_conn *conn, struct bytes what,
		     struct sink *sink);

/* What the client says in the text protocol (dissector.feed). */
struct step memcached_text_request(struct memcached_conn *conn,
				   struct bytes in, struct sink *sink);
/* The same for the server. */
struct step memcached_text_response(struct memcached_conn *conn,
				    struct bytes in, struct sink *sink);

/* memcached_binary.c */
enum verdict memcached_is_binary(enum side side, struct bytes in);
struct step memcached_binary_request(struct memcached_conn *conn,
				     struct bytes in, struct sink *sink);
struct step memcached_binary_response(struct memcached_conn *conn,
				      struct bytes in, struct sink *sink);
