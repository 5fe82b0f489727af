/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dissect/proto/dns_name.h"
#include "dissect/proto/dns_record.h"
#include "dissect/registry.h"

/* The name at `offset` of `message`, or NULL. */
static const char *
name_at(struct bytes message, size_t offset, struct buf *out, size_t *end)
{
	struct reader r = reader_make(bytes_from(message, offset));

	buf_reset(out);
	dns_name(&r, message, out);
	if (end)
		*end = r.failed ? 0 : (size_t)(r.at - message.data);
	return r.failed ? NULL : buf_cstr(out);
}

static void
the_compression_example_of_rfc_1035_is_read(void **state)
{
	/* §4.1.4, with the offsets used there. */
	uint8_t data[93] = { 0 };
	struct bytes message = bytes_make(data, sizeof(data));
	struct buf out;
	size_t end;

	(void)state;
	buf_init(&out, DNS_NAME_TEXT);
	memcpy(data + 20, "\1F\3ISI\4ARPA", 12);
	memcpy(data + 40, "\3FOO\xc0\x14", 6);
	memcpy(data + 64, "\xc0\x1a", 2);
	assert_string_equal(name_at(message, 20, &out, &end), "F.ISI.ARPA");
	assert_int_equal(end, 32);
	assert_string_equal(name_at(message, 40, &out, &end), "FOO.F.ISI.ARPA");
	assert_int_equal(end, 46);
	assert_string_equal(name_at(message, 64, &out, &end), "ARPA");
	assert_int_equal(end, 66);
	assert_string_equal(name_at(message, 92, &out, &end), ".");
	assert_int_equal(end, 93);
	buf_free(&out);
}

static void
loops_and_forward_pointers_are_refused(void **state)
{
	static const char *const names[] = {
		"\xc0\x00",	      /* to itself */
		"\xc0\x02\xc0\x00",   /* to each other */
		"\1a\xc0\x00",	      /* to the label before it */
		"\xc0\x03\0\1a\0",    /* forward */
		"\xc0",		      /* half a pointer */
		"\x40xx",	      /* label types of RFC 1035 §4.1.4: reserved */
		"\x80xx", "\5abc",    /* past the end */
		"\1a",		      /* without an end */
	};
	static const size_t sizes[] = { 2, 4, 4, 6, 1, 3, 3, 4, 2 };
	struct buf out;

	(void)state;
	buf_init(&out, DNS_NAME_TEXT);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_null(name_at(bytes_make(names[i], sizes[i]), 0, &out,
				    NULL));
	buf_free(&out);
}

static void
names_are_at_most_255_octets(void **state)
{
	uint8_t data[300] = { 0 };
	struct bytes message = bytes_make(data, sizeof(data));
	struct buf out;

	(void)state;
	buf_init(&out, DNS_NAME_TEXT);
	for (size_t i = 0; i < 4; i++)
		data[i * 64] = 63; /* 4 × 64 + 1 = 257 */
	assert_null(name_at(message, 0, &out, NULL));
	data[192] = 61; /* 3 × 64 + 62 + 1 = 255 */
	assert_non_null(name_at(message, 0, &out, NULL));
	assert_false(out.failed);
	data[192] = 62;
	assert_null(name_at(message, 0, &out, NULL));
	buf_free(&out);
}

static void
names_are_escaped_as_in_rfc_1035(void **state)
{
	static const char data[] = "\6a.b\\ \xff\1-";
	struct buf out;

	(void)state;
	buf_init(&out, DNS_NAME_TEXT);
	assert_string_equal(name_at(bytes_make(data, sizeof(data)), 0, &out,
				    NULL),
			    "a\\.b\\\\\\032\\255.-");
	buf_free(&out);
}

/* The text of record data without names. */
static const char *
data_text(struct buf *out, uint16_t type, const char *data, size_t size,
	  bool good)
{
	struct bytes in = bytes_make(data, size);

	buf_reset(out);
	assert_int_equal(dns_record_data(out, type, in, in), good);
	return buf_cstr(out);
}

