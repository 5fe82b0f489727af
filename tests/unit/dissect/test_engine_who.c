/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces in network namespaces, and the processes behind connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dissect/engine.h"
#include "tests/support/frames.h"
#include "tests/support/identities.h"

#define BEGIN 1700000000000000000LL
#define MS 1000000LL
#define RAW 101
#define CONNECTIONS 16

static struct frame frame;
static struct buf body;
static struct engine *engine;
static struct connection_event seen[CONNECTIONS];
static size_t seen_count, processes;
static uint32_t pids[CONNECTIONS];
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
on_process(void *context, const struct process_event *p)
{
	(void)context;
	assert_true(processes < CONNECTIONS);
	pids[processes++] = p->process.pid;
}

static int
set_up(void **state)
{
	struct engine_options options = engine_defaults();

	(void)state;
	seen_count = processes = 0;
	now = BEGIN;
	next_id = 1;
	buf_init(&body, 1 << 16);
	engine = engine_new(&options, (struct event_sink){
					      .connection = on_connection,
					      .process = on_process });
	for (uint32_t number = 0; number < 3; number++)
		engine_interface(engine, number, 0, 4026531000 + number);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	engine_free(engine);
	buf_free(&body);
	return 0;
}

/* A datagram of 7 bytes seen on an interface. */
struct given {
	uint32_t interface;
	uint8_t direction;
	const char *source, *target;
	uint16_t source_port, target_port;
};

static void
see(struct given g)
{
	struct packet_record r;

	frame_start(&frame, "payload", 7);
	frame_udp(&frame, g.source_port, g.target_port);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = g.source,
						 .target = g.target,
						 .protocol = 17, .ttl = 64,
						 .id = next_id });
	r = frame_record(&frame, RAW, now);
	r.interface = g.interface;
	r.direction = g.direction;
	engine_packet(engine, &r);
	now += MS;
}

/* Sent, and delivered in the same or another namespace. */
static void
pass(struct given g, uint32_t to)
{
	g.direction = PACKET_OUTBOUND;
	see(g);
	g.direction = PACKET_INBOUND;
	g.interface = to;
	see(g);
	next_id++;
}

static void
process(uint64_t id, uint32_t pid)
{
	identities_process(&body, &(struct given_process){
					  .id = id, .pid = pid,
					  .name = "program" });
	engine_custom_block(engine, 0, buf_view(&body));
}

static void
socket_in(struct given_socket s)
{
	s.ip_protocol = 17;
	identities_socket(&body, &s);
	engine_custom_block(engine, 0, buf_view(&body));
}

static void
a_packet_out_and_in_again_is_counted_once(void **state)
{
	struct given g = { .interface = 0, .source = "127.0.0.1",
			   .target = "127.0.0.1", .source_port = 5000,
			   .target_port = 53 };

	(void)state;
	pass(g, 0);
	pass(g, 0);
	engine_finish(engine);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].packets[SIDE_CLIENT], 2);
	assert_int_equal(seen[0].duplicate_packets, 2);
	assert_int_equal(engine_coverage(engine)->connections_anonymous, 1);
}

static void
the_same_loopback_addresses_in_two_namespaces_are_two(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		process(i + 1, 100 + i);
		pass((struct given){ .interface = i, .source = "127.0.0.1",
				     .target = "127.0.0.1",
				     .source_port = 5000, .target_port = 53 },
		     i);
		socket_in((struct given_socket){
			.process = i + 1, .local = "127.0.0.1",
			.remote = "127.0.0.1", .local_port = 5000,
			.remote_port = 53, .netns = 4026531000 + i,
			.from_ns = BEGIN });
	}
	engine_finish(engine);
	assert_int_equal(seen_count, 3);
	assert_int_equal(processes, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(seen[i].ends[SIDE_CLIENT].process, i + 1);
		assert_int_equal(seen[i].ends[SIDE_SERVER].mechanism, 0);
		assert_int_equal(pids[i], 100 + i);
	}
	assert_int_equal(engine_coverage(engine)->ends_known, 3);
	assert_int_equal(engine_coverage(engine)->connections_anonymous, 0);
}

/* From one namespace to another it is one connection, seen at both. */
static void
other_addresses_are_the_same_everywhere(void **state)
{
	(void)state;
	process(1, 101);
	process(2, 102);
	for (uint32_t i = 1; i <= 2; i++)
		socket_in((struct given_socket){ .process = i, .local_port = 53,
						 .netns = 4026531000 + i });
	pass((struct given){ .interface = 0, .source = "10.0.0.1",
			     .target = "10.0.0.2", .source_port = 5000,
			     .target_port = 53 }, 2);
	engine_finish(engine);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].packets[SIDE_CLIENT], 1);
	assert_int_equal(seen[0].ends[SIDE_CLIENT].mechanism, 0);
	/* Who listens where it was delivered, though that was the duplicate. */
	assert_int_equal(seen[0].ends[SIDE_SERVER].process, 2);
	assert_int_equal(seen[0].ends[SIDE_SERVER].mechanism, END_LISTENER);
	assert_int_equal(processes, 1);
}

/* The client is found when its connection ends, whenever its block came; what
 * is said of it after that is given at the end. */
static void
blocks_may_come_after_the_packets(void **state)
{
	(void)state;
	pass((struct given){ .interface = 0, .source = "10.0.0.1",
			     .target = "10.0.0.2", .source_port = 5000,
			     .target_port = 53 }, 2);
	process(1, 101);
	socket_in((struct given_socket){ .process = 1, .local = "10.0.0.1",
					 .remote = "10.0.0.2",
					 .local_port = 5000, .remote_port = 53,
					 .from_ns = BEGIN });
	now += 100000 * MS; /* idle for long enough to end */
	pass((struct given){ .interface = 0, .source = "10.0.0.1",
			     .target = "10.0.0.2", .source_port = 5001,
			     .target_port = 53 }, 2);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].ends[SIDE_CLIENT].process, 1);
	process(1, 999);
	engine_finish(engine);
	assert_int_equal(processes, 2);
	assert_int_equal(pids[1], 999);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_packet_out_and_in_again_is_counted_once),
		TEST(the_same_loopback_addresses_in_two_namespaces_are_two),
		TEST(other_addresses_are_the_same_everywhere),
		TEST(blocks_may_come_after_the_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
