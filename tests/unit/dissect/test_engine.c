/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole packets through the engine; the streams are tests/support/fake_stream,
 * which writes down what they are given and checks the order of cause and
 * effect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/engine.h"
#include "tests/support/fake_stream.h"
#include "tests/support/frames.h"

#define MS 1000000LL
#define SECOND (1000 * MS)
#define BEGIN (1700000000 * SECOND)
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define CONNECTIONS 512

static struct frame frame;
static struct engine *engine;
static struct engine_options options;
static struct connection_event seen[CONNECTIONS];
static size_t seen_count;
static int64_t now;
static uint16_t next_id;

static void
on_connection(void *context, const struct connection_event *c)
{
	(void)context;
	assert_true(seen_count < CONNECTIONS);
	seen[seen_count++] = *c;
}

static void
begin(void)
{
	engine_free(engine);
	engine = engine_new(&options, (struct event_sink){
					      .connection = on_connection });
}

static int
set_up(void **state)
{
	(void)state;
	fake_stream_reset();
	seen_count = 0;
	now = BEGIN;
	next_id = 1;
	options = engine_defaults();
	begin();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	engine_free(engine);
	engine = NULL;
	fake_stream_reset();
	return 0;
}

static const struct coverage *
finish(void)
{
	engine_finish(engine);
	return engine_coverage(engine);
}

static struct packet_record
record(void)
{
	struct packet_record r = frame_record(&frame, 101, now);

	r.offset = next_id;
	return r;
}

static void
put(void)
{
	struct packet_record r = record();

	engine_packet(engine, &r);
	now += MS;
}

/* One TCP packet of client 10.0.0.1:40000 or server 10.0.0.2:80. */
struct given {
	bool from_server;
	uint8_t flags;
	uint32_t seq, ack;
	const char *data;
	uint16_t client; /* port, 0: 40000 */
};

static void
build(struct given g)
{
	uint16_t client = g.client ? g.client : 40000;

	frame_start(&frame, g.data ? g.data : "", g.data ? strlen(g.data) : 0);
	frame_tcp(&frame, &(struct frame_tcp){
				  .source = g.from_server ? 80 : client,
				  .target = g.from_server ? client : 80,
				  .seq = g.seq, .ack = g.ack,
				  .flags = g.flags, .window = 1000 });
	frame_ipv4(&frame, &(struct frame_ipv4){
				   .source = g.from_server ? "10.0.0.2"
							   : "10.0.0.1",
				   .target = g.from_server ? "10.0.0.1"
							   : "10.0.0.2",
				   .protocol = 6, .id = next_id++ });
}

static void
tcp(struct given g)
{
	build(g);
	put();
}

#define CLIENT(...) tcp((struct given){ false, __VA_ARGS__ })
#define SERVER(...) tcp((struct given){ true, __VA_ARGS__ })

static void
handshake(void)
{
	CLIENT(SYN, 99, 0, NULL, 0);
	SERVER(SYN | ACK, 499, 100, NULL, 0);
	CLIENT(ACK, 100, 500, NULL, 0);
}

static void
udp(const char *source, uint16_t source_port, const char *target,
    uint16_t target_port, const char *data)
{
	frame_start(&frame, data, strlen(data));
	frame_udp(&frame, source_port, target_port);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = source,
						 .target = target,
						 .protocol = 17,
						 .id = next_id++ });
	put();
}

static void
assert_log(const char *expected)
{
	assert_string_equal(fake_stream_log(), expected);
}

static void
assert_end(const struct endpoint *end, const char *ip, uint16_t port)
{
	uint8_t expected[16] = { [10] = 0xff, [11] = 0xff };

	assert_int_equal(inet_pton(AF_INET, ip, expected + 12), 1);
	assert_memory_equal(end->ip, expected, 16);
	assert_int_equal(end->port, port);
}

