/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies made to cost much: what is read of them is bounded, and takes time in
 * proportion to their size; the test's time limit is the judge of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "dissect/application/application.h"
#include "dissect/payload.h"

#define BODY (8u << 20)

struct talk {
	struct application *application;
	struct buf request, response;
	struct call_event call;
};

static struct talk
talk_new(void)
{
	const struct application_options options = { .body_limit = BODY,
						     .ratio_limit = 200 };
	struct talk t = { .application = application_new(&options) };

	buf_init(&t.request, BODY);
	buf_init(&t.response, BODY);
	return t;
}

static void
talk_free(struct talk *t)
{
	application_free(t->application);
	buf_free(&t->request);
	buf_free(&t->response);
}

static void
fill(struct buf *out, const char *piece)
{
	size_t size = strlen(piece);

	while (out->limit - out->size >= size)
		buf_append(out, piece, size);
}

/* A POST with both bodies, as the parser is given it; what is said of it. */
static const struct call_event *
post(struct talk *t, const char *answer_type)
{
	t->call = (struct call_event){
		.protocol = PROTOCOL_http,
		.flags = CALL_HAS_REQUEST | CALL_HAS_RESPONSE,
		.fields = { [FIELD_METHOD] = bytes_of("POST") },
		.request = { .content_type = bytes_of("application/json"),
			     .body = buf_view(&t->request) },
		.response = { .content_type = bytes_of(answer_type),
			      .body = buf_view(&t->response) },
	};
	application_call(t->application, &t->call);
	return &t->call;
}

static void
expect_text(struct bytes text, const char *expected)
{
	assert_int_equal(text.size, strlen(expected));
	assert_memory_equal(text.data, expected, text.size);
}

static void
expect_start(struct bytes text, const char *expected)
{
	if (!bytes_starts_with(text, expected))
		fail_msg("%.*s", (int)text.size, (const char *)text.data);
}

/* The events shown, and how many are not. */
static size_t
events_of(struct bytes lines, json_int_t *left)
{
	size_t count = 0;

	*left = 0;
	assert_true(lines.size <= PAYLOAD_MESSAGES_LIMIT);
	while (lines.size) {
		const uint8_t *end = memchr(lines.data, '\n', lines.size);
		json_t *line;

		assert_non_null(end);
		line = json_loadb((const char *)lines.data,
				  (size_t)(end - lines.data), 0, NULL);
		assert_non_null(line);
		if (json_object_get(line, "left_out"))
			*left = json_integer_value(
				json_object_get(line, "left_out"));
		else
			count++;
		json_decref(line);
		lines = bytes_from(lines,
				   (size_t)(end - lines.data) + 1);
	}
	return count;
}

static void
nesting_costs_nothing(void **state)
{
	static const char *const pieces[] = { "[", "{\"a\":", "{\"params\":",
					      "[[]", "}{", "{\"query\":" };

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct talk t = talk_new();
		const struct call_event *call;

		buf_text(&t.request, "{\"jsonrpc\":\"2.0\",\"method\":"
				     "\"tools/call\",\"id\":1,\"query\":\"{a}\","
				     "\"params\":");
		fill(&t.request, pieces[i]);
		buf_text(&t.response, "{\"jsonrpc\":\"2.0\",\"id\":1,"
				      "\"result\":");
		fill(&t.response, pieces[i]);
		call = post(&t, "application/json");
		assert_int_equal(call->protocol, PROTOCOL_jsonrpc);
		expect_text(call->fields[FIELD_METHOD], "tools/call");
		assert_int_equal(call->flags & CALL_IS_ERROR, 0);
		talk_free(&t);
	}
}

static void
batches_are_read_so_far(void **state)
{
	struct talk t = talk_new();
	const struct call_event *call;

	(void)state;
	buf_text(&t.request, "[");
	buf_text(&t.response, "[");
	for (int i = 0; i < 100000; i++) {
		buf_format(&t.request, "{\"jsonrpc\":\"2.0\",\"method\":\"m\","
				       "\"id\":%d},", i);
		buf_format(&t.response, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":"
					"{\"code\":-7,\"message\":\"no\"}},", i);
	}
	assert_false(t.request.failed || t.response.failed);
	call = post(&t, "application/json");
	assert_int_equal(call->protocol, PROTOCOL_jsonrpc);
	assert_true(call->fields[FIELD_METHOD].size <= 200);
	expect_start(call->fields[FIELD_METHOD], "m, m, m, ");
	expect_start(call->fields[FIELD_SUMMARY], "1000+ messages: m, m, ");
	expect_text(call->fields[FIELD_ERROR], "-7 no");
	assert_true(call->flags & CALL_IS_ERROR);
	talk_free(&t);
}

