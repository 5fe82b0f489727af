/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/tools/redact.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The example of RFC 7519 section 3.1. */
#define JWT                                                                   \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"                            \
	".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGx" \
	"lLmNvbS9pc19yb290Ijp0cnVlfQ"                                         \
	".dBjftJeZ4CVP-mBdc8ZyqvHaWzhUBu1tz-SGjVLbVjs"

static char *
redacted(const char *text, size_t *count)
{
	struct buf out;
	char *copy;

	buf_init(&out, 1 << 20);
	*count = redact_text(bytes_of(text), &out);
	copy = strdup(buf_cstr(&out));
	buf_free(&out);
	return copy;
}

/* Each line: a text, and the part of it that must not be seen afterwards. */
static const struct {
	const char *text, *secret;
} secrets[] = {
	/* header lines; RFC 7235, RFC 6265 */
	{ "Authorization: Bearer mF_9.B5f-4.1JqM", "mF_9.B5f-4.1JqM" },
	{ "GET / HTTP/1.1\r\nauthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
	  "\r\nHost: a", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==" },
	{ "Proxy-Authorization: Digest username=\"Mufasa\"", "Mufasa" },
	{ "Cookie: SID=31d4d96e407aad42; lang=en-US", "31d4d96e407aad42" },
	{ "Set-Cookie: id=a3fWa; Path=/; HttpOnly", "a3fWa" },
	{ "X-Api-Key: 9f8e7d", "9f8e7d" },
	{ "  x-auth-token: hunter2", "hunter2" },
	{ "X-Amz-Security-Token: FwoGZXIvYXdzE", "FwoGZXIvYXdzE" },
	{ "X-Vault-Token: s.abc", "s.abc" },
	/* query strings and forms */
	{ "/login?user=bob&password=hunter2&next=/", "hunter2" },
	{ "token=abc123", "abc123" },
	{ "a=1&api_key=k-12345#frag", "k-12345" },
	{ "?access_token=ya", "=ya" },
	{ "X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027", "fe5f80f77d5f" },
	{ "sv=2020&sig=Zm9vYmFy%3D&se=2026", "Zm9vYmFy" },
	{ "user[password]=hunter2", "hunter2" },
	{ "user%5Bpassword%5D=hunter2", "hunter2" },
	{ "client_secret='s3 cret'", "s3 cret" },
	/* JSON, JSON in JSON, numbers, camel case */
	{ "{\"user\":\"bob\",\"password\":\"hunter2\"}", "hunter2" },
	{ "{ \"accessToken\" : \"xyz\" }", "xyz" },
	{ "{\"client_secret\":\n  \"s\\\"3cr3t\"}", "3cr3t" },
	{ "{\"log\":\"{\\\"refresh_token\\\":\\\"r-77\\\"}\"}", "r-77" },
	{ "{\"otp\":123456}", "123456" },
	{ "{'secret': 'x1'}", "x1" },
	{ "{\"password\":\"cut off he", "cut off he" },
	{ "{\"log\":\"{\\\"pwd\\\":\\\"ab\\\\\\\"hunter2\\\"}\"}", "hunter2" },
	{ "{\"log\":\"{\\n\\\"pwd\\\":\\n \\\"hunter2\\\"}\"}", "hunter2" },
	/* bytes in a message of gRPC, of Kafka … */
	{ "{\"token\":{\"base64\":\"aHVudGVyMg==\"}}", "aHVudGVyMg" },
	{ "{\n \"token\": {\n  \"base64\": \"aHVudGVyMg==\"\n }\n}",
	  "aHVudGVyMg" },
	{ "{\"secret\":{\"size\":9000,\"base64\":\"aHVudGVyMg==\"}}",
	  "aHVudGVyMg" },
	{ "{\"text\":\"{\\\"secret\\\":{\\\"base64\\\":\\\"aHVudGVyMg==\\\"}}\"}",
	  "aHVudGVyMg" },
	/* events of a stream, and members of theirs on two lines */
	{ "data: {\"auth\":\"hunter2\"}\n\n", "hunter2" },
	{ "data: {\"auth\":\r\ndata: \"hunter2\"}\n\n", "hunter2" },
	{ "{\"data\":\"{\\\"text\\\":\\\"{\\\\\\\"pwd\\\\\\\":"
	  "\\\\\\\"hunter2\\\\\\\"}\\\"}\"}", "hunter2" },
	/* arguments and variables of GraphQL, in a body and in a URL */
	{ "mutation { login(user: \"a\", password: \"hunter2\") { id } }",
	  "hunter2" },
	{ "{\"query\":\"{\\nlogin(\\npwd: \\\"hun\\\\\\\"ter2\\\")}\"}",
	  "ter2" },
	{ "mutation { a(secret: \"\"\"x \"q\" hunter2\"\"\") }", "hunter2" },
	{ "{\"query\":\"{pay(cvv:123,n:1)}\"}", "123" },
	{ "{\"variables\":{\"in\":{\"pwd\":\"hunter2\"}}}", "hunter2" },
	{ "query=%7Blogin(auth%3A%20%22hun%5C%22ter2%22)%7D", "ter2" },
	{ "query={login(pwd:+%22hunter2%22)}", "hunter2" },
	{ "query=%7Bpay%28cvv%3A123%29%7D", "123" },
	{ "variables=%7B%22pwd%22%3A%22hunter2%22%7D", "hunter2" },
	/* XML, multipart, YAML */
	{ "<Password>hunter2</Password>", "hunter2" },
	{ "Content-Disposition: form-data; name=\"password\"\r\n\r\nhunter2"
	  "\r\n--b", "hunter2" },
	{ "user: bob\npassword: hunter2\n", "hunter2" },
	{ "ALTER USER bob WITH PASSWORD 'hunter2' VALID UNTIL 'infinity'", "hunter2" },
	{ "create role a login password 'hunter2'", "hunter2" },
	{ "CREATE USER bob@'%' IDENTIFIED BY 'hunter2'", "hunter2" },
	{ "alter user bob identified with 'ed25519' as 'AFE0C2EB'", "AFE0C2EB" },
	{ "GRANT ALL ON *.* TO b IDENTIFIED VIA ed25519 USING"
	  " PASSWORD('hunter2')", "hunter2" },
	{ "alter user bob identified by 'it''s2hunter'", "s2hunter" },
	{ "ALTER USER bob IDENTIFIED BY 'n' REPLACE 'hunter2'", "hunter2" },
	{ "SET PASSWORD = 'n' REPLACE\n\"hunter2\" RETAIN CURRENT PASSWORD",
	  "hunter2" },
	{ "ALTER ROLE bob PASSWORD 'it''s2hunter'", "s2hunter" },
	{ "SET PASSWORD FOR bob = PASSWORD('hunter2')", "hunter2" },
	{ "SET PASSWORD = 'hunter2'", "hunter2" },
	{ "SET PASSWORD FOR bob = \"hunter2\"", "hunter2" },
	{ "SET PASSWORD FOR 'bob'@'%' = 'hunter2'", "hunter2" },
	{ "SET PASSWORD FOR CURRENT_USER() = 'hunter2'", "hunter2" },
	{ "SET PASSWORD = \"hunter2\"", "hunter2" },
	{ "SET PASSWORD FOR bob = PASSWORD(\"hunter2\")", "hunter2" },
	{ "CHANGE MASTER TO MASTER_USER='r', MASTER_PASSWORD='hunter2'",
	  "hunter2" },
	/* URLs; RFC 3986 section 3.2.1 */
	{ "see postgres://app:s3cr3t@db:5432/x", "s3cr3t" },
	{ "https://0123456789abcdef0123@github.com/x", "0123456789abcdef0123" },
	/* wherever they stand */
	{ "the token is " JWT ".", "SGjVLbVjs" },
	{ "/callback/" JWT, "dBjftJeZ4CVP" },
	{ "cut eyJ0eXAiOiJKV1QiLA0KICJh", "eyJ0eXAiOiJKV1QiLA0KICJh" },
	{ "curl -H 'authz: bearer abcDEF123456'", "abcDEF123456" },
	{ "x Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== y", "QWxhZGRpbjpv" },
	{ "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n"
	  "-----END RSA PRIVATE KEY-----\n", "MIIEpAIBAAKCAQEA7" },
	{ "-----BEGIN PRIVATE KEY-----\nMIIE", "MIIE" },
	{ "ghp_0123456789abcdefghijABCDEFGHIJ012345", "0123456789abcdef" },
	{ "use xoxb-1234567890-abcdefghij please", "abcdefghij" },
	{ "AIzaSyA-0123456789abcdefghijklmnopqrstu", "SyA-0123456789" },
};

static void
secrets_are_replaced_wherever_they_stand(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(secrets); i++) {
		size_t count;
		char *out = redacted(secrets[i].text, &count);

		if (count == 0 || strstr(out, secrets[i].secret) ||
		    !strstr(out, "[redacted "))
			fail_msg("%s\n  became %s", secrets[i].text, out);
		free(out);
	}
}