static void
a_connection_is_followed_from_syn_to_fin(void **state)
{
	const struct coverage *v;

	(void)state;
	handshake();
	CLIENT(ACK, 100, 500, "GET", 0);
	SERVER(ACK, 500, 103, "200", 0);
	CLIENT(ACK | FIN, 103, 503, NULL, 0);
	SERVER(ACK | FIN, 503, 104, NULL, 0);
	CLIENT(ACK, 104, 504, NULL, 0);
	v = finish();
	assert_log("new 0 40000 80\nC 0+3 ack 0 GET\nS 0+3 ack 3 200\n"
		   "C fin\nS fin\nfree NO_RESPONSE\n");
	assert_int_equal(seen_count, 1);
	assert_end(&seen[0].client, "10.0.0.1", 40000);
	assert_end(&seen[0].server, "10.0.0.2", 80);
	assert_int_equal(seen[0].state, CONNECTION_CLOSED);
	assert_int_equal(seen[0].packets[SIDE_CLIENT], 5);
	assert_int_equal(seen[0].packets[SIDE_SERVER], 3);
	assert_int_equal(seen[0].wire_bytes[SIDE_CLIENT], 5 * 40 + 3);
	assert_int_equal(seen[0].tcp.payload_bytes[SIDE_SERVER], 3);
	assert_int_equal(seen[0].tcp.completeness, 31);
	assert_int_equal(seen[0].first_ns, BEGIN);
	assert_int_equal(seen[0].last_ns, BEGIN + 7 * MS);
	assert_int_equal(seen[0].packet.offset, 2); /* next_id behind build */
	assert_int_equal(seen[0].undissected_bytes, 6);
	assert_false(seen[0].midstream);
	assert_int_equal(v->packets, 8);
	assert_int_equal(v->packet_bytes, 8 * 40 + 6);
	assert_int_equal(v->connections, 1);
	assert_int_equal(v->unknown_connections, 1);
	assert_int_equal(v->unknown_bytes, 6);
	assert_int_equal(v->missing_bytes, 0);
}

static void
a_syn_ack_tells_who_serves_when_the_syn_was_not_captured(void **state)
{
	(void)state;
	frame_start(&frame, "", 0);
	frame_tcp(&frame, &(struct frame_tcp){ .source = 50000,
					       .target = 60,
					       .flags = SYN | ACK });
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.9",
						 .target = "10.0.0.1",
						 .protocol = 6 });
	put();
	finish();
	assert_end(&seen[0].server, "10.0.0.9", 50000);
	assert_false(seen[0].direction_guessed);
}

static void
midstream_the_lower_port_serves(void **state)
{
	(void)state;
	SERVER(ACK, 500, 103, "200", 0);
	CLIENT(ACK, 103, 503, "GET", 0);
	finish();
	assert_log("new 0 40000 80 midstream\nS 0+3 ack 0 200\n"
		   "C 0+3 ack 3 GET\nfree CAPTURE_ENDED\n");
	assert_true(seen[0].midstream);
	assert_true(seen[0].direction_guessed);
	assert_int_equal(seen[0].state, CONNECTION_OPEN);
}

static void
a_direction_found_by_content_is_reported_the_right_way_round(void **state)
{
	(void)state;
	SERVER(ACK, 500, 103, "four", 0);
	CLIENT(ACK, 103, 504, "one", 0);
	fake_stream_set_reversed(true);
	finish();
	assert_end(&seen[0].client, "10.0.0.2", 80);
	assert_int_equal(seen[0].tcp.payload_bytes[SIDE_CLIENT], 4);
	assert_int_equal(seen[0].tcp.payload_bytes[SIDE_SERVER], 3);
}

static void
a_port_used_again_is_another_connection(void **state)
{
	(void)state;
	handshake();
	CLIENT(ACK, 100, 500, "one", 0);
	CLIENT(SYN, 70000, 0, NULL, 0); /* the end was not captured */
	SERVER(SYN | ACK, 90000, 70001, NULL, 0);
	CLIENT(ACK, 70001, 90001, "two", 0);
	finish();
	assert_int_equal(seen_count, 2);
	assert_log("new 0 40000 80\nC 0+3 ack 0 one\nfree NO_RESPONSE\n"
		   "new 1 40000 80\nC 0+3 ack 0 two\nfree CAPTURE_ENDED\n");
}

static void
a_syn_sent_again_is_the_same_connection(void **state)
{
	(void)state;
	CLIENT(SYN, 99, 0, NULL, 0);
	now += SECOND;
	CLIENT(SYN, 99, 0, NULL, 0);
	SERVER(SYN | ACK, 499, 100, NULL, 0);
	finish();
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].tcp.retransmissions[SIDE_CLIENT], 1);
}

