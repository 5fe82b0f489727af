/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile client's bytes through HTTP framing and everything that reads a
 * request's head: targets, query strings, Accept, Host and Origin, MCP's
 * headers, tokens, Last-Event-ID.  The first byte says in pieces of what size
 * the rest arrives, the second how answers are given.  However the bytes are
 * cut, the same requests must come out.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/transport/guard.h"
#include "server/transport/http_connection.h"
#include "server/transport/mcp_headers.h"
#include "server/transport/sse.h"
#include "server/transport/tokens.h"
#include "tests/fuzz/fuzz.h"

struct client {
	struct http_connection c;
	struct tokens tokens;
	uint8_t manner;
	uint64_t requests; /* a digest of all of them */
	size_t count, refused;
};

static void
digest(struct client *k, struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		k->requests = (k->requests ^ in.data[i]) * 1099511628211u;
	k->requests = (k->requests ^ 0x1ff) * 1099511628211u;
}

static void
ask_parameters(const struct http_request *r)
{
	struct bytes query = http_request_query(r);
	char *name, *value;

	while (http_query_next(&query, &name, &value) > 0) {
		free(name);
		free(value);
	}
	free(http_request_parameter(r, "db"));
}

static void
ask_headers(struct client *k, const struct http_request *r)
{
	static const struct guard guard = { 0 };
	struct rpc_error e = { 0 };
	struct mcp_incoming m;
	struct sse_id id;

	http_request_accepts(r, "application/json");
	http_request_accepts(r, "text/event-stream");
	http_request_has_type(r, "application/json");
	guard_allows(&guard, r);
	mcp_headers_era(r);
	sse_parse_id(http_request_field(r, "last-event-id"), &id);
	assert(tokens_find(&k->tokens,
			   http_request_field(r, "authorization")) == -1);
	mcp_incoming_parse(&m, buf_view(&r->body), 4096);
	if (m.value)
		mcp_headers_check(r, &m, &e);
	json_decref(e.data);
	json_decref(m.error.data);
	mcp_incoming_free(&m);
}

static void
answer(struct client *k)
{
	const struct http_answer a = {
		.status = 200,
		.body = bytes_of("body"),
	};

	if (k->manner % 2 == 0) {
		http_respond(&k->c, &a);
		return;
	}
	http_stream_begin(&k->c, &a);
	http_stream_write(&k->c, bytes_of("data: x\n\n"));
	http_stream_end(&k->c);
}

static void
on_request(void *context, const struct http_request *r)
{
	struct client *k = context;

	assert(http_request_path(r).size + http_request_query(r).size <=
	       r->target.size);
	assert(r->head.size <= 1024 && r->body.size <= 4096);
	digest(k, http_request_path(r));
	for (size_t i = 0; i < r->field_count; i++)
		digest(k, bytes_make(r->head.data + r->fields[i].value.at,
				     r->fields[i].value.size));
	digest(k, buf_view(&r->body));
	ask_parameters(r);
	ask_headers(k, r);
	k->count++;
	if (k->manner & 2)
		return; /* later */
	answer(k);
}

static void
on_refused(void *context, unsigned status)
{
	struct client *k = context;

	assert(status >= 400 && status < 600);
	k->refused++;
}

static const struct http_handler handler = {
	.request = on_request,
	.refused = on_refused,
};

static void
settle(struct client *k)
{
	while ((k->manner & 2) && k->c.handling && !k->c.closing) {
		answer(k);
		buf_reset(&k->c.out);
		http_connection_resume(&k->c);
	}
}

static struct client *
play(struct bytes in, size_t step, uint8_t manner)
{
	static const struct http_parser_limits limits = { 1024, 4096 };
	struct client *k = calloc(1, sizeof(*k));

	assert(k);
	k->manner = manner;
	http_connection_init(&k->c, &limits, &handler, k);
	for (; in.size > 0; in = bytes_from(in, step)) {
		http_connection_feed(&k->c, bytes_first(in, step));
		settle(k);
		buf_reset(&k->c.out);
		http_connection_resume(&k->c);
		settle(k);
	}
	assert(k->refused <= 1);
	return k;
}

static void
end(struct client *k)
{
	http_connection_free(&k->c);
	free(k);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_make(data, size);
	struct client *cut, *whole;

	if (size < 2 || size > 65536)
		return 0;
	in = bytes_from(in, 2);
	cut = play(in, (size_t)data[0] + 1, data[1]);
	whole = play(in, in.size ? in.size : 1, data[1]);
	assert(cut->count == whole->count);
	assert(cut->requests == whole->requests);
	assert(cut->refused == whole->refused);
	end(cut);
	end(whole);
	return 0;
}
