/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/key_log.h"
#include "capture/secrets_resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define HOST_CLIENT 1
#define HOST_SERVER 2

/* A handshake of 10.0.0.1:`port` with 10.0.0.2:443. */
static struct tls_hello
hello_at(int64_t ms, uint16_t port, uint8_t random)
{
	struct tls_hello h = {
		.time_ns = ms * MS,
		.until_ns = INT64_MAX,
		.client_port = port,
		.server_port = 443,
	};

	h.client[15] = HOST_CLIENT;
	h.server[15] = HOST_SERVER;
	memset(h.client_random, random, TLS_RANDOM_SIZE);
	return h;
}

/* A secret of the client's end of it, or of the server's. */
static struct secret
secret_of(int64_t ms, uint16_t port, bool client, uint8_t value)
{
	struct secret s = {
		.time_ns = ms * MS,
		.label = SECRET_CLIENT_TRAFFIC,
		.local_port = client ? port : 443,
		.remote_port = client ? 443 : port,
		.size = 32,
	};

	s.local[15] = client ? HOST_CLIENT : HOST_SERVER;
	s.remote[15] = client ? HOST_SERVER : HOST_CLIENT;
	memset(s.value, value, 32);
	return s;
}

static size_t
resolve(struct secret *items, size_t count, const struct tls_hello *hellos,
	size_t hello_count, struct secret_match **matches)
{
	struct secret_list list = { .items = items, .count = count };

	return secrets_resolve(&list, hellos, hello_count, matches);
}

/* Both ends were on this node: one line, not two. */
static void
both_ends_once(void **state)
{
	struct tls_hello hello = hello_at(100, 50000, 1);
	struct secret items[] = { secret_of(101, 50000, true, 9),
				  secret_of(102, 50000, false, 9) };
	struct secret_match *matches;

	(void)state;
	assert_int_equal(resolve(items, 2, &hello, 1, &matches), 1);
	assert_int_equal(matches[0].evidence, SECRET_BY_ENDS);
	free(matches);
}

/* Two handshakes at once: each has its own, by its port. */
static void
ports_tell_apart(void **state)
{
	struct tls_hello hellos[] = { hello_at(100, 50000, 1),
				      hello_at(100, 50001, 2) };
	struct secret items[] = { secret_of(101, 50001, true, 22),
				  secret_of(101, 50000, false, 11) };
	struct secret_match *matches;

	(void)state;
	assert_int_equal(resolve(items, 2, hellos, 2, &matches), 2);
	assert_int_equal(matches[0].hello, 0);
	assert_int_equal(matches[0].secret, 1);
	assert_int_equal(matches[1].hello, 1);
	assert_int_equal(matches[1].secret, 0);
	free(matches);
}

/* The same ports again: a secret is of the handshake before it. */
static void
ports_used_again(void **state)
{
	struct tls_hello hellos[] = { hello_at(1000, 50000, 1),
				      hello_at(2000, 50000, 2) };
	struct secret items[] = { secret_of(1010, 50000, true, 11),
				  secret_of(2010, 50000, true, 22) };
	struct secret_match *matches;

	(void)state;
	hellos[0].until_ns = hellos[1].time_ns;
	assert_int_equal(resolve(items, 2, hellos, 2, &matches), 2);
	assert_int_equal(matches[0].secret, 0);
	assert_int_equal(matches[1].secret, 1);
	free(matches);
}

static void
random_is_certain(void **state)
{
	struct tls_hello hello = hello_at(100, 50000, 7);
	struct secret items[] = { secret_of(101, 50000, true, 1),
				  secret_of(900, 1, true, 2) };
	struct secret_match *matches;

	(void)state;
	items[1].has_random = true;
	memset(items[1].random, 7, 32);
	assert_int_equal(resolve(items, 2, &hello, 1, &matches), 1);
	assert_int_equal(matches[0].secret, 1);
	assert_int_equal(matches[0].evidence, SECRET_BY_RANDOM);
	free(matches);
}