static void
a_reset_connection_says_so(void **state)
{
	(void)state;
	handshake();
	CLIENT(ACK, 100, 500, "GET", 0);
	SERVER(RST | ACK, 500, 103, NULL, 0);
	finish();
	assert_int_equal(seen[0].state, CONNECTION_RESET);
	assert_int_equal(seen[0].tcp.resets[SIDE_SERVER], 1);
	assert_log("new 0 40000 80\nC 0+3 ack 0 GET\nS reset\nC reset\n"
		   "free NO_RESPONSE\n");
}

static void
what_goes_on_behind_a_forged_reset_is_kept(void **state)
{
	(void)state;
	handshake();
	CLIENT(RST | ACK, 100, 500, NULL, 0); /* not the client's */
	CLIENT(ACK, 100, 500, "GET", 0);
	SERVER(ACK, 500, 103, "200", 0);
	finish();
	assert_int_equal(seen_count, 2);
	assert_int_equal(seen[0].state, CONNECTION_RESET);
	assert_int_equal(seen[1].tcp.payload_bytes[SIDE_CLIENT], 3);
	assert_int_equal(seen[1].tcp.payload_bytes[SIDE_SERVER], 3);
}

static void
what_was_on_its_way_when_its_receiver_reset_is_not_another(void **state)
{
	(void)state;
	handshake();
	SERVER(ACK, 500, 100, "200", 0);
	CLIENT(RST | ACK, 100, 503, NULL, 0);
	SERVER(ACK, 503, 100, "more", 0);
	finish();
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].state, CONNECTION_RESET);
}

static void
a_syn_without_answer_is_half_open(void **state)
{
	(void)state;
	CLIENT(SYN, 99, 0, NULL, 0);
	finish();
	assert_int_equal(seen[0].state, CONNECTION_HALF_OPEN);
	assert_false(seen[0].one_direction);
	assert_log(""); /* no bytes, no stream */
}

static void
one_direction_is_told_and_its_calls_say_why(void **state)
{
	const struct coverage *v;

	(void)state;
	CLIENT(SYN, 99, 0, NULL, 0);
	CLIENT(ACK, 100, 500, NULL, 0);
	CLIENT(ACK, 100, 500, "one", 0);
	CLIENT(ACK, 103, 600, "two", 0);
	v = finish();
	assert_true(seen[0].one_direction);
	assert_log("new 0 40000 80\nC 0+3 ack 0 one\nS gap 0+100\n"
		   "C 3+3 ack 100 two\nfree ONE_DIRECTION\n");
	assert_int_equal(v->missing_bytes, 100);
	assert_int_equal(v->holes, 1);
}

static void
see_at(uint32_t interface, uint32_t seq, const char *data)
{
	struct packet_record r;

	build((struct given){ false, ACK, seq, 500, data, 0 });
	r = record();
	r.interface = interface;
	engine_packet(engine, &r);
	now += MS;
}

/* Loopback and devices without offload cut what the socket sent at once. */
static void
a_super_packet_seen_whole_and_in_parts_was_sent_once(void **state)
{
	const struct coverage *v;

	(void)state;
	CLIENT(SYN, 99, 0, NULL, 0);
	see_at(1, 100, "abcdef");
	see_at(2, 100, "abc");
	see_at(2, 103, "def");
	now += 60 * MS;
	see_at(1, 103, "def"); /* sent again */
	v = finish();
	assert_int_equal(seen[0].packets[SIDE_CLIENT], 3);
	assert_int_equal(seen[0].duplicate_packets, 2);
	assert_int_equal(seen[0].tcp.retransmissions[SIDE_CLIENT] +
				 seen[0].tcp.out_of_order[SIDE_CLIENT],
			 1);
	assert_int_equal(v->duplicate_packets, 2);
}

static void
a_doubled_capture_counts_everything_once(void **state)
{
	const struct coverage *v;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t seq[] = { 99, 100, 103 };

		build((struct given){ false, i ? ACK : SYN, seq[i], 0,
				      i ? "abc" : NULL, 0 });
		for (int twice = 0; twice < 2; twice++) {
			struct packet_record r = record();

			r.interface = (uint32_t)twice;
			engine_packet(engine, &r);
		}
		now += MS;
	}
	v = finish();
	assert_int_equal(seen[0].packets[SIDE_CLIENT], 3);
	assert_int_equal(seen[0].duplicate_packets, 3);
	assert_int_equal(seen[0].tcp.retransmissions[SIDE_CLIENT], 0);
	assert_int_equal(v->duplicate_packets, 3);
	assert_int_equal(v->packets, 6);
	assert_log("new 0 40000 80\nC 0+3 ack 0 abc\nC 3+3 ack 0 abc\n"
		   "free ONE_DIRECTION\n");
}

