/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "dissect/store/address.h"

struct sample {
	enum protocol protocol;
	uint64_t connection;
	double second, latency_ms; /* latency < 0: no response; 0: no request */
	const char *client, *server;
	uint16_t client_port, server_port;
	const char *method, *host, *path, *query;
	int32_t status;
	const char *status_text;
	uint32_t flags;
	enum call_reason reason;
	const char *request_head, *response_head; /* "name: value\n"… */
	const char *request_body, *response_body;
};

#define PAIR (CALL_HAS_REQUEST | CALL_HAS_RESPONSE)
#define API "api.example.test"
#define SHOP "shop.example.test"

static const struct sample samples[FIXTURE_CALLS] = {
	{ PROTOCOL_http, 1, 0, 10, "10.0.0.1", "10.0.1.5", 40000, 8080, "GET",
	  API, "/users", "page=2&q=a%20b", 200, "OK", PAIR, CALL_REASON_NONE,
	  "Host: " API "\nCookie: session=abc; theme=dark\n"
	  "X-Request-Id: r-1\n",
	  "Content-Type: application/json\nSet-Cookie: token=zzz; Path=/\n",
	  NULL, "{\"users\":[]}" },
	{ PROTOCOL_http, 1, 1, 25, "10.0.0.1", "10.0.1.5", 40000, 8080, "POST",
	  API, "/orders", "", 201, "Created", PAIR, CALL_REASON_NONE,
	  "Host: " API "\nX-Request-Id: r-2\n",
	  "Content-Type: application/json\n",
	  "{\"sku\":\"A1\"}", "{\"status\":\"created\"}" },
	{ PROTOCOL_http, 2, 2, 5, "10.0.0.2", "10.0.1.5", 40001, 8080, "GET",
	  API, "/users/7", "", 404, "Not Found", PAIR | CALL_IS_ERROR,
	  CALL_REASON_NONE, "Host: " API "\n", NULL, NULL, NULL },
	{ PROTOCOL_http, 3, 3, 100, "192.168.7.9", "10.0.1.6", 40002, 80,
	  "GET", SHOP, "/boom", "", 500, "Internal Server Error",
	  PAIR | CALL_IS_ERROR, CALL_REASON_NONE, "Host: " SHOP "\n",
	  "Content-Type: text/plain\n", NULL, "out of cheese" },
	{ PROTOCOL_http, 3, 4, 6000, "192.168.7.9", "10.0.1.6", 40002, 80,
	  "GET", SHOP, "/slow", "", 200, "OK", PAIR, CALL_REASON_NONE, NULL,
	  NULL, NULL, NULL },
	{ PROTOCOL_http, 4, 5, -1, "2001:db8::1", "2001:db8::2", 40003, 8080,
	  "GET", API, "/hang", "", -1, "", CALL_HAS_REQUEST,
	  CALL_REASON_CAPTURE_ENDED, NULL, NULL, NULL, NULL },
	{ PROTOCOL_dns, 5, 6, 3, "10.0.0.1", "10.0.0.53", 50000, 53, "A", "",
	  "example.com", "", 0, "NOERROR", PAIR, CALL_REASON_NONE,
	  "question: example.com IN A\n",
	  "question: example.com IN A\n"
	  "answer: example.com 300 IN A 93.184.216.34\n"
	  "answer: example.com 300 IN A 93.184.216.35\n",
	  NULL, NULL },
	{ PROTOCOL_dns, 5, 7, 4, "10.0.0.1", "10.0.0.53", 50000, 53, "AAAA",
	  "", "nope.example.com", "", 3, "NXDOMAIN", PAIR | CALL_IS_ERROR,
	  CALL_REASON_NONE, NULL, NULL, NULL, NULL },
	{ PROTOCOL_http, 2, 1.5, 8, "10.0.0.2", "10.0.1.5", 40001, 8080,
	  "DELETE", API, "/users/7", "", 204, "No Content",
	  PAIR | CALL_UNCERTAIN, CALL_REASON_HOLE_BEFORE, NULL, NULL, NULL,
	  NULL },
	{ PROTOCOL_http, 6, 8, 0, "10.0.0.3", "10.0.1.5", 40004, 8080, "", "",
	  "", "", 200, "OK", CALL_HAS_RESPONSE,
	  CALL_REASON_REQUEST_NOT_CAPTURED, NULL, NULL, NULL, NULL },
};

static struct endpoint
endpoint(const char *ip, uint16_t port)
{
	struct endpoint out = { .port = port };
	struct address a;

	assert_true(address_parse(ip, &a));
	memcpy(out.ip, a.bytes, sizeof(out.ip));
	return out;
}

/* Appends a head as the packer encodes it. */
static struct payload_ref
put_head(struct buf *raw, const char *lines)
{
	struct payload_ref ref = { 1, (uint32_t)raw->size, 0 };

	while (lines && *lines) {
		const char *colon = strchr(lines, ':');
		const char *end = strchr(lines, '\n');

		buf_string(raw, bytes_make(lines, (size_t)(colon - lines)));
		buf_string(raw, bytes_make(colon + 2,
					   (size_t)(end - colon - 2)));
		lines = end + 1;
	}
	ref.size = (uint32_t)raw->size - ref.offset;
	return ref;
}

