/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers are written here by hand from the RFCs named beside them; what
 * must come out follows from those numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/decode.h"
#include "tests/support/frames.h"

#define ETHERNET 1
#define ACK 0x10
#define SYN 0x02

static struct frame frame; /* large; used by one test at a time */

static enum packet_verdict
decode(uint16_t link_type, struct packet *p)
{
	struct packet_record record = frame_record(&frame, link_type, 0);

	return decode_packet(&record, p);
}

static void
begin_tcp(const char *payload)
{
	frame_start(&frame, payload, strlen(payload));
	frame_tcp(&frame, &(struct frame_tcp){ .source = 40000,
					       .target = 80,
					       .seq = 0x01020304,
					       .ack = 0x0a0b0c0d,
					       .flags = ACK,
					       .window = 512 });
}

static void
begin_ip(const char *payload)
{
	begin_tcp(payload);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 6,
						 .id = 7 });
}

static void
assert_ip4(const uint8_t ip[16], const char *text)
{
	uint8_t expected[16] = { [10] = 0xff, [11] = 0xff };

	assert_int_equal(inet_pton(AF_INET, text, expected + 12), 1);
	assert_memory_equal(ip, expected, 16);
}

static void
assert_ip6(const uint8_t ip[16], const char *text)
{
	uint8_t expected[16];

	assert_int_equal(inet_pton(AF_INET6, text, expected), 1);
	assert_memory_equal(ip, expected, 16);
}

/* What begin_ip put in is found, with this payload. */
static void
assert_inner(const struct packet *p, const char *payload)
{
	assert_ip4(p->source.ip, "10.0.0.1");
	assert_ip4(p->target.ip, "10.0.0.2");
	assert_int_equal(p->source.port, 40000);
	assert_int_equal(p->target.port, 80);
	assert_int_equal(p->ip_protocol, 6);
	assert_int_equal(p->tcp.seq, 0x01020304);
	assert_int_equal(p->tcp.ack, 0x0a0b0c0d);
	assert_int_equal(p->tcp.window, 512);
	assert_int_equal(p->payload.size, strlen(payload));
	assert_int_equal(p->payload_length, strlen(payload));
	assert_memory_equal(p->payload.data, payload, strlen(payload));
}

static void
an_ethernet_tcp_packet_is_decoded(void **state)
{
	struct packet p;

	(void)state;
	begin_ip("hello");
	frame_ethernet(&frame, 0x0800);
	assert_int_equal(decode(ETHERNET, &p), PACKET_OK);
	assert_inner(&p, "hello");
	assert_int_equal(p.ip_length, 45);
	assert_int_equal(p.ip_id, 7);
	assert_int_equal(p.vlan, 0);
}

static void
every_supported_link_type_leads_to_ip(void **state)
{
	static const struct {
		uint16_t type;
		const char *header;
	} links[] = {
		{ 101, "" }, { 12, "" }, { 14, "" }, { 228, "" },
		{ 0, "02000000" }, { 0, "00000002" }, { 108, "00000002" },
		/* SLL: type, ARPHRD, address length, address, protocol */
		{ 113, "0000 0001 0006 020000000001 0000 0800" },
		/* SLL2: protocol, reserved, ifindex, ARPHRD, type, … */
		{ 276, "0800 0000 00000002 0001 00 06 020000000001 0000" },
		{ 1, "020000000002 020000000001 0800" },
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		begin_ip("x");
		frame_push_hex(&frame, links[i].header);
		assert_int_equal(decode(links[i].type, &p), PACKET_OK);
		assert_inner(&p, "x");
	}
	begin_ip("x");
	assert_int_equal(decode(105, &p), PACKET_UNSUPPORTED);
}

static void
vlan_tags_are_passed_and_the_outermost_is_told(void **state)
{
	struct packet p;

	(void)state;
	begin_ip("x");
	frame_push_hex(&frame, "0014 0800");           /* 802.1Q, 20 */
	frame_push_hex(&frame, "2064 8100");           /* QinQ, 100 */
	frame_ethernet(&frame, 0x88a8);
	assert_int_equal(decode(ETHERNET, &p), PACKET_OK);
	assert_inner(&p, "x");
	assert_int_equal(p.vlan, 100);
}