static void
datagrams_between_two_ports_are_one_conversation(void **state)
{
	(void)state;
	udp("10.0.0.1", 5000, "10.0.0.2", 53, "query");
	udp("10.0.0.2", 53, "10.0.0.1", 5000, "answer");
	now += 62 * SECOND; /* idle for longer than it may be */
	udp("10.0.0.1", 5000, "10.0.0.2", 53, "query");
	finish();
	assert_int_equal(seen_count, 2);
	assert_int_equal(seen[0].state, CONNECTION_CLOSED);
	assert_int_equal(seen[0].packets[SIDE_SERVER], 1);
	assert_int_equal(seen[1].state, CONNECTION_HALF_OPEN);
	assert_log("new 0 5000 53\nC 0+5 ack 0 query\nS 0+6 ack 0 answer\n"
		   "free NO_RESPONSE\n"
		   "new 1 5000 53\nC 0+5 ack 0 query\nfree CAPTURE_ENDED\n");
}

static void
an_answer_from_a_well_known_port_seen_first_is_the_server(void **state)
{
	(void)state;
	udp("10.0.0.2", 53, "10.0.0.1", 5000, "answer");
	finish();
	assert_end(&seen[0].server, "10.0.0.2", 53);
	assert_true(seen[0].direction_guessed);
}

static void
icmp_has_a_stream_and_sctp_is_counted(void **state)
{
	(void)state;
	frame_start(&frame, "ping", 4);
	frame_push_hex(&frame, "08 00 0000 1234 0001");
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 1 });
	put();
	frame_start(&frame, "ping", 4);
	frame_push_hex(&frame, "00 00 0000 1234 0001");
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.2",
						 .target = "10.0.0.1",
						 .protocol = 1 });
	put();
	frame_start(&frame, "data", 4);
	frame_push_hex(&frame, "0b59 0b5a 00000001 00000000");
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 132 });
	put();
	finish();
	assert_int_equal(seen_count, 2);
	assert_int_equal(seen[0].ip_protocol, 1);
	assert_int_equal(seen[0].packets[SIDE_CLIENT], 1);
	assert_int_equal(seen[0].packets[SIDE_SERVER], 1);
	assert_int_equal(seen[0].client.port, 0x1234);
	assert_int_equal(seen[1].ip_protocol, 132);
	assert_log("new 0 4660 4660\nC 0+12 ack 0 \x08\nS 0+12 ack 0 \n"
		   "free CAPTURE_ENDED\n");
}

static void
put_fragment(uint16_t fragment, const char *data)
{
	frame_start(&frame, data, strlen(data));
	if (fragment == 0x2000)
		frame_push_hex(&frame, "1388 0035 0018 0000"); /* 24 bytes */
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = "10.0.0.2",
						 .protocol = 17, .id = 77,
						 .fragment = fragment });
	put();
}

static void
fragments_are_put_together_first(void **state)
{
	const struct coverage *v;

	(void)state;
	put_fragment(2, "ijklmnop");
	put_fragment(0x2000, "abcdefgh");
	udp("10.0.0.1", 1, "10.0.0.2", 2, "x");
	put_fragment(0x2000, "lost    ");
	v = finish();
	assert_log("new 0 5000 53\nC 0+16 ack 0 abcdefghijklmnop\n"
		   "new 1 1 2\nC 0+1 ack 0 x\n"
		   "free CAPTURE_ENDED\nfree CAPTURE_ENDED\n");
	assert_int_equal(v->packets, 4);
	assert_int_equal(v->fragments, 3);
	/* The last is a repeat of one in a datagram that is complete. */
	assert_int_equal(v->duplicate_packets, 1);
	assert_int_equal(v->fragments_lost, 0);
}