static const char *const harmless[] = {
	"",
	"GET /index.html HTTP/1.1",
	"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	"ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
	"X-Request-Id: 7b7d4c1e-9a6d-4c57-8a3e-0f1e2d3c4b5a",
	"Content-Type: application/json; charset=utf-8",
	"Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324",
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	"Cache-Control: private, max-age=0",
	"{\"token_type\":\"bearer\",\"expires_in\":3600}",
	"{\"max_tokens\":4096,\"total_tokens\":12,\"tokens\":[1,2]}",
	"{\"nextPageToken\":\"CAUQAA\",\"next_token\":\"abc\"}",
	"{\"password\":null,\"secret\":false}",
	"{\"password\":{\"size\":3,\"value\":\"x\"},\"base64\":\"bXVn\"}",
	"{\"thumbnail\":{\"size\":9000,\"base64\":\"bXVn\"}}",
	"/items?page_token=abc&continuationToken=7",
	"/secretary/of/state?author=x&tokens=3",
	"the password is wrong",
	"Basic authentication is required",
	"bearer authentication",
	"time=12:34:56 user@example.com wrote",
	"http://example.com:8080/a@b",
	"https://example.com/@user/repo",
	"mailto:bob@example.com",
	"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
	"eyJust a word",
	"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	"password=",
	"password=&user=x",
	"SELECT a, 'x' FROM t WHERE replace('hunter2', 'x', 'y') = 'z'",
	"REPLACE INTO t VALUES ('hunter2')",
	"compass=north",
	"mutation Login($password: String!) { login(password: $password) { id } }",
	"{ login(password: \"\", next: \"a\") { id } }",
	"query=%7Blogin(password%3A%24password)%7D",
	"{\"query\":\"{ a(pagetoken: \\\"x\\\") }\"}",
};

