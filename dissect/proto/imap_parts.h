/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the IMAP dissector, shared by its files only. */
#pragma once

#include "dissect/proto/line.h"

/* A longer line is read in pieces of this size, but for its last octets: a
 * literal may be announced there. */
#define IMAP_LINE (16u << 10)
#define IMAP_TAIL 32
#define IMAP_NAME 96
/* The channel of what answers nothing. */
#define IMAP_ALONE 1

/* What a command is, for what follows its line and for its answer. */
enum imap_kind {
	IMAP_PLAIN,
	IMAP_MAILBOX,      /* about the mailbox that it names */
	IMAP_SELECT,       /* the same, which the next are about */
	IMAP_SELECTED,     /* about the one that is selected */
	IMAP_CLOSE,        /* the same, which is not selected any more */
	IMAP_LOGIN,
	IMAP_AUTHENTICATE,
	IMAP_IDLE,
	IMAP_UPGRADE,      /* another layer follows: TLS, or compression */
	IMAP_UNKNOWN,
};

struct imap_command {
	const char *name;
	enum imap_kind kind;
	bool bare; /* without arguments */
};

/* A channel: a command and its answer. */
struct imap_exchange {
	enum imap_kind kind;
	uint32_t serial;    /* of the command */
	uint32_t holes;     /* of the server, before it */
	uint8_t name_size;  /* of the mailbox that it selects */
	char name[IMAP_NAME];
	uint32_t counts[32]; /* untagged responses, by kind */
};

/* Where the client's next octets are. */
enum imap_place { IMAP_START, IMAP_INSIDE, IMAP_PROOF, IMAP_IDLING };

struct imap_conn {
	/* The client. */
	enum imap_place place;
	uint64_t open;         /* the channel of a command that goes on */
	bool answered;         /* … but was answered already */
	bool announced;        /* a literal: octets that come next, … */
	bool waits;            /* … once the server says so; … */
	bool kept;             /* … as the body */
	uint64_t literal;
	uint64_t passing;      /* octets of one that are being passed over */
	uint32_t serial;

	/* The server. */
	bool greeted;
	bool in_step;          /* what it said last was the greeting, or the
				* result of a command that is known */
	bool inside;           /* of a line */
	bool given;            /* a literal comes next */
	uint64_t given_size;
	uint64_t passing_given; /* as `passing` */
	uint64_t serving;      /* the channel of the line */
	uint32_t holes;        /* where they begin, and where they end */
	bool broken;           /* behind one, nothing was found yet */
	uint32_t holes_known;  /* when the last command began */
	uint32_t stale_before; /* commands whose answers are in holes */
	uint64_t fresh;        /* the channel of the first behind them */
	uint8_t name_size;     /* of the selected mailbox */
	char name[IMAP_NAME];
};

/* The command that a word is, or NULL. */
const struct imap_command *imap_command(struct bytes word);

/* Takes the tag at the front of a line, and the blank behind it; empty: there
 * is none (RFC 9051 §9). */
struct bytes imap_tag(struct bytes *line);

/* Whether a line whose end is not here may begin with a tag. */
bool imap_may_be_tagged(struct bytes in);

/* The channel of a tag. */
uint64_t imap_channel(struct bytes tag);

/* Whether a line of the client begins a command; `*telling`: nothing else looks
 * so.  MAYBE: its end is not here. */
enum verdict imap_command_here(struct bytes in, bool *telling);
/* The same for a response. */
enum verdict imap_response_here(struct bytes in, bool *telling);

/* The line at the front of `in` without its end, or a piece of it (`*last`
 * false).  MAYBE: neither is here. */
enum verdict imap_piece(struct bytes in, struct bytes *piece, size_t *size,
			bool *last);

/* Whether a line ends with the announcement of a literal: "{42}", "{42+}"
 * (which does not wait), "~{42}". */
bool imap_literal(struct bytes line, uint64_t *size, bool *waits);

/* Ends the command that goes on, if there is one. */
void imap_end_request(struct imap_conn *conn, size_t size, struct sink *sink);

/* Takes what is at the front of the client's bytes (dissector.feed). */
struct step imap_request(struct imap_conn *conn, struct bytes in,
			 struct sink *sink);
/* The same for the server. */
struct step imap_response(struct imap_conn *conn, struct bytes in,
			  struct sink *sink);
