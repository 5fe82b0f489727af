/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/oauth.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* <openssl/types.h> has a type of that name, base/err.h a code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/sha.h>
#undef ERR_STATE

#include "base/alloc.h"
#include "server/transport/jwks.h"
#include "server/transport/jwt.h"

#define WELL_KNOWN  "/.well-known/oauth-protected-resource"
#define LEEWAY_S    30
#define PLACES      256
#define SUBJECT_MAX 1024

/* A token that was checked already. */
struct place {
	uint8_t digest[SHA256_DIGEST_LENGTH];
	double expires; /* Unix time; 0: the place is empty */
	struct oauth_caller caller;
};

struct oauth {
	struct oauth_options options;
	struct jwks *keys; /* NULL: none yet */
	char *path;        /* of the metadata, with the resource's path */
	char *metadata;    /* JSON */
	char *metadata_url;
	struct place places[PLACES];
};

static const char *const scopes[] = {
	[ROLE_VIEWER] = "aftertap:viewer",
	[ROLE_OPERATOR] = "aftertap:operator",
	[ROLE_ADMIN] = "aftertap:admin",
};

const char *
oauth_scope(enum role role)
{
	return scopes[role];
}

/* Only what may stand in a quoted string of a header, and in a URL anyway. */
static bool
is_url(const char *text)
{
	size_t scheme = text && strncmp(text, "https://", 8) == 0  ? 8
			: text && strncmp(text, "http://", 7) == 0 ? 7
								   : 0;

	if (scheme == 0 || text[scheme] == '\0' || text[scheme] == '/')
		return false;
	for (const char *at = text; *at; at++)
		if (*at <= 0x20 || *at > 0x7e || strchr("\"\\<>{}^`|#", *at))
			return false;
	return true;
}

static void
set_metadata(struct oauth *o)
{
	const char *resource = o->options.resource;
	const char *host = strstr(resource, "://") + 3;
	const char *slash = strchr(host, '/');
	size_t origin = slash ? (size_t)(slash - resource) : strlen(resource);
	json_t *document = json_pack(
		"{s:s, s:[s], s:[s, s, s], s:[s], s:s}", "resource", resource,
		"authorization_servers", o->options.issuer, "scopes_supported",
		scopes[0], scopes[1], scopes[2], "bearer_methods_supported",
		"header", "resource_name", "aftertap");
	char *start = alloc_string_n(resource, origin);

	o->path = alloc_format(WELL_KNOWN "%s", slash && slash[1] ? slash : "");
	o->metadata_url = alloc_format("%s%s", start, o->path);
	o->metadata = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	free(start);
}

struct oauth *
oauth_new(const struct oauth_options *options, struct error *e)
{
	struct oauth *o;

	if (!is_url(options->issuer)) {
		error_set(e, ERR_INVALID, "the issuer must be an URL");
		return NULL;
	}
	if (!is_url(options->resource)) {
		error_set(e, ERR_INVALID,
			  "the resource must be the URL by which clients "
			  "reach /mcp");
		return NULL;
	}
	if (!options->keys) {
		error_set(e, ERR_INVALID, "the issuer's keys are missing");
		return NULL;
	}
	o = alloc_zero(1, sizeof(*o));
	o->options = *options;
	set_metadata(o);
	return o;
}

void
oauth_free(struct oauth *o)
{
	if (!o)
		return;
	jwks_free(o->keys);
	free(o->path);
	free(o->metadata);
	free(o->metadata_url);
	free(o);
}

/* What a key has vouched for that is gone must be asked for again. */
int
oauth_take_keys(struct oauth *o, struct bytes set, struct error *e)
{
	struct jwks *keys = jwks_parse(set, e);

	if (!keys)
		return ERR_INVALID;
	jwks_free(o->keys);
	o->keys = keys;
	memset(o->places, 0, sizeof(o->places));
	return 0;
}

bool
oauth_has_keys(const struct oauth *o)
{
	return o->keys != NULL;
}

/* Sessions belong to a subject, or, where a program has a token of its own,
 * to the program (RFC 9068, 2.2). */
