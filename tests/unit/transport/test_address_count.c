/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/transport/address_count.h"

static void
key_of(const char *text, uint8_t key[ADDRESS_KEY])
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(&address, &v4, sizeof(v4));
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(&address, &v6, sizeof(v6));
	else
		fail_msg("%s is no address", text);
	address_count_key((const struct sockaddr *)&address, key);
}

static bool
same(const char *a, const char *b)
{
	uint8_t first[ADDRESS_KEY], second[ADDRESS_KEY];

	key_of(a, first);
	key_of(b, second);
	return memcmp(first, second, ADDRESS_KEY) == 0;
}

static void
an_address_is_one_host(void **state)
{
	(void)state;
	assert_true(same("192.0.2.1", "::ffff:192.0.2.1"));
	assert_false(same("192.0.2.1", "192.0.2.2"));
	assert_false(same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
	assert_true(same("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
	assert_false(same("2001:db8:0:1::1", "2001:db8:0:2::1"));
}

static void
each_has_its_own_limit(void **state)
{
	uint8_t one[ADDRESS_KEY], other[ADDRESS_KEY];
	struct address_count a;

	(void)state;
	key_of("192.0.2.1", one);
	key_of("2001:db8::1", other);
	address_count_init(&a, 2, 10);
	assert_true(address_count_take(&a, one));
	assert_true(address_count_take(&a, one));
	assert_false(address_count_take(&a, one));
	assert_true(address_count_take(&a, other));
	address_count_give(&a, one);
	assert_true(address_count_take(&a, one));
	assert_false(address_count_take(&a, one));
	address_count_free(&a);
}

static void
without_a_limit_nothing_is_counted(void **state)
{
	uint8_t key[ADDRESS_KEY];
	struct address_count a;

	(void)state;
	key_of("192.0.2.1", key);
	address_count_init(&a, 0, 10);
	for (int i = 0; i < 100; i++)
		assert_true(address_count_take(&a, key));
	address_count_give(&a, key);
	address_count_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_one_host),
		cmocka_unit_test(each_has_its_own_limit),
		cmocka_unit_test(without_a_limit_nothing_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