static void
mpls_and_pppoe_are_passed(void **state)
{
	static const char *const stacks[][2] = {
		/* two labels, the second with the bottom-of-stack bit */
		{ "000640ff 000651ff", "8847" },
		/* session 0x1234, length 43, PPP protocol IPv4 */
		{ "1100 1234 002b 0021", "8864" },
		/* the same with a compressed protocol field */
		{ "1100 1234 002a 21", "8864" },
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		begin_ip("x");
		frame_push_hex(&frame, stacks[i][0]);
		frame_push_hex(&frame, stacks[i][1]);
		frame_push_hex(&frame, "020000000002 020000000001");
		assert_int_equal(decode(ETHERNET, &p), PACKET_OK);
		assert_inner(&p, "x");
	}
}

static void
an_mpls_pseudo_wire_with_control_word_is_passed(void **state)
{
	struct packet p;

	(void)state;
	begin_ip("x");
	frame_ethernet(&frame, 0x0800);
	frame_push_hex(&frame, "00000000");
	frame_push_hex(&frame, "000651ff");
	frame_ethernet(&frame, 0x8847);
	assert_int_equal(decode(ETHERNET, &p), PACKET_OK);
	assert_inner(&p, "x");
}

static void
llc_snap_is_passed(void **state)
{
	struct packet p;

	(void)state;
	begin_ip("x");
	frame_push_hex(&frame, "aaaa03 000000 0800");
	frame_push_hex(&frame, "020000000002 020000000001 0031");
	assert_int_equal(decode(ETHERNET, &p), PACKET_OK);
	assert_inner(&p, "x");
}

/* Headers that stand between an outer IPv4 header and the inner packet. */
static void
tunnels_lead_to_the_innermost_packet(void **state)
{
	static const struct {
		const char *name;
		uint8_t protocol;
		uint16_t udp; /* 0: directly in IP */
		bool ethernet;
		const char *header;
	} tunnels[] = {
		{ "IP in IP", 4, 0, false, "" },
		{ "GRE", 47, 0, false, "0000 0800" },
		{ "GRE, checksum, key and sequence", 47, 0, false,
		  "b000 0800 00000000 00000001 00000002" },
		{ "GRE bridging", 47, 0, true, "2000 6558 00000001" },
		{ "ERSPAN I", 47, 0, true, "0000 88be" },
		{ "ERSPAN II", 47, 0, true,
		  "1000 88be 00000001 1001 0001 00000000" },
		{ "ERSPAN III", 47, 0, true,
		  "1000 22eb 00000001 20010001 00000000 00000000" },
		{ "ERSPAN III with subheader", 47, 0, true,
		  "1000 22eb 00000001 20010001 00000000 00000001"
		  "0000000000000000" },
		{ "VXLAN", 17, 4789, true, "08000000 00002a00" },
		{ "VXLAN on Linux' port", 17, 8472, true,
		  "08000000 00002a00" },
		{ "VXLAN-GPE with IPv4", 17, 4790, false,
		  "0c000001 00002a00" },
		{ "GENEVE", 17, 6081, true, "0000 6558 00002a00" },
		{ "GENEVE with 8 bytes of options", 17, 6081, true,
		  "0200 6558 00002a00 0102000100000000" },
		{ "GTP-U", 17, 2152, false, "30ff 0029 00000001" },
		{ "GTP-U with an extension header", 17, 2152, false,
		  "34ff 0031 00000001 00000085 01000000" },
		{ "MPLS in IP", 137, 0, false, "000651ff" },
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		begin_ip("inner");
		if (tunnels[i].ethernet)
			frame_ethernet(&frame, 0x0800);
		frame_push_hex(&frame, tunnels[i].header);
		if (tunnels[i].udp)
			frame_udp(&frame, 50000, tunnels[i].udp);
		frame_ipv4(&frame, &(struct frame_ipv4){
					   .source = "192.0.2.1",
					   .target = "192.0.2.2",
					   .protocol = tunnels[i].protocol });
		if (decode(101, &p) != PACKET_OK || p.ip_protocol != 6)
			fail_msg("%s", tunnels[i].name);
		assert_inner(&p, "inner");
	}
}