static bool
take_owner(const struct oauth *o, const struct jwt *t,
	   struct oauth_caller *caller)
{
	const json_t *who = json_object_get(t->claims, "sub");
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct buf text;

	if (!json_is_string(who))
		who = json_object_get(t->claims, "client_id");
	if (!json_is_string(who) || json_string_length(who) == 0 ||
	    json_string_length(who) > SUBJECT_MAX)
		return false;
	buf_init(&text, SIZE_MAX);
	buf_append(&text, o->options.issuer, strlen(o->options.issuer) + 1);
	buf_append(&text, json_string_value(who), json_string_length(who));
	SHA256(text.data, text.size, digest);
	memcpy(caller->owner, digest, sizeof(caller->owner));
	buf_free(&text);
	return true;
}

static enum oauth_verdict
take_caller(const struct oauth *o, const struct jwt *t,
	    struct oauth_caller *caller)
{
	if (!take_owner(o, t, caller)) {
		caller->reason = "sub is missing";
		return OAUTH_REFUSED;
	}
	for (int role = ROLE_ADMIN; role >= ROLE_VIEWER; role--) {
		if (!jwt_has_scope(t, scopes[role]))
			continue;
		caller->role = (enum role)role;
		return OAUTH_ADMITTED;
	}
	caller->reason = "the token has no scope of this server";
	return OAUTH_NO_SCOPE;
}

/* The signature comes last but for the scopes: it costs most, and an unknown
 * key must not be looked for on behalf of a token that is none of ours. */
static enum oauth_verdict
check(const struct oauth *o, const struct jwt *t, int64_t now_s,
      struct oauth_caller *caller)
{
	const struct jwt_expected expected = {
		.issuer = o->options.issuer,
		.audience = o->options.resource,
		.now_s = now_s,
		.leeway_s = LEEWAY_S,
	};

	if (!jwt_check_claims(t, &expected, &caller->reason))
		return OAUTH_REFUSED;
	switch (jwks_verify(o->keys, t)) {
	case JWKS_SIGNED:
		return take_caller(o, t, caller);
	case JWKS_UNKNOWN_KEY:
		caller->reason = "signed by a key that the issuer does not "
				 "name";
		return OAUTH_KEYS_WANTED;
	case JWKS_FORGED:
	default:
		caller->reason = "the signature is wrong";
		return OAUTH_REFUSED;
	}
}

enum oauth_verdict
oauth_check(struct oauth *o, struct bytes token, int64_t now_s,
	    struct oauth_caller *caller)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct place *place;
	struct jwt t;
	enum oauth_verdict verdict = OAUTH_REFUSED;

	*caller = (struct oauth_caller){ 0 };
	SHA256(token.data, token.size, digest);
	place = &o->places[digest[0] % PLACES];
	if (memcmp(place->digest, digest, sizeof(digest)) == 0 &&
	    place->expires > (double)(now_s - LEEWAY_S)) {
		*caller = place->caller;
		return OAUTH_ADMITTED;
	}
	if (jwt_parse(&t, token, &caller->reason))
		verdict = check(o, &t, now_s, caller);
	if (verdict == OAUTH_ADMITTED) {
		memcpy(place->digest, digest, sizeof(digest));
		place->caller = *caller;
		place->expires =
			json_number_value(json_object_get(t.claims, "exp"));
	}
	jwt_free(&t);
	return verdict;
}

bool
oauth_is_metadata_path(const struct oauth *o, struct bytes path)
{
	return bytes_equal(path, bytes_of(WELL_KNOWN)) ||
	       bytes_equal(path, bytes_of(o->path));
}

struct bytes
oauth_metadata(const struct oauth *o)
{
	return bytes_of(o->metadata);
}

void
oauth_challenge(const struct oauth *o, const char *error, const char *reason,
		enum role role, struct buf *out)
{
	buf_format(out,
		   "WWW-Authenticate: Bearer realm=\"aftertap\", "
		   "resource_metadata=\"%s\", scope=\"%s\"",
		   o->metadata_url, scopes[role]);
	if (error)
		buf_format(out, ", error=\"%s\"", error);
	if (reason)
		buf_format(out, ", error_description=\"%s\"", reason);
	buf_text(out, "\r\n");
}
