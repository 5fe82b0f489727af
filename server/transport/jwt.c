/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/jwt.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const algorithms[JWT_ALGORITHM_COUNT] = {
	[JWT_RS256] = "RS256",
	[JWT_ES256] = "ES256",
	[JWT_EDDSA] = "EdDSA",
};

bool
jwt_algorithm_parse(const char *name, enum jwt_algorithm *algorithm)
{
	for (unsigned i = 0; name && i < JWT_ALGORITHM_COUNT; i++) {
		if (strcmp(name, algorithms[i]) == 0) {
			*algorithm = (enum jwt_algorithm)i;
			return true;
		}
	}
	return false;
}

static int
digit(uint8_t c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-_";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

bool
jwt_decode_base64url(struct bytes in, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	if (in.size % 4 == 1)
		return false;
	for (size_t i = 0; i < in.size; i++) {
		int value = digit(in.data[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_u8(out, (uint8_t)(bits >> have));
		}
	}
	return (bits & ((1u << have) - 1)) == 0 && !out->failed;
}

/* Levels of brackets outside strings: bounded before anything recurses. */
static size_t
depth_of(struct bytes json)
{
	size_t depth = 0, most = 0;
	bool in_string = false;

	for (size_t i = 0; i < json.size; i++) {
		uint8_t c = json.data[i];

		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;
			most = depth > most ? depth : most;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return most;
}

/* An object whose names are unique: two parsers must not read it in two
 * ways. */
static json_t *
decode_object(struct bytes part)
{
	struct buf text;
	json_t *value = NULL;

	buf_init(&text, JWT_MAX);
	if (jwt_decode_base64url(part, &text) &&
	    depth_of(buf_view(&text)) <= JWT_MAX_DEPTH)
		value = json_loadb(buf_cstr(&text), text.size,
				   JSON_REJECT_DUPLICATES, NULL);
	buf_free(&text);
	if (json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

/* RFC 9068, 2.1 and RFC 7519, 5.1: what else signs with the same keys (an ID
 * token is "JWT" as well, and told apart by its audience). */
static bool
is_known_type(const json_t *header)
{
	const json_t *type = json_object_get(header, "typ");
	const char *text = json_string_value(type);

	if (!type)
		return true;
	return text && (strcasecmp(text, "JWT") == 0 ||
			strcasecmp(text, "at+jwt") == 0 ||
			strcasecmp(text, "application/at+jwt") == 0);
}

static bool
check_header(struct jwt *t, const char **reason)
{
	const json_t *kid = json_object_get(t->header, "kid");

	if (!jwt_algorithm_parse(
		    json_string_value(json_object_get(t->header, "alg")),
		    &t->algorithm))
		*reason = "alg must be RS256, ES256 or EdDSA";
	else if (json_object_get(t->header, "crit"))
		*reason = "crit is not understood";
	else if (!is_known_type(t->header))
		*reason = "typ is not that of an access token";
	else if (kid && !json_is_string(kid))
		*reason = "kid must be a string";
	else
		t->kid = json_string_value(kid);
	return *reason == NULL;
}

/* The piece before the next dot. */
static bool
take_part(struct bytes *rest, struct bytes *part)
{
	const uint8_t *dot =
		rest->size ? memchr(rest->data, '.', rest->size) : NULL;

	if (!dot)
		return false;
	*part = bytes_first(*rest, (size_t)(dot - rest->data));
	*rest = bytes_from(*rest, part->size + 1);
	return true;
}

bool
jwt_parse(struct jwt *t, struct bytes text, const char **reason)
{
	struct bytes rest = text, header, claims;

	*t = (struct jwt){ 0 };
	*reason = NULL;
	buf_init(&t->signature, JWT_MAX);
	if (text.size > JWT_MAX || !take_part(&rest, &header) ||
	    !take_part(&rest, &claims)) {
		*reason = "not a JSON Web Token";
		return false;
	}
	t->signed_part = bytes_first(text, header.size + 1 + claims.size);
	t->header = decode_object(header);
	t->claims = decode_object(claims);
	if (!t->header || !t->claims ||
	    !jwt_decode_base64url(rest, &t->signature)) {
		*reason = "not a JSON Web Token";
		return false;
	}
	return check_header(t, reason);
}

void
jwt_free(struct jwt *t)
{
	json_decref(t->header);
	json_decref(t->claims);
	buf_free(&t->signature);
	*t = (struct jwt){ 0 };
}

static bool
is_text(const json_t *value, const char *expected)
{
	return json_is_string(value) &&
	       bytes_equal(bytes_make(json_string_value(value),
				      json_string_length(value)),
			   bytes_of(expected));
}

/* A string, or any of an array of them. */
static bool
names(const json_t *value, const char *expected)
{
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return is_text(value, expected);
	json_array_foreach (value, i, item)
		if (is_text(item, expected))
			return true;
	return false;
}

/* NumericDate: a number, with or without a fraction. */
static bool
is_time(const json_t *value)
{
	return json_is_number(value) && isfinite(json_number_value(value));
}

bool
jwt_check_claims(const struct jwt *t, const struct jwt_expected *expected,
		 const char **reason)
{
	const json_t *expires = json_object_get(t->claims, "exp");
	const json_t *begins = json_object_get(t->claims, "nbf");
	double latest = (double)(expected->now_s - expected->leeway_s);
	double earliest = (double)(expected->now_s + expected->leeway_s);

	*reason = NULL;
	if (!is_text(json_object_get(t->claims, "iss"), expected->issuer))
		*reason = "iss is another issuer";
	else if (!names(json_object_get(t->claims, "aud"), expected->audience))
		*reason = "aud is another resource";
	else if (!is_time(expires))
		*reason = "exp is missing";
	else if (json_number_value(expires) <= latest)
		*reason = "the token has expired";
	else if (begins &&
		 (!is_time(begins) || json_number_value(begins) > earliest))
		*reason = "the token is not valid yet";
	return *reason == NULL;
}

static bool
has_word(struct bytes text, struct bytes word)
{
	while (text.size > 0) {
		const uint8_t *blank = memchr(text.data, ' ', text.size);
		size_t size = blank ? (size_t)(blank - text.data) : text.size;

		if (bytes_equal(bytes_first(text, size), word))
			return true;
		text = bytes_from(text, size + 1);
	}
	return false;
}

bool
jwt_has_scope(const struct jwt *t, const char *scope)
{
	static const char *const members[] = { "scope", "scp" };

	for (size_t i = 0; i < 2; i++) {
		const json_t *value = json_object_get(t->claims, members[i]);

		if (json_is_array(value)
			    ? names(value, scope)
			    : has_word(bytes_make(json_string_value(value),
						  json_string_length(value)),
				       bytes_of(scope)))
			return true;
	}
	return false;
}