/* RFC 4380 sections 5.1.1 and 5.1.2: an authentication with an identifier of
 * 3 bytes and a value of 4, its nonce and confirmation; an origin. */
#define AUTHENTICATION "0001 03 04 616263 01020304 0011223344556677 00"
#define ORIGIN         "0000 c350 3ffffdfd"

static void
teredo_leads_to_its_ipv6_packet(void **state)
{
	static const char *const indications[] = { "", ORIGIN, AUTHENTICATION,
						   AUTHENTICATION ORIGIN };
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(indications) / sizeof(*indications);
	     i++) {
		begin_tcp("inner");
		frame_ipv6(&frame, "2001:db8::1", "2001:db8::2", 6);
		frame_push_hex(&frame, indications[i]);
		frame_udp(&frame, 50000, 3544);
		frame_ipv4(&frame, &(struct frame_ipv4){
					   .source = "192.0.2.1",
					   .target = "192.0.2.2",
					   .protocol = 17 });
		assert_int_equal(decode(101, &p), PACKET_OK);
		assert_ip6(p.source.ip, "2001:db8::1");
		assert_int_equal(p.ip_protocol, 6);
		assert_int_equal(p.payload.size, 5);
	}
}

static void
a_cut_authentication_of_teredo_stays_the_outer_packet(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "", 0);
	frame_push_hex(&frame, "0001 ff ff 6162");
	frame_udp(&frame, 50000, 3544);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "192.0.2.1",
						 .target = "192.0.2.2",
						 .protocol = 17 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.ip_protocol, 17);
	assert_int_equal(p.payload_length, 6);
}

static void
what_is_no_tunnel_after_all_stays_the_outer_packet(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "", 0);
	/* ARP in VXLAN */
	frame_push_hex(&frame, "0001 0800 0604 0001 020000000001 0a000001");
	frame_ethernet(&frame, 0x0806);
	frame_push_hex(&frame, "08000000 00002a00");
	frame_udp(&frame, 50000, 4789);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "192.0.2.1",
						 .target = "192.0.2.2",
						 .protocol = 17 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.ip_protocol, 17);
	assert_int_equal(p.target.port, 4789);
	assert_int_equal(p.payload_length, 8 + 14 + 18);

	/* GRE version 1 (PPTP) */
	frame_start(&frame, "", 0);
	frame_push_hex(&frame, "3001 880b 0004 0001 00000000 c0210101");
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "192.0.2.1",
						 .target = "192.0.2.2",
						 .protocol = 47 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.ip_protocol, 47);
	assert_int_equal(p.source.port, 0);
}

static void
padding_behind_the_ip_packet_is_cut(void **state)
{
	struct packet p;
	uint8_t padding[13] = { 0 };

	(void)state;
	frame_start(&frame, padding, sizeof(padding));
	/* total length 0x29: 40 bytes of headers and one byte */
	frame_push_hex(&frame, "45000029 00070000 40060000 0a000001 0a000002"
			       "9c400050 01020304 0a0b0c0d 50100200 00000000"
			       "78");
	frame_ethernet(&frame, 0x0800);
	assert_int_equal(decode(ETHERNET, &p), PACKET_OK);
	assert_inner(&p, "x");
}

static void
ip_and_tcp_options_are_skipped(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "x", 1);
	frame_tcp(&frame, &(struct frame_tcp){
				  .source = 40000, .target = 80,
				  .seq = 0x01020304, .ack = 0x0a0b0c0d,
				  .flags = ACK, .window = 512,
				  .options = "0101080a 00000001 00000002" });
	/* header length 6: router alert */
	frame_push_hex(&frame, "46000039 00070000 40060000 0a000001 0a000002"
			       "94040000");
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_inner(&p, "x");
}

