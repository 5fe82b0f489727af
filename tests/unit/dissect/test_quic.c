/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of QUIC against the samples of RFC 9000, RFC 9001 and RFC 9369. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "dissect/proto/quic_protection.h"
#include "tests/support/hex.h"

#define VERSION_1 1
#define VERSION_2 0x6b3343cfu
#define CHACHA 0x1303

static void
assert_bytes(const uint8_t *got, const char *digits)
{
	struct hex expected = hex(digits);

	assert_memory_equal(got, expected.data, expected.size);
}

static void
keys_of(uint32_t version, struct quic_protection keys[2])
{
	struct hex id = hex("8394c8f03e515708");

	assert_true(quic_protection_initial(quic_version_find(version),
					    bytes_make(id.data, id.size),
					    keys));
}

/* Appendix A.1 of both. */
static void
initial_keys_are_those_of_the_appendices(void **state)
{
	struct quic_protection keys[2];

	(void)state;
	keys_of(VERSION_1, keys);
	assert_bytes(keys[0].key, "1f369613dd76d5467730efcbe3b1a22d");
	assert_bytes(keys[0].iv, "fa044b2f42a3fd3b46fb255c");
	assert_bytes(keys[0].header, "9f50449e04a0e810283a1e9933adedd2");
	assert_bytes(keys[1].key, "cf3a5331653c364c88f0f379b6067e37");
	assert_bytes(keys[1].iv, "0ac1493ca1905853b0bba03e");
	assert_bytes(keys[1].header, "c206b8d9b9f0f37644430b490eeaa314");
	keys_of(VERSION_2, keys);
	assert_bytes(keys[0].key, "8b1a0bc121284290a29e0971b5cd045d");
	assert_bytes(keys[0].iv, "91f73e2351d8fa91660e909f");
	assert_bytes(keys[0].header, "45b95e15235d6f45a6b19cbcb0294ba9");
	assert_bytes(keys[1].key, "82db637861d55e1d011f19ea71d5d2a7");
	assert_bytes(keys[1].iv, "dd13c276499c0249d3310652");
	assert_bytes(keys[1].header, "edf6d05c83121201b436e16877593c3a");
}

/* Appendix A.5 of both: ChaCha20-Poly1305, and a packet number of 3 bytes. */
static void
open_short(uint32_t version, const char *packet_digits)
{
	struct hex secret = hex("9ac312a7f877468ebe69422748ad00a15443f18203a07d"
				"6060f688f30f21632b");
	struct hex whole = hex(packet_digits);
	struct quic_packet packet = {
		.type = QUIC_SHORT,
		.whole = bytes_make(whole.data, whole.size),
		.number_at = 1,
	};
	struct quic_protection keys;
	struct quic_unmasked head;
	uint8_t out[sizeof(whole.data)];
	struct bytes plain;

	assert_true(quic_protection_derive(quic_version_find(version),
					   suite_find(CHACHA),
					   bytes_make(secret.data, 32),
					   &keys));
	assert_true(quic_protection_unmask(&keys, &packet, 654360000, &head));
	assert_int_equal(head.first, 0x42);
	assert_int_equal(head.size, 3);
	assert_true(head.full == 654360564);
	plain = quic_protection_open(&keys, &packet, &head, out);
	assert_true(bytes_equal(plain, bytes_make("\x01", 1)));
	whole.data[whole.size - 1] ^= 1;
	plain = quic_protection_open(&keys, &packet, &head, out);
	assert_int_equal(plain.size, 0);
}

static void
short_packets_open(void **state)
{
	(void)state;
	open_short(VERSION_1, "4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
	open_short(VERSION_2, "5558b1c60ae7b6b932bc27d786f4bc2bb20f2162ba");
}

/* RFC 9000 appendix A.1. */
static void
numbers_are_read(void **state)
{
	static const struct {
		const char *digits;
		uint64_t value;
	} cases[] = { { "c2197c5eff14e88c", UINT64_C(151288809941952652) },
		      { "9d7f3e7d", 494878333 },
		      { "7bbd", 15293 },
		      { "25", 37 },
		      { "4025", 37 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hex in = hex(cases[i].digits);
		struct reader r = reader_make(bytes_make(in.data, in.size));

		assert_true(quic_number(&r) == cases[i].value);
		assert_false(r.failed);
		assert_int_equal(reader_left(&r), 0);
	}
}

static void
check_type(uint32_t version, uint8_t first, enum quic_type type)
{
	uint8_t data[40] = { first,
			     (uint8_t)(version >> 24),
			     (uint8_t)(version >> 16),
			     (uint8_t)(version >> 8),
			     (uint8_t)version };
	struct quic_packet packet;

	data[type == QUIC_INITIAL ? 8 : 7] = 20; /* its length */
	assert_true(quic_packet_read(bytes_make(data, sizeof(data)), &packet));
	assert_int_equal(packet.type, type);
	/* Without the fixed bit as well (RFC 9287). */
	data[0] &= 0xbf;
	assert_true(quic_packet_read(bytes_make(data, sizeof(data)), &packet));
	assert_int_equal(packet.type, type);
}

/* RFC 9000 §17.2, RFC 9369 §3.2. */
static void
types_of_both_versions(void **state)
{
	(void)state;
	check_type(VERSION_1, 0xc0, QUIC_INITIAL);
	check_type(VERSION_1, 0xd0, QUIC_EARLY);
	check_type(VERSION_1, 0xe0, QUIC_HANDSHAKE);
	check_type(VERSION_1, 0xf0, QUIC_RETRY);
	check_type(VERSION_2, 0xd0, QUIC_INITIAL);
	check_type(VERSION_2, 0xe0, QUIC_EARLY);
	check_type(VERSION_2, 0xf0, QUIC_HANDSHAKE);
	check_type(VERSION_2, 0xc0, QUIC_RETRY);
}

static void
check_retry(const char *digits)
{
	struct hex in = hex(digits), id = hex("8394c8f03e515708");
	struct quic_id original = quic_id_make(bytes_make(id.data, id.size));
	struct quic_packet packet;

	assert_true(quic_packet_read(bytes_make(in.data, in.size), &packet));
	assert_int_equal(packet.type, QUIC_RETRY);
	assert_true(quic_protection_retry(&packet, &original));
	original.data[0] ^= 1;
	assert_false(quic_protection_retry(&packet, &original));
}

/* Appendix A.4 of both. */
static void
retries_are_authentic(void **state)
{
	(void)state;
	check_retry("ff000000010008f067a5502a4262b5746f6b656e"
		    "04a265ba2eff4d829058fb3f0f2496ba");
	check_retry("cf6b3343cf0008f067a5502a4262b5746f6b656e"
		    "c8646ce8bfe33952d955543665dcc7b6");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_keys_are_those_of_the_appendices),
		cmocka_unit_test(short_packets_open),
		cmocka_unit_test(numbers_are_read),
		cmocka_unit_test(types_of_both_versions),
		cmocka_unit_test(retries_are_authentic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
