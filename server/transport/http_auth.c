/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: tokens of our own, or access tokens of an issuer, whose keys may
 * have to be fetched first. */
#include <stdio.h>
#include <string.h>

#include "server/transport/http_internal.h"

static void
forget_hold(struct client *c)
{
	c->held = false;
}

/* The request waits for the issuer's keys, like for any other answer. */
static void
hold(struct client *c)
{
	c->held = c->was_held = true;
	c->waiting = WAITING_OTHER;
	c->abandon = forget_hold;
}

static void
go_on(struct client *c)
{
	c->held = false;
	c->waiting = WAITING_NOTHING;
	c->abandon = NULL;
	client_enter(c, &c->http.parser.request);
}

static void
keys_missed(struct http_server *s)
{
	s->metrics.key_failures++;
	if (s->options.keys_missed)
		s->options.keys_missed(s->options.oauth.keys);
}

/* Everybody who waited is looked at again, with these keys or the old ones. */
static void
keys_done(void *context, const struct bytes *text)
{
	struct http_server *s = context;
	struct client *c, *next;

	s->now_ns = clock_monotonic_ns();
	if (!text || oauth_take_keys(s->oauth, *text, NULL) < 0)
		keys_missed(s);
	for (c = TAILQ_FIRST(&s->clients); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->held)
			go_on(c);
	}
}

/* A key that is not known may be a new one: the keys are asked for again, but
 * not for every token that somebody makes up. */
static enum admission
want_keys(struct client *c)
{
	struct key_source *keys = &c->server->keys;

	if (c->was_held || (!key_source_is_busy(keys) &&
			    !key_source_may_fetch(keys, c->server->now_ns)))
		return oauth_has_keys(c->server->oauth) ? UNKNOWN : KEYLESS;
	hold(c);
	if (!key_source_is_busy(keys))
		key_source_fetch(keys, c->server->now_ns);
	return HELD;
}

/* Known by what its sessions and tasks are kept under. */
static void
know(struct client *c, enum role role, const uint8_t owner[TOKEN_OWNER])
{
	c->is_known = true;
	c->role = role;
	memcpy(c->owner, owner, TOKEN_OWNER);
	for (size_t i = 0; i < TOKEN_OWNER; i++)
		snprintf(c->principal + 2 * i, 3, "%02x", owner[i]);
}

static enum admission
admit_oauth(struct client *c, struct bytes token)
{
	struct oauth_caller caller;

	if (!c->server->oauth || !token.data)
		return UNKNOWN;
	switch (oauth_check(c->server->oauth, token,
			    clock_wall_ns() / CLOCK_NS_PER_S, &caller)) {
	case OAUTH_ADMITTED:
		know(c, caller.role, caller.owner);
		return ADMITTED;
	case OAUTH_NO_SCOPE:
		c->reason = caller.reason;
		return POWERLESS;
	case OAUTH_KEYS_WANTED:
		c->reason = caller.reason;
		return want_keys(c);
	case OAUTH_REFUSED:
	default:
		c->reason = caller.reason;
		return UNKNOWN;
	}
}

/* /healthz tells nothing, and so asks for nothing. */
enum admission
auth_admit(struct client *c, const struct http_request *r)
{
	const struct http_server *s = c->server;
	const struct tokens *tokens = &s->options.tokens;
	struct bytes field = http_request_field(r, "Authorization");
	int place;

	c->is_known = false;
	c->reason = NULL;
	c->principal[0] = '\0';
	c->role = ROLE_VIEWER;
	memset(c->owner, 0, sizeof(c->owner));
	if (tokens->count == 0 && !s->oauth) {
		c->role = ROLE_ADMIN;
		return ADMITTED;
	}
	if (bytes_equal(http_request_path(r), bytes_of("/healthz")))
		return ADMITTED;
	place = tokens_find(tokens, field);
	if (place < 0)
		return admit_oauth(c, tokens_bearer(field));
	know(c, tokens->list[place].role, tokens->list[place].digest);
	return ADMITTED;
}

bool
client_owns(const struct client *c, const struct session *session)
{
	return memcmp(session->owner, c->owner, sizeof(c->owner)) == 0;
}

enum role
auth_role_needed(const struct client *c)
{
	const struct tool *const *table =
		c->server->options.content->tools.table;

	if (c->endpoint == ENDPOINT_EXPORTS)
		return ROLE_ADMIN;
	for (; table && *table; table++) {
		if (strcmp((*table)->name, c->name) != 0)
			continue;
		return (*table)->effects == TOOL_READS    ? ROLE_VIEWER
		       : (*table)->effects == TOOL_WRITES ? ROLE_OPERATOR
							  : ROLE_ADMIN;
	}
	return ROLE_VIEWER;
}

int
auth_start(struct http_server *s, struct error *e)
{
	const struct oauth_options *options = &s->options.oauth;
	int rc;

	if (!options->issuer)
		return 0;
	s->oauth = oauth_new(options, e);
	if (!s->oauth)
		return ERR_INVALID;
	rc = key_source_init(&s->keys, s->loop, options->keys, e);
	if (rc < 0)
		return rc;
	s->keys.done = keys_done;
	s->keys.context = s;
	s->now_ns = clock_monotonic_ns();
	key_source_fetch(&s->keys, s->now_ns);
	if (s->metrics.key_failures == 0)
		return 0;
	return error_set(e, ERR_INVALID,
			 "%s holds no key for RS256, ES256 or EdDSA",
			 options->keys);
}

/* Keys that the issuer has withdrawn must not be trusted for ever. */
void
auth_sweep(struct http_server *s)
{
	if (s->oauth && key_source_may_fetch(&s->keys, s->now_ns) &&
	    s->now_ns - s->keys.began_ns > KEY_SOURCE_FRESH_S * CLOCK_NS_PER_S)
		key_source_fetch(&s->keys, s->now_ns);
}

void
auth_stop(struct http_server *s)
{
	if (s->oauth && s->keys.loop)
		key_source_close(&s->keys);
}

void
auth_metadata(struct client *c)
{
	enum http_method method = c->http.parser.request.method;

	c->endpoint = ENDPOINT_METADATA;
	if (method != METHOD_GET && method != METHOD_HEAD) {
		client_answer(c, &(struct http_answer){
					 .status = 405,
					 .fields = "Allow: GET, HEAD\r\n",
				 });
		return;
	}
	client_answer(c, &(struct http_answer){
				 .status = 200,
				 .type = "application/json",
				 .fields = "Cache-Control: max-age=3600\r\n",
				 .body = oauth_metadata(c->server->oauth),
			 });
}