static struct payload_ref
put_body(struct buf *raw, const char *text)
{
	struct payload_ref ref = { 2, (uint32_t)raw->size, 0 };

	if (text)
		buf_text(raw, text);
	ref.size = (uint32_t)raw->size - ref.offset;
	return ref;
}

static void
write_block(struct store_writer *w, uint64_t id, enum payload_kind kind,
	    const struct buf *raw)
{
	uint8_t compressed[4096];
	size_t size = ZSTD_compress(compressed, sizeof(compressed), raw->data,
				    raw->size, 1);

	assert_false(ZSTD_isError(size));
	assert_int_equal(store_writer_block(w, id, kind, (uint32_t)raw->size,
					    bytes_make(compressed, size)), 0);
}

static struct call_event
make_call(const struct sample *s, struct buf *heads, struct buf *bodies)
{
	int64_t ts = FIXTURE_START + (int64_t)(s->second * 1e9);
	int64_t end = ts + (int64_t)(s->latency_ms * 1e6);
	struct call_event c = {
		.protocol = s->protocol, .connection = s->connection,
		.flags = s->flags, .reason = s->reason, .status = s->status,
		.client = endpoint(s->client, s->client_port),
		.server = endpoint(s->server, s->server_port),
		.ip_protocol = s->protocol == PROTOCOL_dns ? 17 : 6,
	};

	c.fields[FIELD_METHOD] = bytes_of(s->method);
	c.fields[FIELD_HOST] = bytes_of(s->host);
	c.fields[FIELD_PATH] = bytes_of(s->path);
	c.fields[FIELD_QUERY] = bytes_of(s->query);
	c.fields[FIELD_STATUS_TEXT] = bytes_of(s->status_text);
	if (s->protocol == PROTOCOL_http) {
		c.fields[FIELD_VERSION] = bytes_of("1.1");
		c.fields[FIELD_USER_AGENT] = bytes_of("curl/8.1");
	}
	if (s->flags & CALL_HAS_REQUEST)
		c.request = (struct call_half){
			.first_ns = ts, .last_ns = ts, .wire_bytes = 100,
			.packet = { 0, 24 },
			.head_ref = put_head(heads, s->request_head),
			.body_ref = put_body(bodies, s->request_body),
			.body_bytes = s->request_body ? strlen(s->request_body)
						      : 0,
		};
	if (s->flags & CALL_HAS_RESPONSE)
		c.response = (struct call_half){
			.first_ns = end, .last_ns = end, .wire_bytes = 200,
			.packet = { 1, 48 },
			.head_ref = put_head(heads, s->response_head),
			.body_ref = put_body(bodies, s->response_body),
			.body_bytes = s->response_body
					      ? strlen(s->response_body) : 0,
			.content_type = bytes_of(
				s->response_body ? "application/json" : ""),
		};
	c.request.body_wire_bytes = c.request.body_bytes;
	c.response.body_wire_bytes = c.response.body_bytes;
	return c;
}

struct call_event
fixture_call(int64_t ns, const char *path, int32_t status)
{
	struct sample s = samples[0];
	struct buf none;
	struct call_event c;

	buf_init(&none, 4096);
	s.path = path;
	s.status = status;
	s.request_head = s.response_head = s.response_body = NULL;
	c = make_call(&s, &none, &none);
	c.request.first_ns = c.request.last_ns = ns;
	c.response.first_ns = c.response.last_ns = ns + 1000000;
	buf_free(&none);
	return c;
}

