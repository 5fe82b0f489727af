/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "dissect/proto/http_head.h"
#include "dissect/registry.h"
#include "dissect/stream.h"

static enum verdict
request_line(const char *text)
{
	struct http_start start;

	return http_start_line(bytes_of(text), true, &start);
}

static enum verdict
status_line(const char *text)
{
	struct http_start start;

	return http_start_line(bytes_of(text), false, &start);
}

/* RFC 9112 §3: method SP request-target SP HTTP-version. */
static void
a_request_line_is_split_into_its_parts(void **state)
{
	struct http_start start;

	(void)state;
	assert_int_equal(
		http_start_line(bytes_of("GET /where?q=now HTTP/1.1\r\nHost"),
				true, &start),
		VERDICT_YES);
	assert_true(bytes_equal(start.method, bytes_of("GET")));
	assert_true(bytes_equal(start.target, bytes_of("/where?q=now")));
	assert_true(bytes_equal(start.version, bytes_of("1.1")));
	assert_int_equal(start.status, -1);
}

/* RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ]. */
static void
a_status_line_is_split_into_its_parts(void **state)
{
	struct http_start start;

	(void)state;
	assert_int_equal(http_start_line(bytes_of("HTTP/1.0 404 Not Found\r\n"),
					 false, &start),
			 VERDICT_YES);
	assert_int_equal(start.status, 404);
	assert_true(bytes_equal(start.reason, bytes_of("Not Found")));
	assert_true(bytes_equal(start.version, bytes_of("1.0")));
	assert_int_equal(http_start_line(bytes_of("HTTP/1.1 200\n"), false,
					 &start),
			 VERDICT_YES);
	assert_int_equal(start.reason.size, 0);
}

