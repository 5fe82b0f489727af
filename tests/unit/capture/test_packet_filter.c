/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/packet_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

/* Ethernet, IPv4 10.1.2.3:4000 → 10.1.9.9:80, TCP. */
static const uint8_t tcp4[] =
	"\1\2\3\4\5\6\1\2\3\4\5\7\x08\0"
	"\x45\0\0\x28\0\1\0\0\x40\6\0\0\x0a\1\2\3\x0a\1\x09\x09"
	"\x0f\xa0\0\x50\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0";

/* The same IP packet behind 802.1ad and 802.1Q tags. */
static const uint8_t tagged[] =
	"\1\2\3\4\5\6\1\2\3\4\5\7\x88\xa8\0\1\x81\0\0\2\x08\0"
	"\x45\0\0\x28\0\1\0\0\x40\6\0\0\x0a\1\2\3\x0a\1\x09\x09"
	"\x0f\xa0\0\x50\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0";

/* A later fragment of it: offset 8, no ports. */
static const uint8_t fragment4[] =
	"\1\2\3\4\5\6\1\2\3\4\5\7\x08\0"
	"\x45\0\0\x1c\0\1\0\1\x40\6\0\0\x0a\1\x09\x09\x0a\1\2\3"
	"12345678";

/* Raw IPv6, hop-by-hop options, UDP 2001:db8::1:5353 → 2001:db8::2:53. */
static const uint8_t udp6[] = "\x60\0\0\0\0\x10\0\x40"
			      "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
			      "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
			      "\x11\0\1\4\0\0\0\0\x14\xe9\0\x35\0\x08\0\0";

/* Linux cooked v1, IPv4 192.0.2.1 → 192.0.2.2, VXLAN, Ethernet, tcp4's IP. */
static const uint8_t vxlan[] =
	"\0\0\0\1\0\6\1\2\3\4\5\6\0\0\x08\0"
	"\x45\0\0\x5a\0\1\0\0\x40\x11\0\0\xc0\0\2\1\xc0\0\2\2"
	"\x12\x34\x12\xb5\0\x46\0\0\x08\0\0\0\0\0\x07\0"
	"\1\2\3\4\5\6\1\2\3\4\5\7\x08\0"
	"\x45\0\0\x28\0\1\0\0\x40\6\0\0\x0a\1\2\3\x0a\1\x09\x09"
	"\x0f\xa0\0\x50\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0";

/* Raw IPv4, GRE with key, IPv4 10.1.9.9:80 → 10.1.2.3:4000, UDP. */
static const uint8_t gre[] =
	"\x45\0\0\x38\0\1\0\0\x40\x2f\0\0\xc0\0\2\1\xc0\0\2\2"
	"\x20\0\x08\0\0\0\0\7"
	"\x45\0\0\x1c\0\1\0\0\x40\x11\0\0\x0a\1\x09\x09\x0a\1\2\3"
	"\0\x50\x0f\xa0\0\x08\0\0";

#define RECORD(link, bytes_)                                     \
	((struct packet_record){ .time_ns = 100,                 \
				 .data = (bytes_),               \
				 .captured = sizeof(bytes_) - 1, \
				 .link_type = (link) })

static bool
matches(const struct packet_filter_lists *lists, struct packet_record packet)
{
	struct packet_filter *f = packet_filter_new(lists, NULL);
	bool result;

	assert_non_null(f);
	result = packet_filter_matches(f, &packet);
	packet_filter_free(f);
	return result;
}

static bool
address_matches(const char *address, struct packet_record packet)
{
	struct packet_filter_lists lists = { .addresses = &address,
					     .address_count = 1 };

	return matches(&lists, packet);
}

static bool
port_matches(uint16_t port, struct packet_record packet)
{
	struct packet_filter_lists lists = { .ports = &port, .port_count = 1 };

	return matches(&lists, packet);
}

static void
addresses_and_prefixes_match_either_end(void **state)
{
	struct packet_record packet = RECORD(1, tcp4);

	(void)state;
	assert_true(address_matches("10.1.2.3", packet));
	assert_true(address_matches("10.1.9.9", packet));
	assert_true(address_matches("10.1.2.2/31", packet));
	assert_true(address_matches("10.0.0.0/8", packet));
	assert_true(address_matches("0.0.0.0/0", packet));
	assert_true(address_matches("::ffff:10.1.2.3", packet));
	assert_false(address_matches("10.1.2.4", packet));
	assert_false(address_matches("10.1.2.4/31", packet));
	assert_false(address_matches("2001:db8::/32", packet));
	packet = RECORD(101, udp6);
	assert_true(address_matches("2001:db8::2", packet));
	assert_true(address_matches("2001:db8::/33", packet));
	assert_false(address_matches("2001:db8:8000::/33", packet));
	assert_false(address_matches("0.0.0.0/0", packet));
}