static void
the_window_scale_is_read_from_a_syn_only(void **state)
{
	static const struct {
		uint8_t flags;
		const char *options;
		uint8_t scale;
	} cases[] = {
		{ SYN, "020405b4 0402080a 00000001 00000000 01030307", 7 },
		{ SYN, "03030f00", 14 }, /* RFC 7323: more than 14 is 14 */
		{ SYN, "020405b4", TCP_NO_WINDOW_SCALE },
		{ SYN, "00030307", TCP_NO_WINDOW_SCALE }, /* behind the end */
		{ SYN, "03000307", TCP_NO_WINDOW_SCALE }, /* length 0 */
		{ ACK, "01030307", TCP_NO_WINDOW_SCALE },
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		frame_start(&frame, "", 0);
		frame_tcp(&frame, &(struct frame_tcp){
					  .flags = cases[i].flags,
					  .options = cases[i].options });
		frame_ipv4(&frame, &(struct frame_ipv4){
					   .source = "10.0.0.1",
					   .target = "10.0.0.2",
					   .protocol = 6 });
		assert_int_equal(decode(101, &p), PACKET_OK);
		assert_int_equal(p.tcp.window_scale, cases[i].scale);
	}
}

static void
a_total_length_of_zero_means_the_rest_of_the_frame(void **state)
{
	size_t size = 100000; /* more than IPv4 can say */
	uint8_t *payload = alloc_zero(size, 1);
	struct packet p;

	(void)state;
	frame_start(&frame, payload, size);
	frame_tcp(&frame, &(struct frame_tcp){ .source = 1, .target = 2 });
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 6 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.payload_length, size);
	assert_int_equal(p.ip_length, size + 40);
	free(payload);
}

static void
a_packet_cut_by_the_snap_length_tells_how_much_is_missing(void **state)
{
	struct packet_record record;
	struct packet p;

	(void)state;
	begin_ip("0123456789");
	frame_ethernet(&frame, 0x0800);
	record = frame_record(&frame, ETHERNET, 0);
	record.captured -= 6;
	assert_int_equal(decode_packet(&record, &p), PACKET_OK);
	assert_int_equal(p.payload.size, 4);
	assert_int_equal(p.payload_length, 10);
	record.captured = 14 + 20 + 19; /* not even the TCP header */
	assert_int_equal(decode_packet(&record, &p), PACKET_MALFORMED);
}

static void
ipv6_extension_headers_are_passed(void **state)
{
	static const char *const chains[][2] = {
		{ "", "6" },
		/* hop-by-hop (router alert), routing, destination, AH */
		{ "2b 00 0502 0000 0100  3c 00 00 00 00000000"
		  "33 00 0104 00000000  06 01 0000 00000001 00000002",
		  "0" },
		{ "06 00 0000 00000001", "44" }, /* an atomic fragment */
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		begin_tcp("x");
		frame_push_hex(&frame, chains[i][0]);
		frame_ipv6(&frame, "2001:db8::1", "2001:db8::2",
			   (uint8_t)atoi(chains[i][1]));
		assert_int_equal(decode(101, &p), PACKET_OK);
		assert_ip6(p.source.ip, "2001:db8::1");
		assert_ip6(p.target.ip, "2001:db8::2");
		assert_int_equal(p.ip_protocol, 6);
		assert_int_equal(p.target.port, 80);
		assert_int_equal(p.payload_length, 1);
	}
}

static void
an_ipv6_jumbogram_has_its_length_in_an_option(void **state)
{
	size_t size = 70000;
	uint8_t *payload = alloc_zero(size + 50, 1); /* and padding */
	struct packet p;

	(void)state;
	frame_start(&frame, payload, size + 50);
	frame_tcp(&frame, &(struct frame_tcp){ .source = 1, .target = 2 });
	/* RFC 2675: option 0xc2, length 4: 8 + 20 + 70000 = 0x1118c */
	frame_push_hex(&frame, "06 00 c204 0001118c");
	frame_ipv6(&frame, "2001:db8::1", "2001:db8::2", 0);
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.payload_length, size);
	free(payload);
}