static void
what_is_no_secret_is_left_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(harmless); i++) {
		size_t count;
		char *out = redacted(harmless[i], &count);

		assert_string_equal(out, harmless[i]);
		assert_int_equal(count, 0);
		free(out);
	}
}

static void
everything_around_a_secret_stays(void **state)
{
	size_t count;
	char *out = redacted("/a?x=1&token=abc&y=2", &count);

	(void)state;
	assert_int_equal(count, 1);
	assert_non_null(strstr(out, "/a?x=1&token=[redacted 3 chars #"));
	assert_non_null(strstr(out, "]&y=2"));
	free(out);
}

/* IDENTIFIED BY with a text longer than what is looked ahead for one, and with
 * a byte in it that ends strings of C. */
static void
all_of_a_long_secret_goes(void **state)
{
	static const char sql[] = "IDENTIFIED BY '";
	char text[2048], *out;
	struct buf redacted_text;
	size_t size = sizeof(sql) - 1;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, sql, size);
	text[size + 7] = '\0';
	text[sizeof(text) - 1] = '\'';
	buf_init(&redacted_text, 1 << 20);
	assert_int_equal(redact_text(bytes_make(text, sizeof(text)),
				     &redacted_text), 1);
	out = memmem(buf_cstr(&redacted_text), redacted_text.size,
		     "'[redacted 2032 chars #", 23);
	assert_non_null(out);
	assert_null(memchr(redacted_text.data, 'x', redacted_text.size));
	buf_free(&redacted_text);
}

