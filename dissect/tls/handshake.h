/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of a handshake: a call whose request is the ClientHello and
 * whose response lasts from the server's first answer to the end of the
 * handshake.  Reads messages, clear or decrypted; knows no records.
 */
#pragma once

#include "dissect/sink.h"
#include "dissect/tls/hello.h"
#include "dissect/tls/session.h"

#define HANDSHAKE_NAME_MAX 255
#define HANDSHAKE_TEXT_MAX 255

enum handshake_type {
	HANDSHAKE_CLIENT_HELLO = 1,
	HANDSHAKE_SERVER_HELLO = 2,
	HANDSHAKE_END_OF_EARLY_DATA = 5,
	HANDSHAKE_ENCRYPTED_EXTENSIONS = 8,
	HANDSHAKE_CERTIFICATE = 11,
	HANDSHAKE_SERVER_KEY_EXCHANGE = 12,
	HANDSHAKE_SERVER_HELLO_DONE = 14,
	HANDSHAKE_FINISHED = 20,
	HANDSHAKE_KEY_UPDATE = 24,
};

/* A short text. */
struct handshake_text {
	uint8_t size;
	char data[HANDSHAKE_TEXT_MAX];
};

struct handshake {
	bool asked;       /* a ClientHello was read */
	bool chosen;      /* a ServerHello was read, other than a retry */
	bool retried;
	bool full;        /* TLS 1.2: the server sent more than resumption has */
	bool psk;
	bool early_offered, early_accepted, extended_master;
	bool ticket;      /* TLS 1.2: the client offered one */
	bool encrypt_then_mac;
	bool sent[2];     /* the side has sent protected records since */
	bool opened;      /* one of them was decrypted */
	bool over;        /* the call has ended */
	bool failed;
	bool alert_hidden; /* … by an alert that is encrypted */
	uint8_t alert_side, alert;
	uint16_t version, suite;
	uint8_t client_random[KEY_RANDOM_SIZE];
	uint8_t server_random[KEY_RANDOM_SIZE];
	struct handshake_text name, alpn, client_certificate;
};

/* A ClientHello, with the client's message open; false when it is none. */
bool handshake_client_hello(struct handshake *h, struct bytes body,
			    struct sink *sink);

/* A ServerHello or HelloRetryRequest, with the server's message open. */
bool handshake_server_hello(struct handshake *h, struct bytes body,
			    struct sink *sink);

/* Any other message; of the server's only while its message is open. */
void handshake_message(struct handshake *h, enum side side, uint8_t type,
		       struct bytes body, struct sink *sink);

/* An alert that ends the handshake; `hidden`: its code cannot be read. */
void handshake_alert(struct handshake *h, enum side side, uint8_t code,
		     bool hidden);

/* Both sides have what they need. */
bool handshake_is_done(const struct handshake *h);

/* Says how it ended, with the server's message open; a FIELD_SUMMARY that it
 * has already is what the summary begins with.  `closed` as below. */
void handshake_tell(struct handshake *h, bool closed, struct sink *sink);

/*
 * Ends the call: the server's message is open.  `closed`: the connection was
 * closed in order, and not merely cut off from view.
 */
void handshake_end(struct handshake *h, bool closed, size_t consumed,
		   struct sink *sink);

/* FIELD_TLS of what is said inside. */
void handshake_label(const struct handshake *h, const struct suite *suite,
		     struct buf *out);
