/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This server as a resource server of OAuth 2.1 (MCP 2025-11-25 and
 * 2026-07-28, basic/authorization): access tokens of one issuer, what they
 * allow, and where a client learns of the issuer (RFC 9728).  No sockets: the
 * issuer's keys are handed in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "server/transport/tokens.h"

/* Borrowed for the life of a struct oauth. */
struct oauth_options {
	const char *issuer;   /* "https://login.example", as tokens say it in
			       * iss; NULL: no OAuth */
	const char *keys;     /* of a file or URL; see key_source.h */
	const char *resource; /* "https://tap.example/mcp": what aud must say */
};

struct oauth;

/* INVALID: an option is missing or is no URL.  No keys yet. */
struct oauth *oauth_new(const struct oauth_options *options, struct error *e);
void oauth_free(struct oauth *o);

/* A JSON Web Key Set in place of the keys there were; what it holds that is
 * wrong leaves those in place. */
int oauth_take_keys(struct oauth *o, struct bytes set, struct error *e);

/* Have any keys been handed in yet? */
bool oauth_has_keys(const struct oauth *o);

enum oauth_verdict {
	OAUTH_ADMITTED,
	OAUTH_REFUSED,     /* 401; the reason may be shown */
	OAUTH_NO_SCOPE,    /* 403: a good token that allows nothing here */
	OAUTH_KEYS_WANTED, /* signed by a key that is not known (yet) */
};

/* Who a token speaks for. */
struct oauth_caller {
	enum role role;
	uint8_t owner[TOKEN_OWNER]; /* the same for all tokens of a subject */
	const char *reason;         /* why it was refused */
};

/* `token` without "Bearer ".  `now_s`: Unix time. */
enum oauth_verdict oauth_check(struct oauth *o, struct bytes token,
			       int64_t now_s, struct oauth_caller *caller);

/* "aftertap:viewer": the scope that gives a role. */
const char *oauth_scope(enum role role);

/* RFC 9728, 3: is that where the metadata is? */
bool oauth_is_metadata_path(const struct oauth *o, struct bytes path);
/* … and the document; borrowed. */
struct bytes oauth_metadata(const struct oauth *o);

/* The field WWW-Authenticate with its CRLF (RFC 6750, 3; RFC 9728, 5.1).
 * `error` ("invalid_token", "insufficient_scope") and `reason` may be NULL;
 * `role` is what was needed. */
void oauth_challenge(const struct oauth *o, const char *error,
		     const char *reason, enum role role, struct buf *out);