/* Behind address translation the client's port is what stays. */
static void
translated_addresses(void **state)
{
	struct tls_hello hello = hello_at(100, 50000, 7);
	struct secret items[] = { secret_of(101, 50000, true, 1),
				  secret_of(101, 50000, false, 2) };
	struct secret_match *matches;

	(void)state;
	items[0].remote[15] = 99;
	items[0].remote_port = 8443;
	items[1].local[15] = 99;
	assert_int_equal(resolve(items, 2, &hello, 1, &matches), 2);
	assert_int_equal(matches[0].evidence, SECRET_BY_PORT);
	assert_int_equal(matches[1].evidence, SECRET_BY_PORTS);
	free(matches);
}

/* Nothing but the time: all that can be are kept, the nearest last. */
static void
time_keeps_candidates(void **state)
{
	struct tls_hello hellos[] = { hello_at(1000, 50000, 1),
				      hello_at(1001, 50001, 2) };
	struct secret items[40];
	struct secret_match *matches;
	size_t count;

	(void)state;
	for (int i = 0; i < 40; i++) {
		items[i] = secret_of(1002 + i, 0, true, (uint8_t)(i + 1));
		items[i].local_port = items[i].remote_port = 0;
	}
	count = resolve(items, 40, hellos, 2, &matches);
	assert_int_equal(count, 2 * SECRET_MATCHES_MAX);
	assert_int_equal(matches[SECRET_MATCHES_MAX - 1].secret, 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(matches[i].evidence, SECRET_BY_TIME);
	free(matches);
	items[0].time_ns = 100 * MS; /* before there was a handshake */
	items[1].time_ns = 60000 * MS;
	count = resolve(items, 2, hellos, 2, &matches);
	assert_int_equal(count, 0);
	free(matches);
}

/* The lines are those of draft-ietf-tls-keylogfile. */
static void
key_log_lines(void **state)
{
	struct tls_hello hello = hello_at(100, 50000, 0xab);
	struct secret item = secret_of(101, 50000, true, 0x0f);
	struct secret_list list = { .items = &item, .count = 1 };
	struct secret_match *matches;
	struct buf out;
	size_t count = secrets_resolve(&list, &hello, 1, &matches);

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(secrets_key_log(&out, &list, &hello, matches, count),
			 1);
	assert_string_equal(
		buf_cstr(&out),
		"CLIENT_TRAFFIC_SECRET_0 "
		"abababababababababababababababababababababababababababababababab"
		" "
		"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
		"\n");
	assert_int_equal(secret_label_find(bytes_of("CLIENT_RANDOM")),
			 SECRET_MASTER);
	assert_int_equal(secret_label_find(bytes_of("CLIENT")), -1);
	buf_free(&out);
	free(matches);
}

static int
keep_secret(void *context, const struct secret *secret)
{
	*(struct secret *)context = *secret;
	return 0;
}

/* As Wireshark reads them: what an editor left behind a secret is not its. */
static void
key_log_lines_with_more(void **state)
{
	static const char line[] =
		"SERVER_TRAFFIC_SECRET_0 "
		"abababababababababababababababababababababababababababababababab"
		" "
		"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";
	static const char *const tails[] = { "", "\n", "\r\n", "\\\n", " x\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		struct secret secret = { .size = 0 };
		struct buf text;

		buf_init(&text, 1024);
		buf_text(&text, line);
		buf_text(&text, tails[i]);
		key_log_visit(buf_view(&text), 0, keep_secret, &secret);
		assert_int_equal(secret.label, SECRET_SERVER_TRAFFIC);
		assert_int_equal(secret.size, 32);
		assert_int_equal(secret.value[31], 0x0f);
		buf_free(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_once),
		cmocka_unit_test(ports_tell_apart),
		cmocka_unit_test(ports_used_again),
		cmocka_unit_test(random_is_certain),
		cmocka_unit_test(translated_addresses),
		cmocka_unit_test(time_keeps_candidates),
		cmocka_unit_test(key_log_lines),
		cmocka_unit_test(key_log_lines_with_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
