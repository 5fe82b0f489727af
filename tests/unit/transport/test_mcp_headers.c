/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "server/transport/http_parser.h"
#include "server/transport/mcp_headers.h"

#define MESSAGE(method, params)                                            \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method               \
	"\",\"params\":{" params "\"_meta\":{\"io.modelcontextprotocol/"   \
	"protocolVersion\":\"2026-07-28\"}}}"
#define VERSION "MCP-Protocol-Version: 2026-07-28\r\n"

/* The code of the error that headers and message together make. */
static int
check(const char *lines, const char *message)
{
	static const struct http_parser_limits limits = { 8192, 64 };
	char *text = alloc_format("GET / HTTP/1.1\r\nHost: a\r\n%s\r\n",
				  lines);
	struct bytes in = bytes_of(text);
	struct rpc_error e = { 0 };
	struct mcp_incoming m;
	struct http_parser p;

	http_parser_init(&p, &limits);
	assert_int_equal(http_parser_feed(&p, &in), HTTP_COMPLETE);
	mcp_incoming_parse(&m, bytes_of(message), 4096);
	assert_non_null(m.value);
	mcp_headers_check(&p.request, &m, &e);
	mcp_incoming_free(&m);
	http_parser_free(&p);
	free(text);
	return e.code;
}

static void
headers_repeat_the_message(void **state)
{
	static const char list[] = MESSAGE("tools/list", "");
	static const char call[] = MESSAGE("tools/call", "\"name\":\"echo\",");

	(void)state;
	assert_int_equal(check(VERSION "Mcp-Method: tools/list\r\n", list), 0);
	assert_int_equal(check(VERSION "mcp-method:  tools/list \r\n", list),
			 0);
	assert_int_equal(check(VERSION "Mcp-Method: tools/call\r\n"
				       "Mcp-Name: echo\r\n", call), 0);
}