static void
one_line_of_an_event_fills_the_body(void **state)
{
	struct talk t = talk_new();
	const struct call_event *call;
	json_int_t left;

	(void)state;
	buf_text(&t.request, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1}");
	buf_text(&t.response, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":"
			      "{\"code\":-7,\"message\":\"no\"},\"x\":\"");
	fill(&t.response, "xxxx");
	call = post(&t, "text/event-stream");
	expect_text(call->fields[FIELD_ERROR], "-7 no");
	assert_int_equal(events_of(call->response.messages, &left), 1);
	assert_int_equal(left, 0);
	assert_true(call->response.messages.size < 3 * 4096);
	talk_free(&t);
}

static void
lines_of_events_fill_the_body(void **state)
{
	static const char *const pieces[] = {
		"\n", "data\n", "data:\n\n", ":\n", "id: 1\n", "data: {\n\n",
		"data: \"\\", "event: a\ndata: b\n\n", "\r", "retry\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct talk t = talk_new();
		size_t count, piece = strlen(pieces[i]);
		json_int_t left;

		buf_text(&t.request, "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}");
		fill(&t.response, pieces[i]);
		count = events_of(
			post(&t, "text/event-stream")->response.messages,
			&left);
		/* Pieces that end an event are one each. */
		if (piece > 2 && memchr("\n\r", pieces[i][piece - 2], 2))
			assert_int_equal(count + (size_t)left, BODY / piece);
		else
			assert_true(count <= 1);
		talk_free(&t);
	}
}

static void
documents_are_read_so_far(void **state)
{
	static const char *const pieces[] = {
		"{a", "# c\\n", "query Q {a} ", "fragment F on T {a} ", "(",
		"\\\"\\\"\\\"", "...", "@a", "\\ud800", "\\",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct talk t = talk_new();
		const struct call_event *call;

		buf_text(&t.request, "{\"operationName\":\"Z\",\"query\":"
				     "\"query Z {a} ");
		fill(&t.request, pieces[i]);
		fill(&t.response, "{\"errors\":[{},");
		call = post(&t, "application/json");
		assert_int_equal(call->protocol, PROTOCOL_graphql);
		expect_text(call->fields[FIELD_METHOD], "query Z");
		talk_free(&t);
	}
}

/* Names at either end of a large body are seen; what only looks like them makes
 * no other protocol of it. */
static void
ordinary_json_stays_what_it_is(void **state)
{
	static const char *const pieces[] = {
		"{\"query\":{\"match\":{}}},", "\"jsonrpc\",", "\"query\" ",
		"\"query\":\"hello\",", "\"jsonrpc\":\"1.0\",",
		"\"persistedQuery\":{", "\\\"query\\\":\\\"{a}\\\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
		for (int array = 0; array < 2; array++) {
			struct talk t = talk_new();
			const struct call_event *call;

			buf_text(&t.request, array ? "[" : "{\"a\":1,");
			fill(&t.request, pieces[i]);
			call = post(&t, "application/json");
			assert_int_equal(call->protocol, PROTOCOL_http);
			expect_text(call->fields[FIELD_METHOD], "POST");
			talk_free(&t);
		}
}

static void
names_behind_a_large_value_are_found(void **state)
{
	struct talk t = talk_new();

	(void)state;
	buf_text(&t.request, "{\"method\":\"m\",\"params\":[\"");
	for (int i = 0; i < 100000; i++)
		buf_text(&t.request, "0123456789");
	buf_text(&t.request, "\"],\"jsonrpc\" : \"2.0\",\"id\":0}");
	assert_int_equal(post(&t, "application/json")->protocol,
			 PROTOCOL_jsonrpc);
	talk_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nesting_costs_nothing),
		cmocka_unit_test(batches_are_read_so_far),
		cmocka_unit_test(one_line_of_an_event_fills_the_body),
		cmocka_unit_test(lines_of_events_fill_the_body),
		cmocka_unit_test(documents_are_read_so_far),
		cmocka_unit_test(ordinary_json_stays_what_it_is),
		cmocka_unit_test(names_behind_a_large_value_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