/* A secret that is cut at the end of the text it stands in leaves what is around
 * that as it is. */
static void
a_secret_ends_with_the_string_around_it(void **state)
{
	size_t count;
	char *out = redacted("{\"data\":\"{\\\"pwd\\\":\\\"hunt\"}\n"
			     "{\"data\":\"b\"}\n", &count);

	(void)state;
	assert_int_equal(count, 1);
	assert_non_null(strstr(out, "]\"}\n{\"data\":\"b\"}\n"));
	free(out);
}

static void
equal_secrets_have_equal_marks_and_others_do_not(void **state)
{
	size_t count;
	char *a = redacted("token=abc", &count);
	char *b = redacted("token=abc", &count);
	char *c = redacted("token=abd", &count);

	(void)state;
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	free(a);
	free(b);
	free(c);
}

static void
redacting_twice_changes_nothing(void **state)
{
	size_t count;
	char *once = redacted("password=hunter2&token=abc "
			      "IDENTIFIED BY 'a' REPLACE 'b'", &count);
	char *twice = redacted(once, &count);

	(void)state;
	assert_int_equal(count, 0);
	assert_string_equal(once, twice);
	free(once);
	free(twice);
}

static void
json_stays_json_when_a_number_is_secret(void **state)
{
	size_t count;
	char *out = redacted("{\"otp\": 123456, \"a\": 1}", &count);
	json_t *json = json_loads(out, 0, NULL);

	(void)state;
	assert_non_null(json);
	json_decref(json);
	free(out);
}

static void
names_are_recognised_in_any_spelling(void **state)
{
	static const char *const yes[] = { "Authorization", "COOKIE",
					   "x-api-key", "apiKey", "API_KEY",
					   "client-secret", "dbPassword",
					   "X-Amz-Security-Token",
					   "aws_secret_access_key" };
	static const char *const no[] = { "Accept", "author", "key", "tokens",
					  "secretary", "Content-Length",
					  "primary_key", "pageToken", "" };

	(void)state;
	for (size_t i = 0; i < COUNT(yes); i++)
		assert_true(redact_is_secret_name(bytes_of(yes[i])));
	for (size_t i = 0; i < COUNT(no); i++)
		assert_false(redact_is_secret_name(bytes_of(no[i])));
}

static void
results_are_redacted_by_header_member_and_column(void **state)
{
	json_t *result = json_loads(
		"{\"columns\":[\"name\",\"token\"],"
		"\"req_headers\":[[\"Host\",\"a\"],[\"X-Api-Key\",\"k1\"]],"
		"\"row\":[[7,\"cookie\",\"k2\"]],"
		"\"deep\":{\"password\":\"k3\",\"path\":\"/a?token=k4\"}}",
		0, NULL);
	char *text;

	(void)state;
	assert_int_equal(redact_json(result), 4);
	text = json_dumps(result, JSON_COMPACT);
	assert_null(strstr(text, "k1"));
	assert_null(strstr(text, "k2"));
	assert_null(strstr(text, "k3"));
	assert_null(strstr(text, "k4"));
	assert_non_null(strstr(text, "[\"Host\",\"a\"]"));
	assert_non_null(strstr(text, "[\"name\",\"token\"]"));
	free(text);
	json_decref(result);
}