static void
every_packet_belongs_to_exactly_one_shard(void **state)
{
	struct coverage sum = { 0 };
	uint64_t connections = 0;

	(void)state;
	options.shard_count = 3;
	for (uint32_t shard = 0; shard < 3; shard++) {
		const struct coverage *v;

		options.shard_index = shard;
		begin();
		seen_count = 0;
		for (uint16_t i = 0; i < 100; i++) {
			CLIENT(ACK, 100, 500, "GET", (uint16_t)(40000 + i));
			SERVER(ACK, 500, 103, "200", (uint16_t)(40000 + i));
		}
		put_fragment(0x2000, "abcdefgh");
		put_fragment(2, "ijklmnop");
		frame_start(&frame, "?", 1);
		put();
		v = finish();
		sum.packets += v->packets;
		sum.connections += v->connections;
		sum.fragments += v->fragments;
		sum.malformed_packets += v->malformed_packets;
		connections += seen_count;
		for (size_t i = 0; i < seen_count; i++) {
			assert_int_equal(seen[i].id % 3, shard);
			/* Both directions are in the same one. */
			if (seen[i].ip_protocol == 6)
				assert_int_equal(seen[i].packets[0] +
							 seen[i].packets[1],
						 2);
		}
		assert_true(seen_count > 10);
	}
	assert_int_equal(sum.packets, 203);
	assert_int_equal(sum.connections, 101);
	assert_int_equal(connections, 101);
	assert_int_equal(sum.fragments, 2);
	assert_int_equal(sum.malformed_packets, 1);
}

static void
the_oldest_connection_is_evicted_at_the_limit(void **state)
{
	const struct coverage *v;

	(void)state;
	options.connection_limit = 10;
	begin();
	for (uint16_t i = 0; i < 50; i++) {
		udp("10.0.0.1", (uint16_t)(1000 + i), "10.0.0.2", 53, "q");
		now += 2 * SECOND;
		udp("10.0.0.1", 1000, "10.0.0.2", 53, "again");
	}
	v = finish();
	assert_int_equal(v->connections, 50);
	assert_int_equal(v->connections_evicted, 40);
	/* The one that stayed active was never given up. */
	assert_int_equal(seen_count, 50);
	for (size_t i = 0; i < seen_count; i++)
		if (seen[i].client.port == 1000)
			assert_int_equal(seen[i].packets[0], 51);
}

static void
only_what_passes_the_filter_is_dissected(void **state)
{
	static const uint16_t ports[] = { 53 };
	const struct coverage *v;

	(void)state;
	options.filter.ports = ports;
	options.filter.port_count = 1;
	begin();
	CLIENT(ACK, 100, 500, "GET", 0);
	udp("10.0.0.1", 5000, "10.0.0.2", 53, "query");
	v = finish();
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].ip_protocol, 17);
	assert_int_equal(v->packets, 2);
}

static void
clocks_that_jump_do_no_harm(void **state)
{
	static const int64_t times[] = { BEGIN, BEGIN - 3600 * SECOND, 0, -1,
					 INT64_MIN, INT64_MAX, BEGIN,
					 BEGIN + SECOND };

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct packet_record r;

		build((struct given){ false, ACK, 100 + 3 * (uint32_t)i, 500,
				      "abc", 0 });
		r = record();
		r.time_ns = times[i];
		engine_packet(engine, &r);
	}
	finish();
	for (size_t i = 0; i < seen_count; i++)
		assert_true(seen[i].first_ns <= seen[i].last_ns);
}

static void
a_packet_cut_by_the_snap_length_leaves_a_gap(void **state)
{
	struct packet_record r;
	const struct coverage *v;

	(void)state;
	handshake();
	build((struct given){ false, ACK, 100, 500, "0123456789", 0 });
	r = record();
	r.captured -= 6;
	engine_packet(engine, &r);
	CLIENT(ACK, 110, 500, "next", 0);
	v = finish();
	assert_log("new 0 40000 80\nC 0+4 ack 0 0123\nC gap 4+6\n"
		   "C 10+4 ack 0 next\nfree CAPTURE_ENDED\n");
	assert_int_equal(v->cut_packets, 1);
	assert_int_equal(v->missing_bytes, 6);
}