static void
bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"10.0.0",
		"10.0.0.0/33",
		"::/129",
		"10.0.0.0/",
		"host",
		"10.0.0.0/8 ",
		"1.2.3.4/-1",
		"00000000000000000000000000000000000000000000000000000::1",
	};
	struct error e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct packet_filter_lists lists = { .addresses = &bad[i],
						     .address_count = 1 };

		assert_null(packet_filter_new(&lists, &e));
		assert_int_equal(e.code, ERR_INVALID);
	}
}

static void
ports_match_behind_tags_extensions_and_tunnels(void **state)
{
	(void)state;
	assert_true(port_matches(80, RECORD(1, tcp4)));
	assert_true(port_matches(4000, RECORD(1, tagged)));
	assert_false(port_matches(81, RECORD(1, tagged)));
	assert_true(port_matches(53, RECORD(101, udp6)));
	assert_true(port_matches(80, RECORD(113, vxlan)));
	assert_true(port_matches(4789, RECORD(113, vxlan)));
	assert_true(port_matches(80, RECORD(228, gre)));
	assert_false(port_matches(47, RECORD(228, gre)));
	assert_true(port_matches(80, RECORD(1, fragment4))); /* may be */
}

static void
conversations_match_in_both_directions_and_in_time(void **state)
{
	struct export_conversation wanted = {
		.client_ip = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3",
		.server_ip = { [10] = 0xff, [11] = 0xff, [12] = 10, 1, 9, 9 },
		.client_port = 4000,
		.server_port = 80,
		.ip_protocol = 6,
		.from_ns = 100,
		.to_ns = 100,
	};
	struct packet_filter_lists lists = { .conversations = &wanted,
					     .conversation_count = 1 };
	struct packet_record packet = RECORD(1, tcp4);

	(void)state;
	assert_true(matches(&lists, packet));
	assert_true(matches(&lists, RECORD(113, vxlan)));
	assert_true(matches(&lists, RECORD(1, fragment4)));
	assert_false(matches(&lists, RECORD(228, gre))); /* UDP */
	wanted.ip_protocol = 17;
	assert_true(matches(&lists, RECORD(228, gre)));
	assert_false(matches(&lists, packet));
	wanted.ip_protocol = 6;
	packet.time_ns = 101;
	assert_false(matches(&lists, packet));
	packet.time_ns = 99;
	assert_false(matches(&lists, packet));
	packet.time_ns = 100;
	wanted.client_port = 4001;
	assert_false(matches(&lists, packet));
}

static void
every_cut_of_a_packet_is_safe(void **state)
{
	uint16_t port = 1;
	struct packet_filter_lists lists = { .ports = &port, .port_count = 1 };
	struct packet_filter *f = packet_filter_new(&lists, NULL);
	static const struct {
		const uint8_t *data;
		uint32_t size;
		uint16_t link;
	} all[] = {
		{ tcp4, sizeof(tcp4) - 1, 1 },
		{ tagged, sizeof(tagged) - 1, 1 },
		{ udp6, sizeof(udp6) - 1, 101 },
		{ vxlan, sizeof(vxlan) - 1, 113 },
		{ gre, sizeof(gre) - 1, 228 },
	};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (uint32_t cut = 0; cut <= all[i].size; cut++) {
			uint8_t copy[256];
			struct packet_record packet = {
				.data = copy + sizeof(copy) - cut,
				.captured = cut,
				.link_type = all[i].link,
			};

			memcpy(copy + sizeof(copy) - cut, all[i].data, cut);
			assert_false(packet_filter_matches(f, &packet));
		}
	packet_filter_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_prefixes_match_either_end),
		cmocka_unit_test(bad_addresses_are_refused),
		cmocka_unit_test(
			ports_match_behind_tags_extensions_and_tunnels),
		cmocka_unit_test(
			conversations_match_in_both_directions_and_in_time),
		cmocka_unit_test(every_cut_of_a_packet_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
