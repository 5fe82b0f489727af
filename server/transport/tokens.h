/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens and the role each has (RFC 6750).  They come from a file or
 * from the environment, one "role:token" per line or comma, never from the
 * command line, which everybody on the machine can read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define TOKENS_MAX 256
#define TOKEN_MIN 16 /* characters; RFC 6750's alphabet */
#define TOKEN_OWNER 16 /* bytes that say whose a session is */

enum role {
	ROLE_VIEWER,   /* reads */
	ROLE_OPERATOR, /* also adds: snapshots, dissections, imports */
	ROLE_ADMIN,    /* also deletes, controls capturing, reveals */
};

/* "viewer", "operator", "admin". */
const char *role_name(enum role role);

struct token {
	uint8_t digest[32]; /* SHA-256; the token itself is not kept */
	enum role role;
};

struct tokens {
	struct token list[TOKENS_MAX];
	size_t count;
};

/* Adds those of a file that only its owner may read, or of a text.  INVALID
 * says which line is none; DENIED when others can read the file. */
int tokens_read(struct tokens *t, const char *path, struct error *e);
int tokens_parse(struct tokens *t, struct bytes text, struct error *e);

/* The token of an Authorization field; data NULL: it holds none. */
struct bytes tokens_bearer(struct bytes authorization);

/*
 * Looks for the token of an Authorization field.  Takes the same time for
 * every token, known or not.  -1: it is none of ours; else its place in the
 * list.
 */
int tokens_find(const struct tokens *t, struct bytes authorization);