static void
write_connections(struct store_writer *w)
{
	struct connection_event c[] = {
		{ .id = 1, .client = endpoint("10.0.0.1", 40000),
		  .server = endpoint("10.0.1.5", 8080), .ip_protocol = 6,
		  .protocol = PROTOCOL_http, .state = CONNECTION_CLOSED,
		  .first_ns = FIXTURE_START,
		  .last_ns = FIXTURE_START + 2 * FIXTURE_SECOND,
		  .packets = { 10, 8 }, .wire_bytes = { 1000, 4000 },
		  .calls = 2,
		  .tcp = { .retransmissions = { 1, 2 },
			   .initial_rtt_ns = 2000000,
			   .completeness = 31 } },
		{ .id = 2, .client = endpoint("10.0.0.2", 40001),
		  .server = endpoint("10.0.1.5", 8080), .ip_protocol = 6,
		  .protocol = PROTOCOL_http, .state = CONNECTION_OPEN,
		  .first_ns = FIXTURE_START + FIXTURE_SECOND,
		  .last_ns = FIXTURE_START + 3 * FIXTURE_SECOND,
		  .packets = { 5, 5 }, .wire_bytes = { 500, 700 },
		  .calls = 2, .midstream = true },
		{ .id = 3, .client = endpoint("192.168.7.9", 40002),
		  .server = endpoint("10.0.1.6", 80), .ip_protocol = 6,
		  .protocol = PROTOCOL_http, .state = CONNECTION_RESET,
		  .first_ns = FIXTURE_START + 3 * FIXTURE_SECOND,
		  .last_ns = FIXTURE_START + 10 * FIXTURE_SECOND,
		  .packets = { 6, 6 }, .wire_bytes = { 600, 9000 },
		  .calls = 2 },
		{ .id = 5, .client = endpoint("10.0.0.1", 50000),
		  .server = endpoint("10.0.0.53", 53), .ip_protocol = 17,
		  .protocol = PROTOCOL_dns, .state = CONNECTION_CLOSED,
		  .first_ns = FIXTURE_START + 6 * FIXTURE_SECOND,
		  .last_ns = FIXTURE_START + 8 * FIXTURE_SECOND,
		  .packets = { 2, 2 }, .wire_bytes = { 120, 200 },
		  .calls = 2 },
		{ .id = 7, .client = endpoint("10.0.0.9", 40009),
		  .server = endpoint("10.0.1.7", 9999), .ip_protocol = 6,
		  .protocol = PROTOCOL_UNKNOWN, .state = CONNECTION_HALF_OPEN,
		  .first_ns = FIXTURE_START, .last_ns = FIXTURE_START,
		  .packets = { 1, 0 }, .wire_bytes = { 60, 0 },
		  .undissected_bytes = 4,
		  .first_bytes = { bytes_of("\x01\x02zz") } },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++)
		assert_int_equal(store_writer_connection(w, &c[i]), 0);
}

void
fixture_write(struct store_writer *w)
{
	struct endpoint api = endpoint("10.0.1.5", 0);
	struct name_event name = { .name = bytes_of("api.internal"),
				   .time_ns = FIXTURE_START };
	struct call_event calls[FIXTURE_CALLS];
	struct buf heads, bodies;

	buf_init(&heads, 1 << 16);
	buf_init(&bodies, 1 << 16);
	for (int i = 0; i < FIXTURE_CALLS; i++)
		calls[i] = make_call(&samples[i], &heads, &bodies);
	write_block(w, 1, PAYLOAD_HEADS, &heads);
	write_block(w, 2, PAYLOAD_BODIES, &bodies);
	for (int i = 0; i < FIXTURE_CALLS; i++)
		assert_int_equal(store_writer_call(w, &calls[i]), 0);
	write_connections(w);
	memcpy(name.ip, api.ip, sizeof(name.ip));
	assert_int_equal(store_writer_name(w, &name), 0);
	name.name = bytes_of("alias.internal");
	assert_int_equal(store_writer_name(w, &name), 0);
	name.name = bytes_of("api.internal");
	assert_int_equal(store_writer_name(w, &name), 0);
	buf_free(&heads);
	buf_free(&bodies);
}

void
fixture_finish(struct fixture *f, struct store_writer *w)
{
	struct coverage coverage = { .packets = 61, .missing_bytes = 1200,
				     .holes = 2, .calls_unpaired = 2 };
	struct error e = { 0 };

	if (store_writer_finish(w, &coverage, NULL, f->path, &e))
		fail_msg("%s", e.text);
}

int
fixture_setup_empty(void **state)
{
	struct fixture *f = alloc_zero(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory),
		 "/tmp/aftertap-store-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/d.sqlite", f->directory);
	snprintf(f->part, sizeof(f->part), "%s.part", f->path);
	*state = f;
	return 0;
}

int
fixture_setup(void **state)
{
	json_t *meta = json_pack("{s:s, s:s, s:{s:i}, s:i}", "snapshot", "s1",
				 "dissection", "d1", "options", "body_limit",
				 65536, "drops", 17);
	struct store_writer *w;
	struct error e = { 0 };
	struct fixture *f;

	fixture_setup_empty(state);
	f = *state;
	if (store_writer_open(f->part, meta, &w, &e))
		fail_msg("%s", e.text);
	json_decref(meta);
	fixture_write(w);
	fixture_finish(f, w);
	if (store_open(f->path, &f->store, &e))
		fail_msg("%s", e.text);
	return 0;
}

int
fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	file_remove_tree(f->directory, NULL);
	free(f);
	return 0;
}

char *
fixture_ids(json_t *result)
{
	struct buf out;
	char *text;
	json_t *call;
	size_t i;

	buf_init(&out, 1 << 16);
	json_array_foreach(json_object_get(result, "calls"), i, call)
		buf_format(&out, "%s%d", i ? " " : "",
			   (int)json_integer_value(
				   json_object_get(call, "id")));
	text = alloc_string(buf_cstr(&out));
	buf_free(&out);
	return text;
}

json_t *
fixture_get(json_t *object, const char *path)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, ".", &save); name && object;
	     name = strtok_r(NULL, ".", &save))
		object = json_is_array(object)
				 ? json_array_get(object,
						  strtoul(name, NULL, 10))
				 : json_object_get(object, name);
	return object;
}