static void
record_data_is_in_presentation_form(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_string_equal(data_text(&out, 1, "\xc0\0\2\1", 4, true),
			    "192.0.2.1");
	/* RFC 5952 §4.2. */
	assert_string_equal(data_text(&out, 28,
				      "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
				      16, true),
			    "2001:db8::1");
	assert_string_equal(data_text(&out, 16, "\3a\"b\0", 5, true),
			    "\"a\\\"b\" \"\"");
	/* RFC 3597 §5, its own examples. */
	assert_string_equal(data_text(&out, 62347, "", 0, true), "\\# 0");
	assert_string_equal(data_text(&out, 731, "\xab\xcd\xef\1\x23\x45", 6,
				      true),
			    "\\# 6 abcdef012345");
	/* RFC 1876 §3: yale.edu, 41 18 23 N 72 55 42 W 0m with the defaults
	 * 1m 10000m 10m. */
	assert_string_equal(
		data_text(&out, 29,
			  "\0\x12\x16\x13\x88\xdd\x07\x18"
			  "\x70\x59\xed\x50\0\x98\x96\x80",
			  16, true),
		"41 18 23.000 N 72 55 42.000 W 0.00m 1.00m 10000.00m 10.00m");
	buf_free(&out);
}

static void
malformed_record_data_stays_as_octets(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_string_equal(data_text(&out, 1, "abc", 3, false),
			    "\\# 3 616263");
	assert_string_equal(data_text(&out, 1, "abcde", 5, false),
			    "\\# 5 6162636465");
	assert_string_equal(data_text(&out, 16, "\5ab", 3, false),
			    "\\# 3 056162");
	assert_string_equal(data_text(&out, 15, "\0\1\xc0\xff", 4, false),
			    "\\# 4 0001c0ff");
	buf_free(&out);
}

static void
numbers_have_names_or_are_named_after_themselves(void **state)
{
	char room[DNS_MNEMONIC];

	(void)state;
	assert_string_equal(dns_type_name(65, room), "HTTPS");
	assert_string_equal(dns_type_name(65280, room), "TYPE65280");
	assert_string_equal(dns_class_name(3, room), "CH");
	assert_string_equal(dns_class_name(42, room), "CLASS42");
	assert_string_equal(dns_rcode_name(3, room), "NXDOMAIN");
	assert_string_equal(dns_rcode_name(23, room), "BADCOOKIE");
	assert_string_equal(dns_rcode_name(4095, room), "RCODE4095");
	assert_string_equal(dns_opcode_name(5, room), "UPDATE");
	assert_string_equal(dns_opcode_name(3, room), "OPCODE3");
}

static enum verdict
probe(enum transport transport, const void *data, size_t size)
{
	return dissector_dns.probe(transport, bytes_make(data, size),
				   bytes_make(NULL, 0));
}

static void
random_bytes_are_not_taken_for_dns(void **state)
{
	uint32_t seed = 1;
	uint8_t data[80];

	(void)state;
	for (int round = 0; round < 200000; round++) {
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1664525 + 1013904223;
			data[i] = (uint8_t)(seed >> 24);
		}
		assert_int_not_equal(probe(TRANSPORT_UDP, data, sizeof(data)),
				     VERDICT_YES);
		assert_int_not_equal(probe(TRANSPORT_TCP, data, sizeof(data)),
				     VERDICT_YES);
	}
}

static void
a_message_is_known_from_its_questions_on(void **state)
{
	static const char query[] = "\0\x1e" /* its size, over TCP */
				    "\1\2\1\0\0\1\0\0\0\0\0\0"
				    "\7example\4test\0\0\1\0\1";

	(void)state;
	assert_int_equal(probe(TRANSPORT_UDP, query + 2, 30), VERDICT_YES);
	assert_int_equal(probe(TRANSPORT_TCP, query, 32), VERDICT_YES);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(probe(TRANSPORT_TCP, query, i), VERDICT_MAYBE);
	/* Something behind it: not typical. */
	assert_int_equal(probe(TRANSPORT_UDP, query + 2, 31), VERDICT_MAYBE);
}

static void
netbios_names_are_not_dns(void **state)
{
	static const char query[] = "\1\2\1\x10\0\1\0\0\0\0\0\0"
				    "\x20"
				    "FHEPFCELFDEFEEEBEJEJCACACACACAAA\0"
				    "\0\x20\0\1";

	(void)state;
	assert_int_equal(probe(TRANSPORT_UDP, query, sizeof(query) - 1),
			 VERDICT_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_compression_example_of_rfc_1035_is_read),
		cmocka_unit_test(loops_and_forward_pointers_are_refused),
		cmocka_unit_test(names_are_at_most_255_octets),
		cmocka_unit_test(names_are_escaped_as_in_rfc_1035),
		cmocka_unit_test(record_data_is_in_presentation_form),
		cmocka_unit_test(malformed_record_data_stays_as_octets),
		cmocka_unit_test(
			numbers_have_names_or_are_named_after_themselves),
		cmocka_unit_test(random_bytes_are_not_taken_for_dns),
		cmocka_unit_test(a_message_is_known_from_its_questions_on),
		cmocka_unit_test(netbios_names_are_not_dns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
