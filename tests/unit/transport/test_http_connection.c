/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 framing: however the bytes are cut, the same requests come out, and
 * the same answers go back in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "server/transport/http_connection.h"

#define TEXT_LIMIT 65536

/* What came: "METHOD path body|", "refused STATUS|". */
struct heard {
	struct http_connection c;
	struct buf text;
	bool later; /* do not answer at once */
};

static void
answer(struct heard *h)
{
	http_respond(&h->c, &(struct http_answer){
				    .status = 200,
				    .type = "text/plain",
				    .body = bytes_of("ok"),
			    });
}

static void
on_request(void *context, const struct http_request *r)
{
	static const char *const names[] = {
		[METHOD_OTHER] = "OTHER",   [METHOD_GET] = "GET",
		[METHOD_HEAD] = "HEAD",	    [METHOD_POST] = "POST",
		[METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS",
	};
	struct heard *h = context;

	buf_format(&h->text, "%s ", names[r->method]);
	buf_bytes(&h->text, http_request_path(r));
	buf_u8(&h->text, ' ');
	buf_bytes(&h->text, http_request_field(r, "x-mark"));
	buf_u8(&h->text, ' ');
	buf_bytes(&h->text, buf_view(&r->body));
	buf_u8(&h->text, '|');
	if (!h->later)
		answer(h);
}

static void
on_refused(void *context, unsigned status)
{
	struct heard *h = context;

	buf_format(&h->text, "refused %u|", status);
}

static const struct http_handler handler = {
	.request = on_request,
	.refused = on_refused,
};

static void
open_heard(struct heard *h, bool later)
{
	static const struct http_parser_limits limits = { 512, 64 };

	memset(h, 0, sizeof(*h));
	http_connection_init(&h->c, &limits, &handler, h);
	buf_init(&h->text, TEXT_LIMIT);
	h->later = later;
}

static void
close_heard(struct heard *h)
{
	http_connection_free(&h->c);
	buf_free(&h->text);
}

/* A piece on the heap of its own size, so that a sanitizer sees a read behind
 * it. */
static bool
feed(struct heard *h, struct bytes in)
{
	char *copy = alloc_zero(in.size + 1, 1);
	bool more;

	memcpy(copy, in.data, in.size);
	more = http_connection_feed(&h->c, bytes_make(copy, in.size));
	free(copy);
	return more;
}

static size_t
count(const struct buf *b, const char *word)
{
	const uint8_t *at = b->data;
	size_t n = 0;

	while (at && (at = memmem(at, b->size - (size_t)(at - b->data), word,
				  strlen(word)))) {
		at++;
		n++;
	}
	return n;
}

/* Cut in two at every byte, and into pieces of every size. */
static void
expect(const char *in, const char *expected)
{
	struct bytes all = bytes_of(in);

	for (size_t cut = 0; cut < 2 * all.size; cut++) {
		struct bytes left = all;
		struct heard h;

		open_heard(&h, false);
		if (cut < all.size) {
			feed(&h, bytes_first(left, cut));
			left = bytes_from(left, cut);
			feed(&h, left);
		} else {
			for (; left.size > 0;
			     left = bytes_from(left, cut - all.size + 1))
				feed(&h, bytes_first(left,
						     cut - all.size + 1));
		}
		assert_string_equal(buf_cstr(&h.text), expected);
		assert_int_equal(count(&h.c.out, "HTTP/1.1 2") +
					 count(&h.c.out, "HTTP/1.1 4") +
					 count(&h.c.out, "HTTP/1.1 5"),
				 count(&h.text, "|"));
		close_heard(&h);
	}
}

static void
a_request_is_read_however_it_is_cut(void **state)
{
	(void)state;
	expect("POST /mcp?x=1 HTTP/1.1\r\nHost: a\r\nX-Mark:  m \r\n"
	       "Content-Length: 5\r\n\r\nhello",
	       "POST /mcp m hello|");
	expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /  |");
}

static void
chunked_bodies_are_put_together(void **state)
{
	(void)state;
	expect("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	       "\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Mark: late\r\n\r\n"
	       "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
	       "POST /c  abcde|GET /next  |");
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
	(void)state;
	expect("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
	       "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy"
	       "DELETE /3 HTTP/1.1\r\nHost: a\r\n\r\n",
	       "GET /1  |POST /2  xy|DELETE /3  |");
}

static void
bad_requests_are_refused_and_end_the_connection(void **state)
{
	static const char big[] =
		"GET / HTTP/1.1\r\nHost: a\r\nX-Big: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"\r\n\r\n";

	(void)state;
	expect("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	       "refused 400|");
	expect("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "refused 400|");
	expect("nonsense\r\n\r\n", "refused 400|");
	expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n",
	       "refused 413|");
	expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
	       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	       "refused 400|");
	expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	       "\r\n41\r\n"
	       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	       "\r\n0\r\n\r\n",
	       "refused 413|");
	expect(big, "refused 431|");
}