static void
reveal_needs_the_servers_permission(void **state)
{
	struct tool_config strict = { .allow_reveal = false };
	struct tool_config open = { .allow_reveal = true };
	json_t *result = json_pack("{s:s}", "password", "hunter2");
	struct error e = { 0 };

	(void)state;
	assert_int_equal(redact_result(&strict, true, result, &e), ERR_DENIED);
	assert_non_null(strstr(e.text, "--allow-reveal"));
	assert_int_equal(redact_result(&open, true, result, &e), 0);
	assert_string_equal(json_string_value(json_object_get(result,
							      "password")),
			    "hunter2");
	assert_int_equal(redact_result(&open, false, result, &e), 0);
	assert_string_not_equal(json_string_value(json_object_get(
					result, "password")),
				"hunter2");
	json_decref(result);
}

/* Whatever the bytes are, the result is bounded and terminates. */
static void
random_bytes_are_survived(void **state)
{
	static const char alphabet[] = "=:\"'\\&%[]<>/@-{}., \r\n0Aa";
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char text[160];
		size_t count;
		char *out;

		for (size_t i = 0; i + 1 < sizeof(text); i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = alphabet[(seed >> 16) %
					   (sizeof(alphabet) - 1)];
		}
		memcpy(text + seed % 100, round % 2 ? "password" : "token", 5);
		text[sizeof(text) - 1] = '\0';
		out = redacted(text, &count);
		assert_true(strlen(out) < sizeof(text) + count * 64);
		free(out);
	}
}

/* Each of these made some scanner quadratic once; the test's time limit is the
 * judge. */
static void
hostile_repetitions_cost_linear_time(void **state)
{
	static const char *const pieces[] = {
		"-----BEGIN ", "eyJ-", "eyJaaaaaaaaaaa.", "://a:", "bearer ",
		"token", "\"token\"", "token ", "glpat-", "<token>", "\\\"",
		"password: ", "name=\"password\"", "Basic OjpB",
		"identified by \"", "identified by '[redacted ", "' replace ",
		"' replace '", "password for ", "password for a@b = '[redacted ",
		"''", "password = '' ", "password\\n", "password:\\n",
		"password:\ndata:", "password%3A%22%5C", "password%20",
		"password\":{", "password\":{\"size\":", "password\":{\"size\":7",
		"password\":{\"size\":7 ", "\"password\":{\"base64\":",
		"password:\"\"\"", "password:\\\\\\\"\\\\", ";password:",
		"-----BEGIN PRIVATE KEY-----[redacted ",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct buf in, out;

		buf_init(&in, 2 << 20);
		buf_init(&out, 64 << 20);
		while (in.size < 1 << 20)
			buf_text(&in, pieces[i]);
		buf_u8(&in, ' ');
		redact_text(buf_view(&in), &out);
		assert_false(out.failed);
		buf_free(&out);
		buf_free(&in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_replaced_wherever_they_stand),
		cmocka_unit_test(what_is_no_secret_is_left_alone),
		cmocka_unit_test(everything_around_a_secret_stays),
		cmocka_unit_test(a_secret_ends_with_the_string_around_it),
		cmocka_unit_test(all_of_a_long_secret_goes),
		cmocka_unit_test(
			equal_secrets_have_equal_marks_and_others_do_not),
		cmocka_unit_test(redacting_twice_changes_nothing),
		cmocka_unit_test(json_stays_json_when_a_number_is_secret),
		cmocka_unit_test(names_are_recognised_in_any_spelling),
		cmocka_unit_test(
			results_are_redacted_by_header_member_and_column),
		cmocka_unit_test(reveal_needs_the_servers_permission),
		cmocka_unit_test(random_bytes_are_survived),
		cmocka_unit_test(hostile_repetitions_cost_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
