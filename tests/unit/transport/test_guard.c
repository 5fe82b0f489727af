/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/transport/guard.h"

static bool
host(const char *text)
{
	struct guard g = { 0 };

	guard_add_host(&g, "tap.example");
	return guard_allows_host(&g, bytes_of(text));
}

static bool
origin(const char *text)
{
	struct guard g = { 0 };

	guard_add_origin(&g, "https://app.example");
	return guard_allows_origin(&g, bytes_of(text));
}

static void
names_of_this_machine_are_hosts(void **state)
{
	(void)state;
	assert_true(host("localhost"));
	assert_true(host("LOCALHOST:80"));
	assert_true(host("127.0.0.1:8931"));
	assert_true(host("[::1]:8931"));
	assert_true(host("[::1]"));
	assert_true(host("tap.example:443"));
}

static void
names_of_strangers_are_not(void **state)
{
	(void)state;
	assert_false(host("evil.example"));
	assert_false(host("localhost.evil.example"));
	assert_false(host("127.0.0.1.evil.example:80"));
	assert_false(host("evil.example:127.0.0.1"));
	assert_false(host("localhost:"));
	assert_false(host("localhost:x"));
	assert_false(host("localhost:65536"));
	assert_false(host("127.0.0.2"));
	assert_false(host(""));
	assert_false(host(":80"));
}

static void
origins_are_those_of_allowed_hosts_or_named(void **state)
{
	(void)state;
	assert_true(origin("http://localhost:6274"));
	assert_true(origin("https://127.0.0.1"));
	assert_true(origin("https://app.example"));
	assert_false(origin("https://app.example.evil"));
	assert_false(origin("http://app.example"));
	assert_false(origin("null"));
	assert_false(origin("http://evil.example"));
	assert_false(origin("http://localhost@evil.example"));
	assert_false(origin("file://localhost"));
	assert_false(origin(""));
}

static void
a_unix_socket_has_any_host_but_not_any_origin(void **state)
{
	struct guard g = { .any_host = true };

	(void)state;
	assert_true(guard_allows_host(&g, bytes_of("whatever")));
	assert_false(guard_allows_origin(&g, bytes_of("http://evil.example")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_this_machine_are_hosts),
		cmocka_unit_test(names_of_strangers_are_not),
		cmocka_unit_test(origins_are_those_of_allowed_hosts_or_named),
		cmocka_unit_test(
			a_unix_socket_has_any_host_but_not_any_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