static void
a_request_waits_for_the_answer_to_the_one_before(void **state)
{
	struct heard h;

	(void)state;
	open_heard(&h, true);
	feed(&h, bytes_of("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
			  "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_string_equal(buf_cstr(&h.text), "GET /1  |");
	answer(&h);
	http_connection_resume(&h.c);
	assert_string_equal(buf_cstr(&h.text), "GET /1  |GET /2  |");
	answer(&h);
	assert_int_equal(h.c.rest.size, 0);
	close_heard(&h);
}

static void
what_waits_is_bounded(void **state)
{
	struct heard h;
	size_t fed = 0;

	(void)state;
	open_heard(&h, true);
	while (feed(&h, bytes_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n")))
		fed++;
	assert_true(fed > 100);
	assert_true(h.c.rest.size <= HTTP_REST_LIMIT);
	close_heard(&h);
}

static void
the_body_may_wait_for_continue(void **state)
{
	struct heard h;

	(void)state;
	open_heard(&h, false);
	feed(&h, bytes_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
			  "Expect: 100-continue\r\n\r\n"));
	assert_string_equal(buf_cstr(&h.c.out), "HTTP/1.1 100 Continue\r\n\r\n");
	feed(&h, bytes_of("ok"));
	assert_string_equal(buf_cstr(&h.text), "POST /  ok|");
	close_heard(&h);
}

static void
streams_are_chunked_or_end_with_the_connection(void **state)
{
	static const struct http_answer head = { .status = 200 };
	struct heard h;

	(void)state;
	open_heard(&h, true);
	feed(&h, bytes_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
	http_stream_begin(&h.c, &head);
	buf_reset(&h.c.out);
	http_stream_write(&h.c, bytes_of("0123456789abcdef"));
	http_stream_write(&h.c, bytes_make(NULL, 0));
	http_stream_end(&h.c);
	assert_string_equal(buf_cstr(&h.c.out),
			    "10\r\n0123456789abcdef\r\n0\r\n\r\n");
	assert_false(h.c.closing);
	close_heard(&h);
	open_heard(&h, true);
	feed(&h, bytes_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
	http_stream_begin(&h.c, &head);
	buf_reset(&h.c.out);
	http_stream_write(&h.c, bytes_of("abc"));
	http_stream_end(&h.c);
	assert_string_equal(buf_cstr(&h.c.out), "abc");
	assert_true(h.c.closing);
	close_heard(&h);
}

static void
head_has_no_body(void **state)
{
	struct heard h;

	(void)state;
	open_heard(&h, false);
	feed(&h, bytes_of("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_int_equal(count(&h.c.out, "Content-Length: 2\r\n\r\n"), 1);
	assert_int_equal(count(&h.c.out, "ok"), 0);
	close_heard(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_however_it_is_cut),
		cmocka_unit_test(chunked_bodies_are_put_together),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(
			bad_requests_are_refused_and_end_the_connection),
		cmocka_unit_test(
			a_request_waits_for_the_answer_to_the_one_before),
		cmocka_unit_test(what_waits_is_bounded),
		cmocka_unit_test(the_body_may_wait_for_continue),
		cmocka_unit_test(
			streams_are_chunked_or_end_with_the_connection),
		cmocka_unit_test(head_has_no_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
