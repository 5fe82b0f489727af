/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/tokens.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* <openssl/types.h> has a type of that name, base/err.h a code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/sha.h>
#undef ERR_STATE

#include "base/buf.h"
#include "base/file.h"

#define FILE_LIMIT ((size_t)64 << 10)

static const char *const names[] = { "viewer", "operator", "admin" };

const char *
role_name(enum role role)
{
	return names[role];
}

/* The characters of b68token (RFC 6750, 2.1). */
static bool
is_token(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!isalnum(text.data[i]) &&
		    (text.data[i] == '\0' ||
		     !strchr("-._~+/=", text.data[i])))
			return false;
	return text.size >= TOKEN_MIN;
}

static int
take_role(struct bytes name, enum role *role)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (bytes_equal(name, bytes_of(names[i]))) {
			*role = (enum role)i;
			return 0;
		}
	}
	return ERR_INVALID;
}

/* The sentence must not show what may be a secret. */
static int
add(struct tokens *t, struct bytes line, unsigned number, struct error *e)
{
	const uint8_t *colon = memchr(line.data, ':', line.size);
	size_t at = colon ? (size_t)(colon - line.data) : line.size;
	struct bytes token = bytes_trim(bytes_from(line, at + 1));
	struct token *entry = &t->list[t->count];

	if (t->count == TOKENS_MAX)
		return error_set(e, ERR_LIMIT, "more than %d tokens",
				 TOKENS_MAX);
	if (!colon || take_role(bytes_trim(bytes_first(line, at)),
				&entry->role) < 0)
		return error_set(e, ERR_INVALID,
				 "token %u: write it as viewer:TOKEN, "
				 "operator:TOKEN or admin:TOKEN", number);
	if (!is_token(token))
		return error_set(e, ERR_INVALID,
				 "token %u: a token has at least %d of the "
				 "characters A-Z a-z 0-9 - . _ ~ + / =",
				 number, TOKEN_MIN);
	SHA256(token.data, token.size, entry->digest);
	t->count++;
	return 0;
}

int
tokens_parse(struct tokens *t, struct bytes text, struct error *e)
{
	unsigned number = 0;
	int rc = 0;

	while (rc == 0 && text.size > 0) {
		size_t n = 0;
		struct bytes line;

		while (n < text.size && text.data[n] != '\n' &&
		       text.data[n] != ',')
			n++;
		line = bytes_trim(bytes_first(text, n));
		text = bytes_from(text, n + 1);
		if (line.size > 0 && line.data[line.size - 1] == '\r')
			line.size--;
		if (line.size > 0 && line.data[0] != '#')
			rc = add(t, line, ++number, e);
	}
	return rc;
}

int
tokens_read(struct tokens *t, const char *path, struct error *e)
{
	struct stat file;
	struct buf text;
	int rc;

	if (stat(path, &file) != 0)
		return error_set_errno(e, errno, "%s", path);
	if (file.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(e, ERR_DENIED,
				 "%s can be read by others: chmod 600 it",
				 path);
	buf_init(&text, FILE_LIMIT);
	rc = file_read(path, &text, e);
	if (rc == 0)
		rc = tokens_parse(t, buf_view(&text), e);
	if (rc == 0 && t->count == 0)
		rc = error_set(e, ERR_EMPTY, "%s holds no token", path);
	if (text.data)
		OPENSSL_cleanse(text.data, text.size);
	buf_free(&text);
	return rc;
}

struct bytes
tokens_bearer(struct bytes authorization)
{
	if (authorization.size < 7 ||
	    !bytes_equal_nocase(bytes_first(authorization, 7),
				bytes_of("bearer ")))
		return bytes_make(NULL, 0);
	return bytes_trim(bytes_from(authorization, 7));
}

int
tokens_find(const struct tokens *t, struct bytes authorization)
{
	struct bytes token = tokens_bearer(authorization);
	uint8_t digest[32];
	int found = -1;

	if (!token.data)
		return -1;
	SHA256(token.data, token.size, digest);
	for (size_t i = 0; i < t->count; i++)
		if (CRYPTO_memcmp(digest, t->list[i].digest, 32) == 0)
			found = (int)i;
	return found;
}