static void
a_super_packet_is_passed_on_whole(void **state)
{
	size_t size = 300000;
	char *payload = alloc_zero(size, 1);

	(void)state;
	handshake();
	frame_start(&frame, payload, size);
	frame_tcp(&frame, &(struct frame_tcp){ .source = 80,
					       .target = 40000,
					       .seq = 500, .ack = 100,
					       .flags = ACK });
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.2",
						 .target = "10.0.0.1",
						 .protocol = 6 });
	put();
	finish();
	assert_log("new 0 40000 80\nS 0+300000 ack 0 \nfree CAPTURE_ENDED\n");
	free(payload);
}

static void
data_in_a_syn_is_data(void **state)
{
	(void)state;
	CLIENT(SYN, 99, 0, "early", 0); /* TCP Fast Open, RFC 7413 */
	SERVER(SYN | ACK, 499, 105, NULL, 0);
	CLIENT(ACK, 105, 500, "more", 0);
	finish();
	assert_log("new 0 40000 80\nC 0+5 ack 0 early\nC 5+4 ack 0 more\n"
		   "free CAPTURE_ENDED\n");
}

static void
stale_holes_of_a_silent_connection_are_given_up_in_time(void **state)
{
	(void)state;
	handshake();
	CLIENT(ACK, 110, 500, "late", 0);
	SERVER(ACK, 500, 114, NULL, 0);
	now += 2 * SECOND;
	udp("10.0.0.1", 5000, "10.0.0.2", 53, "q"); /* moves the clock */
	assert_log("new 0 40000 80\nC gap 0+10\nC 10+4 ack 0 late\n"
		   "new 1 5000 53\nC 0+1 ack 0 q\n");
}

static void
closed_connections_end_soon_and_idle_ones_later(void **state)
{
	(void)state;
	handshake();
	CLIENT(ACK | FIN, 100, 500, NULL, 0);
	SERVER(ACK | FIN, 500, 101, NULL, 0);
	CLIENT(ACK, 500, 700, "x", 41000); /* another, left open */
	SERVER(ACK, 700, 501, "y", 41000);
	now += 15 * SECOND;
	udp("10.0.0.1", 5000, "10.0.0.2", 53, "q");
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].state, CONNECTION_CLOSED);
	now += 3700 * SECOND;
	udp("10.0.0.1", 5001, "10.0.0.2", 53, "q");
	assert_int_equal(seen_count, 3);
}

static void
an_engine_that_is_not_finished_frees_everything(void **state)
{
	(void)state;
	handshake();
	CLIENT(ACK, 100, 500, "GET", 0);
	CLIENT(ACK, 110, 500, "queued", 0);
	put_fragment(0x2000, "abcdefgh");
	engine_free(engine);
	engine = NULL;
	assert_int_equal(seen_count, 0); /* its sink is no longer called */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_connection_is_followed_from_syn_to_fin),
		TEST(a_syn_ack_tells_who_serves_when_the_syn_was_not_captured),
		TEST(midstream_the_lower_port_serves),
		TEST(a_direction_found_by_content_is_reported_the_right_way_round),
		TEST(a_port_used_again_is_another_connection),
		TEST(a_syn_sent_again_is_the_same_connection),
		TEST(a_reset_connection_says_so),
		TEST(what_goes_on_behind_a_forged_reset_is_kept),
		TEST(what_was_on_its_way_when_its_receiver_reset_is_not_another),
		TEST(a_syn_without_answer_is_half_open),
		TEST(one_direction_is_told_and_its_calls_say_why),
		TEST(a_doubled_capture_counts_everything_once),
		TEST(a_super_packet_seen_whole_and_in_parts_was_sent_once),
		TEST(datagrams_between_two_ports_are_one_conversation),
		TEST(an_answer_from_a_well_known_port_seen_first_is_the_server),
		TEST(icmp_has_a_stream_and_sctp_is_counted),
		TEST(fragments_are_put_together_first),
		TEST(every_packet_belongs_to_exactly_one_shard),
		TEST(the_oldest_connection_is_evicted_at_the_limit),
		TEST(only_what_passes_the_filter_is_dissected),
		TEST(clocks_that_jump_do_no_harm),
		TEST(a_packet_cut_by_the_snap_length_leaves_a_gap),
		TEST(a_super_packet_is_passed_on_whole),
		TEST(data_in_a_syn_is_data),
		TEST(stale_holes_of_a_silent_connection_are_given_up_in_time),
		TEST(closed_connections_end_soon_and_idle_ones_later),
		TEST(an_engine_that_is_not_finished_frees_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