static void
other_lines_are_no_start_lines(void **state)
{
	static const char *const requests[] = {
		"GET / HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n", "GET /\r\n",
		"OPTIONS * RTSP/1.0\r\n", "EHLO mail.test\r\n", "\x16\x03\x01",
		"GET  / HTTP/1.1\r\n", "SSH-2.0-OpenSSH_9.2\r\n", " GET",
		"INVITE sip:a@b SIP/2.0\r\n", "*1\r\n$4\r\nPING\r\n",
	};
	static const char *const responses[] = {
		"HTTP/2 200\r\n", "HTTP/1.1 20x OK\r\n", "HTTP/1.1 2000\r\n",
		"HTTP/1.1 099 Low\r\n", "SIP/2.0 200 OK\r\n", "+OK\r\n",
		"HTTP/1.1\r\n", "ICY 200 OK\r\n", "HTTP/1.x 200 OK\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		assert_int_equal(request_line(requests[i]), VERDICT_NO);
	for (size_t i = 0; i < sizeof(responses) / sizeof(*responses); i++)
		assert_int_equal(status_line(responses[i]), VERDICT_NO);
}

static void
no_beginning_of_a_start_line_is_refused(void **state)
{
	static const char request[] = "M-SEARCH /a/b?c HTTP/1.1\r\n";
	static const char response[] = "HTTP/1.1 301 Moved Permanently\r\n";
	struct http_start start;

	(void)state;
	for (size_t i = 0; i < sizeof(request) - 2; i++)
		assert_int_equal(http_start_line(bytes_make(request, i), true,
						 &start),
				 VERDICT_MAYBE);
	for (size_t i = 0; i < sizeof(response) - 2; i++)
		assert_int_equal(http_start_line(bytes_make(response, i), false,
						 &start),
				 VERDICT_MAYBE);
}

static void
an_endless_first_line_is_refused(void **state)
{
	size_t size = 64 << 10;
	char *text = malloc(size);
	struct http_start start;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', size);
	memcpy(text, "GET /", 5);
	assert_int_equal(http_start_line(bytes_make(text, size), true, &start),
			 VERDICT_NO);
	free(text);
}

static void
a_section_ends_at_its_first_empty_line(void **state)
{
	static const struct {
		const char *text;
		size_t size;
	} cases[] = {
		{ "A: 1\r\n\r\nbody\r\n\r\n", 8 }, { "A: 1\n\nbody", 6 },
		{ "A: 1\n\r\n", 7 },		   { "A: 1\r\n", 0 },
		{ "A: 1\r\n\r", 0 },		   { "\r\n", 2 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t scanned = 0;

		assert_int_equal(http_section_size(bytes_of(cases[i].text),
						   &scanned),
				 cases[i].size);
	}
}

static void
a_section_is_found_whatever_the_steps(void **state)
{
	static const char text[] = "Host: a\r\nX: \r\nY: z\r\n\r\n";
	uint32_t scanned = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		assert_int_equal(http_section_size(bytes_make(text, i),
						   &scanned),
				 0);
	assert_int_equal(http_section_size(bytes_of(text), &scanned),
			 sizeof(text) - 1);
}

static void
random_bytes_are_not_taken_for_http(void **state)
{
	struct bytes none = bytes_make(NULL, 0);
	uint32_t seed = 1;
	uint8_t data[64];

	(void)state;
	for (int round = 0; round < 100000; round++) {
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1664525 + 1013904223;
			data[i] = (uint8_t)(seed >> 24);
		}
		assert_int_not_equal(
			dissector_http.probe(TRANSPORT_TCP,
					     bytes_make(data, sizeof(data)),
					     none),
			VERDICT_YES);
		assert_int_equal(
			dissector_http.probe(TRANSPORT_TCP, none,
					     bytes_make(data, sizeof(data))),
			VERDICT_NO);
	}
}

static void
keep_head(void *context, struct call_event *call)
{
	buf_bytes(context, call->request.head);
}

/* The head of a request as it is kept; to be freed. */
static struct buf
head_of(const char *before, struct bytes lines)
{
	struct stream_identity identity = { .ip_protocol = 6,
					    .server = { .port = 80 } };
	struct stream_at at = { .time_ns = 1 };
	struct coverage coverage = { 0 };
	struct buf request, head;
	struct stream_context context = {
		.options = { UINT64_MAX, 1 << 16, 1 << 16, 16 },
		.events = { .context = &head, .call = keep_head },
		.coverage = &coverage,
		.buffered_limit = 1 << 20,
	};
	struct stream *stream = stream_new(&context, &identity);

	buf_init(&request, 1 << 16);
	buf_init(&head, 1 << 16);
	buf_text(&request, "GET / HTTP/1.1\r\n");
	buf_text(&request, before);
	buf_bytes(&request, lines);
	buf_text(&request, "\r\n");
	stream_data(stream, SIDE_CLIENT, buf_view(&request), &at);
	stream_free(stream, CALL_REASON_NO_RESPONSE);
	buf_free(&request);
	return head;
}

/*
 * Plain lines are split without llhttp.  Behind a folded line everything goes
 * through it, so the same lines must give the same there, damaged or not.
 */
static void
plain_lines_are_what_llhttp_makes_of_them(void **state)
{
	static const char text[] =
		"Host: a.example\r\nAccept: */*\r\nX-Empty: \r\nX:\r\n"
		"Content-Length: 5\r\nUser-Agent:  some thing/1.0 \r\n"
		"Cookie: a=b; c=\"d\"; e=\xc3\xa9\r\nx-tab: 1\t2\r\n"
		"Accept-Encoding: gzip, br\r\nTransfer-Encoding: chunked\r\n";
	static const char folded[] = "Fold: a\r\n b\r\n";
	static const char marks[] = "\r\n\t :,\x01\x7f\x80\xffx";
	struct buf alone = head_of(folded, bytes_make(NULL, 0));
	uint32_t seed = 7;

	(void)state;
	assert_true(alone.size > 0);
	for (int round = 0; round < 20000; round++) {
		char lines[sizeof(text)];
		struct bytes in = bytes_make(lines, sizeof(text) - 1);
		struct buf plain, llhttp;

		memcpy(lines, text, sizeof(text));
		for (int i = 0; i < round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			/* The first stays: it could be a fold of `folded`. */
			lines[1 + (seed >> 8) % (sizeof(text) - 3)] =
				marks[(seed >> 24) % sizeof(marks)];
		}
		plain = head_of("", in);
		llhttp = head_of(folded, in);
		assert_true(llhttp.size >= alone.size);
		assert_memory_equal(llhttp.data, alone.data, alone.size);
		assert_true(bytes_equal(buf_view(&plain),
					bytes_from(buf_view(&llhttp),
						   alone.size)));
		buf_free(&plain);
		buf_free(&llhttp);
	}
	buf_free(&alone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_line_is_split_into_its_parts),
		cmocka_unit_test(a_status_line_is_split_into_its_parts),
		cmocka_unit_test(other_lines_are_no_start_lines),
		cmocka_unit_test(no_beginning_of_a_start_line_is_refused),
		cmocka_unit_test(an_endless_first_line_is_refused),
		cmocka_unit_test(a_section_ends_at_its_first_empty_line),
		cmocka_unit_test(a_section_is_found_whatever_the_steps),
		cmocka_unit_test(random_bytes_are_not_taken_for_http),
		cmocka_unit_test(plain_lines_are_what_llhttp_makes_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
