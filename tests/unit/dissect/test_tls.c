/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of TLS against published values: RFC 8448 and JA4's own example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "dissect/tls/fingerprint.h"
#include "dissect/tls/key_schedule.h"
#include "dissect/tls/key_store.h"
#include "dissect/tls/record.h"

/* RFC 8448 section 3: {client} derive write traffic keys for handshake data. */
static void
traffic_keys_are_those_of_rfc_8448(void **state)
{
	static const uint8_t secret[] = {
		0xb3, 0xed, 0xdb, 0x12, 0x6e, 0x06, 0x7f, 0x35,
		0xa7, 0x80, 0xb3, 0xab, 0xf4, 0x5e, 0x2d, 0x8f,
		0x3b, 0x1a, 0x95, 0x07, 0x38, 0xf5, 0x2e, 0x96,
		0x00, 0x74, 0x6a, 0x0e, 0x27, 0xa5, 0x5a, 0x21,
	};
	static const uint8_t key[] = {
		0xdb, 0xfa, 0xa6, 0x93, 0xd1, 0x76, 0x2c, 0x5b,
		0x66, 0x6a, 0xf5, 0xd9, 0x50, 0x25, 0x8d, 0x01,
	};
	static const uint8_t iv[] = { 0x5b, 0xd3, 0xc7, 0x1b, 0x83, 0x6e,
				      0x0b, 0x76, 0xbb, 0x73, 0x26, 0x5f };
	struct record_keys keys;

	(void)state;
	assert_true(key_schedule_traffic(suite_find(0x1301),
					 bytes_make(secret, sizeof(secret)),
					 &keys));
	assert_memory_equal(keys.key, key, sizeof(key));
	assert_memory_equal(keys.iv, iv, sizeof(iv));
	assert_false(key_schedule_traffic(suite_find(0x1302),
					  bytes_make(secret, sizeof(secret)),
					  &keys));
}

static void
put_be16(struct buf *out, unsigned value)
{
	buf_u8(out, (uint8_t)(value >> 8));
	buf_u8(out, (uint8_t)value);
}

static void
put_extension(struct buf *out, uint16_t type, const char *content, size_t size)
{
	put_be16(out, type);
	put_be16(out, (unsigned)size);
	buf_append(out, content, size);
}

/* The ClientHello of technical_details/JA4.md, GREASE values with it. */
static void
put_hello(struct buf *out)
{
	static const uint16_t suites[] = { 0x0a0a, 0x1301, 0x1302, 0x1303,
					   0xc02b, 0xc02f, 0xc02c, 0xc030,
					   0xcca9, 0xcca8, 0xc013, 0xc014,
					   0x009c, 0x009d, 0x002f, 0x0035 };
	static const uint16_t plain[] = { 0x001b, 0x0033, 0x4469, 0x0017,
					  0x002d, 0x0005, 0x0023, 0x0012,
					  0xff01, 0x000b, 0x000a, 0x0015,
					  0x1a1a };
	struct buf extensions;

	buf_init(&extensions, 4096);
	put_extension(&extensions, 0, "\0\6\0\0\3abc", 8);
	put_extension(&extensions, 16, "\0\3\2h2", 5);
	put_extension(&extensions, 43, "\4\x1a\x1a\3\4", 5);
	put_extension(&extensions, 13,
		      "\0\x10\4\3\10\4\4\1\5\3\10\5\5\1\10\6\6\1", 18);
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		put_extension(&extensions, plain[i], "", 0);
	put_be16(out, 0x0303);
	for (int i = 0; i < 32; i++)
		buf_u8(out, 7);
	buf_u8(out, 0);
	put_be16(out, sizeof(suites));
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++)
		put_be16(out, suites[i]);
	put_be16(out, 0x0100); /* compression: one, none */
	put_be16(out, (unsigned)extensions.size);
	buf_bytes(out, buf_view(&extensions));
	buf_free(&extensions);
}

static void
ja4_is_that_of_its_description(void **state)
{
	char ja4[FINGERPRINT_JA4_SIZE];
	struct hello hello;
	struct buf body;

	(void)state;
	buf_init(&body, 4096);
	put_hello(&body);
	assert_true(hello_read(buf_view(&body), true, &hello));
	assert_true(bytes_equal(hello.name, bytes_of("abc")));
	assert_int_equal(hello.version, TLS_VERSION_13);
	fingerprint_ja4(&hello, 't', ja4);
	assert_string_equal(ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
	/* Cut anywhere, it is no hello, or one without its extensions. */
	for (size_t size = 0; size < body.size; size++)
		(void)hello_read(bytes_first(buf_view(&body), size), true,
				 &hello);
	buf_free(&body);
}

static struct secret
recorded(uint16_t local, uint16_t remote, int64_t time_ns, uint8_t value)
{
	struct secret s = { .label = SECRET_CLIENT_TRAFFIC, .size = 32,
			    .local_port = local, .remote_port = remote,
			    .time_ns = time_ns };

	memset(s.value, value, s.size);
	return s;
}

static void
secrets_are_found_by_random_then_by_ends(void **state)
{
	struct key_store *k = key_store_new(4);
	struct secret other = recorded(50000, 443, 5 * CLOCK_NS_PER_S, 1);
	struct secret fits = recorded(443, 40000, 5 * CLOCK_NS_PER_S, 2);
	struct secret late = recorded(443, 40000, 99 * CLOCK_NS_PER_S, 3);
	struct secret certain = { .label = SECRET_CLIENT_TRAFFIC, .size = 32,
				  .has_random = true };
	uint8_t random[KEY_RANDOM_SIZE] = { 9 };
	struct key_query query = {
		.random = random, .label = SECRET_CLIENT_TRAFFIC,
		.time_ns = 4 * CLOCK_NS_PER_S,
		.client = { .port = 40000 }, .server = { .port = 443 },
	};
	struct bytes found[KEY_CANDIDATES];

	(void)state;
	assert_true(key_store_add(k, &other));
	assert_true(key_store_add(k, &fits));
	assert_true(key_store_add(k, &late));
	assert_int_equal(key_store_find(k, &query, found), 1);
	assert_int_equal(found[0].data[0], 2);
	memcpy(certain.random, random, sizeof(random));
	memset(certain.value, 4, 32);
	assert_true(key_store_add(k, &certain));
	assert_false(key_store_add(k, &other)); /* full */
	assert_int_equal(key_store_find(k, &query, found), 1);
	assert_int_equal(found[0].data[0], 4);
	query.label = SECRET_SERVER_TRAFFIC;
	assert_int_equal(key_store_find(k, &query, found), 0);
	key_store_free(k);
}

static void
other_protocols_are_no_tls(void **state)
{
	static const char *const others[] = {
		"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "220 mail ESMTP\r\n",
		"\x16\x02\x01\x02\x03\x04", "\x17\x05\x03\x10\x10",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		for (int client = 0; client < 2; client++)
			assert_int_equal(record_probe(bytes_of(others[i]),
						      client), VERDICT_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traffic_keys_are_those_of_rfc_8448),
		cmocka_unit_test(ja4_is_that_of_its_description),
		cmocka_unit_test(secrets_are_found_by_random_then_by_ends),
		cmocka_unit_test(other_protocols_are_no_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