static void
fragments_are_told_with_their_place(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "0123456789abcdef", 16);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 17,
						 .id = 0x1234,
						 .fragment = 0x2000 | 3 });
	assert_int_equal(decode(101, &p), PACKET_FRAGMENT);
	assert_int_equal(p.fragment.id, 0x1234);
	assert_int_equal(p.fragment.offset, 24);
	assert_true(p.fragment.more);
	assert_int_equal(p.payload_length, 16);

	frame_start(&frame, "0123456789", 10);
	/* RFC 8200: next header 17, offset 5 * 8, no more, id */
	frame_push_hex(&frame, "11 00 0028 89abcdef");
	frame_ipv6(&frame, "2001:db8::1", "2001:db8::2", 44);
	assert_int_equal(decode(101, &p), PACKET_FRAGMENT);
	assert_int_equal(p.fragment.id, 0x89abcdef);
	assert_int_equal(p.fragment.offset, 40);
	assert_false(p.fragment.more);
	assert_int_equal(p.ip_protocol, 17);
}

static void
an_icmp_echo_has_its_identifier_as_port(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "", 0);
	frame_push_hex(&frame, "00 00 0000 1234 0001"); /* an echo reply */
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 1 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.source.port, 0x1234);
	assert_int_equal(p.target.port, 0x1234);
	assert_true(p.answer);
}

static void
an_icmp_error_has_the_packet_that_it_quotes(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "12345678", 8);
	frame_udp(&frame, 5000, 53);
	frame_ipv6(&frame, "2001:db8::1", "2001:db8::2", 17);
	frame_push_hex(&frame, "02 00 0000 00000500"); /* too big */
	frame_ipv6(&frame, "2001:db8::9", "2001:db8::1", 58);
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_true(p.answer && p.quotes);
	assert_int_equal(p.source.port, 0);
	assert_int_equal(p.quote.ip_protocol, 17);
	assert_int_equal(p.quote.source.port, 5000);
	assert_int_equal(p.quote.target.port, 53);
	assert_int_equal(p.quote.target.ip[15], 2);

	/* Of one that is cut, what is there; of nonsense, nothing. */
	frame_start(&frame, "", 0);
	frame_push_hex(&frame, "4500 0054 0000 0000 40 01 0000 0a000001 "
			       "0a000002 08 00 0000");
	frame_push_hex(&frame, "0b 00 0000 00000000");
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.9",
						 .target = "10.0.0.1",
						 .protocol = 1 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_true(p.quotes);
	assert_int_equal(p.quote.source.port, 0);
	frame_start(&frame, "nonsense", 8);
	frame_push_hex(&frame, "0b 00 0000 00000000");
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.9",
						 .target = "10.0.0.1",
						 .protocol = 1 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_false(p.quotes);
}

static void
sctp_has_ports(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "data", 4);
	frame_push_hex(&frame, "0b59 0b5a 00000001 00000000");
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 132 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.source.port, 2905);
	assert_int_equal(p.target.port, 2906);
	assert_int_equal(p.payload_length, 4);
}

static void
what_is_not_ip_is_told(void **state)
{
	struct packet p;

	(void)state;
	frame_start(&frame, "", 0);
	frame_push_hex(&frame, "0001 0800 0604 0001 020000000001 0a000001");
	frame_ethernet(&frame, 0x0806);
	assert_int_equal(decode(ETHERNET, &p), PACKET_NON_IP);
}

static void
lengths_that_cannot_be_are_malformed(void **state)
{
	static const char *const packets[] = {
		/* IPv4 header length 4 */
		"41000028 00070000 40060000 0a000001 0a000002",
		/* total length below the header's */
		"45000013 00070000 40060000 0a000001 0a000002",
		/* TCP data offset 4 */
		"45000028 00070000 40060000 0a000001 0a000002"
		"9c400050 01020304 0a0b0c0d 40100200 00000000",
		/* TCP data offset beyond the packet */
		"45000028 00070000 40060000 0a000001 0a000002"
		"9c400050 01020304 0a0b0c0d f0100200 00000000",
		/* IP version 5 */
		"55000028 00070000 40060000 0a000001 0a000002",
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		frame_start(&frame, "", 0);
		frame_push_hex(&frame, packets[i]);
		assert_int_equal(decode(101, &p), PACKET_MALFORMED);
	}
	frame_start(&frame, "", 0);
	assert_int_equal(decode(101, &p), PACKET_MALFORMED);
}