static void
what_differs_is_a_mismatch(void **state)
{
	static const char list[] = MESSAGE("tools/list", "");
	static const char call[] = MESSAGE("tools/call", "\"name\":\"echo\",");
	static const char *const bad[] = {
		"Mcp-Method: tools/list\r\n",
		VERSION,
		VERSION "Mcp-Method: TOOLS/LIST\r\n",
		VERSION "Mcp-Method: tools/call\r\n",
		VERSION "Mcp-Method: tools/list\r\nMcp-Method: tools/list\r\n",
		("MCP-Protocol-Version: 2025-11-25\r\n"
		 "Mcp-Method: tools/list\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(check(bad[i], list), -32020);
	assert_int_equal(check(VERSION "Mcp-Method: tools/call\r\n", call),
			 -32020);
	assert_int_equal(check(VERSION "Mcp-Method: tools/call\r\n"
				       "Mcp-Name: Echo\r\n", call), -32020);
}

/* Encodings by base64(1). */
static void
values_may_be_encoded(void **state)
{
	static const char call[] =
		MESSAGE("tools/call", "\"name\":\"\xc3\xa9 cho\",");

	(void)state;
	assert_int_equal(check(VERSION "Mcp-Method: tools/call\r\n"
				       "Mcp-Name: =?base64?w6kgY2hv?=\r\n",
			       call), 0);
	assert_int_equal(check(VERSION "Mcp-Method: tools/call\r\n"
				       "Mcp-Name: =?base64?w6kgY2h?=\r\n",
			       call), -32020);
}

static bool
decodes(const char *text, const char *expected)
{
	struct buf out;
	bool good;

	buf_init(&out, 100);
	good = mcp_header_decode(bytes_of(text), &out);
	if (good)
		assert_string_equal(buf_cstr(&out), expected);
	buf_free(&out);
	return good;
}

static void
decoding_is_strict(void **state)
{
	(void)state;
	assert_true(decodes("plain", "plain"));
	assert_true(decodes("=?base64?aGVsbG8=?=", "hello"));
	assert_true(decodes("=?base64?aGVsbA==?=", "hell"));
	assert_true(decodes("=?base64?" "?=", ""));
	assert_false(decodes("=?base64?aGVsbG8?=", NULL));
	assert_false(decodes("=?base64?aGVs bG8=?=", NULL));
	assert_false(decodes("=?base64?aGVsbG9=?=", NULL)); /* bits left */
	assert_false(decodes("=?base64?/w==?=", NULL));     /* no UTF-8 */
	/* Without its end it is no encoding (streamable-http, "Value
	 * Encoding"). */
	assert_true(decodes("=?base64?aGVsbG8=", "=?base64?aGVsbG8="));
	assert_false(decodes("\xc3\xa9", NULL));
}

static const char schema[] =
	"{\"inputSchema\":{\"type\":\"object\",\"properties\":{"
	"\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"},"
	"\"count\":{\"type\":\"integer\",\"x-mcp-header\":\"Count\"},"
	"\"plain\":{\"type\":\"string\"},"
	"\"in\":{\"type\":\"object\",\"properties\":{\"deep\":{"
	"\"type\":\"boolean\",\"x-mcp-header\":\"Deep\"}}}}}}";

/* … of a tools/call with these arguments. */
static int
check_call(const char *lines, const char *arguments)
{
	static const struct http_parser_limits limits = { 8192, 64 };
	char *text = alloc_format("GET / HTTP/1.1\r\nHost: a\r\n%s\r\n",
				  lines);
	char *message = alloc_format(
		"{\"method\":\"tools/call\",\"params\":{\"name\":\"t\","
		"\"arguments\":%s}}", arguments);
	json_t *tool = json_loads(schema, 0, NULL);
	struct bytes in = bytes_of(text);
	struct rpc_error e = { 0 };
	struct mcp_incoming m;
	struct http_parser p;

	http_parser_init(&p, &limits);
	assert_int_equal(http_parser_feed(&p, &in), HTTP_COMPLETE);
	mcp_incoming_parse(&m, bytes_of(message), 4096);
	assert_non_null(m.value);
	mcp_headers_check_arguments(&p.request, &m, tool, &e);
	mcp_incoming_free(&m);
	http_parser_free(&p);
	json_decref(tool);
	free(message);
	free(text);
	return e.code;
}

/* The table of streamable-http, "Server Behavior for Custom Headers". */
static void
arguments_are_repeated_where_the_schema_says(void **state)
{
	(void)state;
	assert_int_equal(check_call("Mcp-Param-Region: eu\r\n",
				    "{\"region\":\"eu\"}"), 0);
	assert_int_equal(check_call("mcp-param-region: us\r\n",
				    "{\"region\":\"eu\"}"), -32020);
	assert_int_equal(check_call("", "{\"region\":\"eu\"}"), -32020);
	assert_int_equal(check_call("", "{\"region\":null}"), 0);
	assert_int_equal(check_call("", "{\"plain\":\"x\"}"), 0);
	assert_int_equal(check_call("Mcp-Param-Region: eu\r\n", "{}"),
			 -32020);
	assert_int_equal(check_call("Mcp-Param-Count: 42.0\r\n",
				    "{\"count\":42}"), 0);
	assert_int_equal(check_call("Mcp-Param-Count: 4 2\r\n",
				    "{\"count\":42}"), -32020);
	assert_int_equal(check_call("Mcp-Param-Deep: true\r\n",
				    "{\"in\":{\"deep\":true}}"), 0);
	assert_int_equal(check_call("Mcp-Param-Deep: True\r\n",
				    "{\"in\":{\"deep\":true}}"), -32020);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_repeat_the_message),
		cmocka_unit_test(what_differs_is_a_mismatch),
		cmocka_unit_test(values_may_be_encoded),
		cmocka_unit_test(decoding_is_strict),
		cmocka_unit_test(arguments_are_repeated_where_the_schema_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
