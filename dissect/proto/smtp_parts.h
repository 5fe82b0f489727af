/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the SMTP dissector, shared by its files only. */
#pragma once

#include "dissect/proto/line.h"

/* RFC 5321 §4.5.3.1 asks for 512 bytes and lets extensions ask for more: long
 * base64 of AUTH (RFC 4954 §4: 12,288). */
#define SMTP_LINE (16u << 10)
#define SMTP_NAME 128

/* What a request is, for the reply that answers it. */
enum smtp_kind {
	SMTP_PLAIN = 1, /* 0: the request was not seen */
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT,
	SMTP_LAST, /* BDAT, and the last one */
	SMTP_AUTH,
	SMTP_STARTTLS,
};

/* A request that goes on behind its line. */
enum smtp_open {
	SMTP_CLOSED,
	SMTP_ASKED,   /* DATA was said */
	SMTP_HEAD,    /* what follows it: header fields */
	SMTP_CONTENT, /* and the rest */
	SMTP_CHUNK,   /* before the bytes of BDAT */
	SMTP_CHUNKED, /* behind them */
	SMTP_PROOF,   /* AUTH, and lines that are not kept */
};

/* What the server said so far to the request that is open. */
enum smtp_answer { SMTP_NOTHING, SMTP_GO_ON, SMTP_FINAL };

struct smtp_name {
	char text[SMTP_NAME];
	uint8_t size;
};

struct smtp_conn {
	/* The client. */
	enum smtp_open open;
	enum smtp_answer answer;
	uint32_t serial;       /* of the last request */
	uint64_t chunk;        /* bytes of BDAT */
	size_t head;           /* bytes of the header so far */
	enum line_place place; /* in what is sent after DATA */
	bool lost;             /* some of it is missing */
	struct smtp_name from, to;
	uint32_t named;        /* recipients in this transaction */

	/* The server. */
	bool greeted;
	bool answering;
	bool lmtp;             /* replies to DATA come by recipient */
	struct line_reply reply;
	struct smtp_name host;
	uint64_t note;
	uint32_t accepted;     /* recipients */
	uint32_t left;         /* replies of the message to come */
	uint16_t worst;        /* of those that came */
};

/* Whether a line is a command as the RFCs have it, nothing more than its
 * name; an argument that it must have is there. */
bool smtp_is_command(struct bytes line);

/* Whether one stands at the front; MAYBE: the end of its line is not here. */
enum verdict smtp_command_here(struct bytes in);

/* Takes what is at the front of the client's bytes (dissector.feed). */
struct step smtp_request(struct smtp_conn *conn, struct bytes in,
			 struct sink *sink);
/* The same for the server. */
struct step smtp_response(struct smtp_conn *conn, struct bytes in,
			  struct sink *sink);