static void
nesting_ends_at_the_limit_with_what_was_found(void **state)
{
	struct packet p;

	(void)state;
	begin_ip("x");
	for (int i = 0; i < 40; i++)
		frame_ipv4(&frame, &(struct frame_ipv4){
					   .source = "192.0.2.1",
					   .target = "192.0.2.2",
					   .protocol = 4 });
	assert_int_equal(decode(101, &p), PACKET_OK);
	assert_int_equal(p.ip_protocol, 4);
}

static void
a_reassembled_payload_is_decoded_further(void **state)
{
	struct packet p;
	struct bytes data;

	(void)state;
	frame_start(&frame, "01234567", 8);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 6,
						 .fragment = 0x2000 });
	assert_int_equal(decode(101, &p), PACKET_FRAGMENT);
	begin_tcp("whole");
	data = bytes_make(frame.bytes + frame.start,
			  FRAME_SIZE - frame.start);
	assert_int_equal(decode_reassembled(&p, data, (uint32_t)data.size),
			 PACKET_OK);
	assert_inner(&p, "whole");
}

static void
the_path_differs_by_interface_ttl_and_link_header(void **state)
{
	struct packet_record record;
	struct packet a, b;

	(void)state;
	begin_ip("x");
	frame_ethernet(&frame, 0x0800);
	record = frame_record(&frame, ETHERNET, 0);
	assert_int_equal(decode_packet(&record, &a), PACKET_OK);
	assert_int_equal(decode_packet(&record, &b), PACKET_OK);
	assert_true(a.path == b.path);
	record.interface = 1;
	assert_int_equal(decode_packet(&record, &b), PACKET_OK);
	assert_false(a.path == b.path);
	record.interface = 0;
	frame.bytes[frame.start + 14 + 8] = 63;
	assert_int_equal(decode_packet(&record, &b), PACKET_OK);
	assert_false(a.path == b.path);
	frame.bytes[frame.start + 14 + 8] = 64;
	frame.bytes[frame.start + 5] ^= 1;
	assert_int_equal(decode_packet(&record, &b), PACKET_OK);
	assert_false(a.path == b.path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ethernet_tcp_packet_is_decoded),
		cmocka_unit_test(every_supported_link_type_leads_to_ip),
		cmocka_unit_test(
			vlan_tags_are_passed_and_the_outermost_is_told),
		cmocka_unit_test(mpls_and_pppoe_are_passed),
		cmocka_unit_test(
			an_mpls_pseudo_wire_with_control_word_is_passed),
		cmocka_unit_test(llc_snap_is_passed),
		cmocka_unit_test(tunnels_lead_to_the_innermost_packet),
		cmocka_unit_test(teredo_leads_to_its_ipv6_packet),
		cmocka_unit_test(
			a_cut_authentication_of_teredo_stays_the_outer_packet),
		cmocka_unit_test(
			what_is_no_tunnel_after_all_stays_the_outer_packet),
		cmocka_unit_test(padding_behind_the_ip_packet_is_cut),
		cmocka_unit_test(ip_and_tcp_options_are_skipped),
		cmocka_unit_test(the_window_scale_is_read_from_a_syn_only),
		cmocka_unit_test(
			a_total_length_of_zero_means_the_rest_of_the_frame),
		cmocka_unit_test(
		    a_packet_cut_by_the_snap_length_tells_how_much_is_missing),
		cmocka_unit_test(ipv6_extension_headers_are_passed),
		cmocka_unit_test(
			an_ipv6_jumbogram_has_its_length_in_an_option),
		cmocka_unit_test(fragments_are_told_with_their_place),
		cmocka_unit_test(an_icmp_echo_has_its_identifier_as_port),
		cmocka_unit_test(an_icmp_error_has_the_packet_that_it_quotes),
		cmocka_unit_test(sctp_has_ports),
		cmocka_unit_test(what_is_not_ip_is_told),
		cmocka_unit_test(lengths_that_cannot_be_are_malformed),
		cmocka_unit_test(nesting_ends_at_the_limit_with_what_was_found),
		cmocka_unit_test(a_reassembled_payload_is_decoded_further),
		cmocka_unit_test(
			the_path_differs_by_interface_ttl_and_link_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
