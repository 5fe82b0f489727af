/* SPDX-License-Identifier: Apache-2.0 */
/* Which process was at an end, out of what the recorder left. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dissect/connection.h"
#include "dissect/who.h"
#include "tests/support/identities.h"

#define S 1000000000LL
#define T0 (1700000000 * S)

static struct who *who;
static struct buf body;

static int
set_up(void **state)
{
	(void)state;
	who = who_new(&(struct who_options){ .shard_count = 1,
					     .memory_limit = 4u << 20 });
	buf_init(&body, 1 << 16);
	for (uint64_t id = 1; id <= 9; id++) {
		const char *const names[] = { "curl", "nginx", "redis" };

		identities_process(&body, &(struct given_process){
						  .id = id,
						  .pid = 100 + (uint32_t)id,
						  .name = names[id % 3] });
		who_block(who, 0, buf_view(&body), T0);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	who_free(who);
	buf_free(&body);
	return 0;
}

static void
socket_in(uint32_t stream, struct given_socket s)
{
	identities_socket(&body, &s);
	who_block(who, stream, buf_view(&body), T0);
}

#define SOCKET(...) socket_in(0, (struct given_socket){ __VA_ARGS__ })

static struct endpoint
endpoint(const char *ip, uint16_t port)
{
	struct endpoint e = { .ip = { [10] = 0xff, 0xff }, .port = port };

	if (strchr(ip, ':'))
		inet_pton(AF_INET6, ip, e.ip);
	else
		inet_pton(AF_INET, ip, e.ip + 12);
	return e;
}

/* What is asked of a connection, in seconds after T0. */
struct asked {
	const char *local;
	uint16_t local_port;
	const char *remote;
	uint16_t remote_port;
	double from, to;
	uint64_t netns;
	uint8_t ip_protocol;
	uint32_t stream;
};

static struct connection_end
ask(struct asked a)
{
	bool found;
	struct connection_end end;
	struct who_query q = {
		.local = endpoint(a.local, a.local_port),
		.remote = endpoint(a.remote, a.remote_port),
		.ip_protocol = a.ip_protocol ? a.ip_protocol : 6,
		.realm = who_realm(a.stream, a.netns),
		.first_ns = T0 + (int64_t)(a.from * S),
		.last_ns = T0 + (int64_t)(a.to * S),
	};

	found = who_find(who, &q, &end);
	assert_int_equal(found, end.mechanism != END_UNKNOWN);
	return end;
}

#define ASK(...) ask((struct asked){ __VA_ARGS__ })
#define BETWEEN(a, a_port, b, b_port)                            \
	.local = (a), .local_port = (a_port), .remote = (b),     \
	.remote_port = (b_port)
#define CLIENT BETWEEN("10.0.0.1", 40000, "10.0.0.2", 80)
#define SERVER BETWEEN("10.0.0.2", 80, "10.0.0.1", 40000)
#define DURING(begin, end) .from = (begin), .to = (end)

#define CLIENT_SOCKET                                                     \
	.local = "10.0.0.1", .remote = "10.0.0.2", .local_port = 40000,   \
	.remote_port = 80
#define SERVER_SOCKET                                                     \
	.local = "10.0.0.2", .remote = "10.0.0.1", .local_port = 80,      \
	.remote_port = 40000

static void
both_ends_by_addresses_and_ports(void **state)
{
	struct connection_end end;

	(void)state;
	SOCKET(CLIENT_SOCKET, .process = 3, .thread = 55, .mechanism = 1,
	       .from_ns = T0);
	SOCKET(SERVER_SOCKET, .process = 4, .mechanism = 3, .from_ns = T0);
	end = ASK(CLIENT, DURING(0, 1));
	assert_int_equal(end.process, 3);
	assert_int_equal(end.thread, 55);
	assert_int_equal(end.mechanism, END_TRACEPOINT);
	end = ASK(SERVER, DURING(0, 1));
	assert_int_equal(end.process, 4);
	assert_int_equal(end.mechanism, END_PROC);
	assert_int_equal(ASK(BETWEEN("10.0.0.1", 40001, "10.0.0.2", 80)).mechanism, 0);
	assert_int_equal(ASK(CLIENT, DURING(0, 1), .ip_protocol = 17).mechanism, 0);
}

/* The same port again, by another process each time. */
static void
ports_that_are_used_again_are_told_by_time(void **state)
{
	(void)state;
	SOCKET(CLIENT_SOCKET, .process = 1, .cookie = 7, .from_ns = T0,
	       .to_ns = T0 + 10 * S);
	SOCKET(CLIENT_SOCKET, .process = 2, .cookie = 8,
	       .from_ns = T0 + 20 * S, .to_ns = T0 + 30 * S);
	SOCKET(CLIENT_SOCKET, .process = 3, .cookie = 9,
	       .from_ns = T0 + 30 * S);
	assert_int_equal(ASK(CLIENT, DURING(1, 9)).process, 1);
	assert_int_equal(ASK(CLIENT, DURING(20, 30)).process, 2);
	assert_int_equal(ASK(CLIENT, DURING(30.001, 31)).process, 3);
	assert_int_equal(ASK(CLIENT, DURING(500, 501)).process, 3);
	assert_int_equal(ASK(CLIENT, DURING(14, 15)).mechanism, 0);
}

/* Noticed a little late, closed before the last FIN. */
static void
times_need_not_fit_to_the_packet(void **state)
{
	(void)state;
	SOCKET(CLIENT_SOCKET, .process = 1, .from_ns = T0 + 2 * S,
	       .to_ns = T0 + 3 * S);
	assert_int_equal(ASK(CLIENT, DURING(1.0, 1.2)).process, 1);
	assert_int_equal(ASK(CLIENT, DURING(0.1, 0.9)).mechanism, 0);
	assert_int_equal(ASK(CLIENT, DURING(2.5, 9)).process, 1);
	assert_int_equal(ASK(CLIENT, DURING(3.05, 9)).process, 1);
	assert_int_equal(ASK(CLIENT, DURING(3.2, 9)).mechanism, 0);
}

static void
a_later_block_of_the_same_socket_knows_better(void **state)
{
	(void)state;
	for (uint64_t cookie = 0; cookie < 2; cookie++) {
		SOCKET(CLIENT_SOCKET, .process = 1, .cookie = cookie,
		       .from_ns = T0);
		assert_int_equal(ASK(CLIENT, DURING(50, 51)).process, 1);
		SOCKET(CLIENT_SOCKET, .process = 1, .cookie = cookie,
		       .from_ns = T0, .to_ns = T0 + 10 * S);
		assert_int_equal(ASK(CLIENT, DURING(50, 51)).mechanism, 0);
		assert_int_equal(ASK(CLIENT, DURING(5, 6)).process, 1);
	}
}

static void
processes_may_come_after_their_sockets(void **state)
{
	struct process_event process;
	struct connection_end end;

	(void)state;
	SOCKET(CLIENT_SOCKET, .process = 77, .from_ns = T0);
	assert_int_equal(ASK(CLIENT, DURING(0, 1)).mechanism, 0);
	identities_process(&body, &(struct given_process){
					  .id = 77, .pid = 4242, .name = "late",
					  .pod = "web-0" });
	who_block(who, 0, buf_view(&body), T0);
	end = ASK(CLIENT, DURING(0, 1));
	assert_int_equal(end.process, 77);
	assert_true(who_take_process(who, &end, &process));
	assert_int_equal(process.process.pid, 4242);
	assert_true(bytes_equal(process.process.pod, bytes_of("web-0")));
	assert_false(who_take_process(who, &end, &process));
}

static void
what_changed_of_a_process_is_given_again(void **state)
{
	struct process_event process;
	struct connection_end end;
	size_t cursor = 0;

	(void)state;
	SOCKET(CLIENT_SOCKET, .process = 3, .from_ns = T0);
	end = ASK(CLIENT, DURING(0, 1));
	assert_true(who_take_process(who, &end, &process));
	assert_false(who_next_changed(who, &cursor, &process));
	for (uint64_t id = 3; id <= 4; id++) {
		identities_process(&body, &(struct given_process){
						  .id = id, .pid = 103,
						  .name = "curl",
						  .to_ns = T0 + 9 * S });
		who_block(who, 0, buf_view(&body), T0);
	}
	cursor = 0;
	assert_true(who_next_changed(who, &cursor, &process));
	assert_int_equal(process.process.id, 3);
	assert_int_equal(process.process.to_ns, T0 + 9 * S);
	assert_false(who_next_changed(who, &cursor, &process));
}

static void
a_listener_stands_in_where_the_packets_were_delivered(void **state)
{
	struct connection_end end;

	(void)state;
	SOCKET(.listening = true, .process = 4, .local_port = 80,
	       .netns = 1001);
	SOCKET(.listening = true, .process = 5, .local_port = 80,
	       .netns = 1002);
	assert_int_equal(ASK(SERVER, DURING(0, 1)).mechanism, 0);
	end = ASK(SERVER, DURING(0, 1), .netns = 1001);
	assert_int_equal(end.process, 4);
	assert_int_equal(end.mechanism, END_LISTENER);
	assert_int_equal(ASK(SERVER, DURING(0, 1), .netns = 1002).process, 5);
	assert_int_equal(ASK(SERVER, DURING(0, 1), .netns = 1003).mechanism, 0);
	/* Its own socket is better. */
	SOCKET(SERVER_SOCKET, .process = 6, .from_ns = T0);
	assert_int_equal(ASK(SERVER, DURING(0, 1), .netns = 1001).process, 6);
}

static void
a_listener_bound_to_the_address_needs_no_namespace(void **state)
{
	(void)state;
	SOCKET(.listening = true, .process = 4, .local_port = 80,
	       .local = "10.0.0.2", .netns = 1001);
	SOCKET(.listening = true, .process = 5, .local_port = 80,
	       .local = "0.0.0.0", .netns = 1001);
	assert_int_equal(ASK(SERVER, DURING(0, 1)).process, 4);
	assert_int_equal(ASK(BETWEEN("10.0.0.3", 80, "10.0.0.1", 40000)).mechanism, 0);
	assert_int_equal(
		ASK(BETWEEN("10.0.0.3", 80, "10.0.0.1", 40000), .netns = 1001).process,
		5);
}

/* An address that another socket is known to have says where it is. */
static void
a_local_address_tells_the_namespace(void **state)
{
	(void)state;
	SOCKET(.listening = true, .process = 4, .local_port = 80,
	       .netns = 1001);
	SOCKET(.local = "10.0.0.2", .remote = "10.9.9.9", .local_port = 5,
	       .remote_port = 6, .process = 9, .netns = 1001, .from_ns = T0);
	assert_int_equal(ASK(SERVER, DURING(0, 1)).process, 4);
	SOCKET(.local = "10.0.0.2", .remote = "10.9.9.9", .local_port = 5,
	       .remote_port = 6, .process = 9, .netns = 1002, .from_ns = T0);
	assert_int_equal(ASK(SERVER, DURING(0, 1)).mechanism, 0);
}

static void
a_listener_that_was_restarted_is_told_by_time(void **state)
{
	(void)state;
	SOCKET(.listening = true, .process = 4, .local_port = 80,
	       .local = "10.0.0.2", .from_ns = T0 - 100 * S,
	       .to_ns = T0 + 10 * S);
	SOCKET(.listening = true, .process = 7, .local_port = 80,
	       .local = "10.0.0.2", .from_ns = T0 + 11 * S);
	assert_int_equal(ASK(SERVER, DURING(1, 2)).process, 4);
	assert_int_equal(ASK(SERVER, DURING(12, 13)).process, 7);
}

static void
datagram_sockets_are_found_by_their_port(void **state)
{
	(void)state;
	SOCKET(.ip_protocol = 17, .process = 8, .local_port = 53,
	       .local = "127.0.0.53", .netns = 1001);
	assert_int_equal(ASK(BETWEEN("127.0.0.53", 53, "127.0.0.1", 50000), DURING(0, 1),
			     .netns = 1001, .ip_protocol = 17).process, 8);
	assert_int_equal(ASK(BETWEEN("127.0.0.53", 53, "127.0.0.1", 50000), DURING(0, 1),
			     .netns = 1002, .ip_protocol = 17).mechanism, 0);
}

static void
loopback_addresses_are_of_their_namespace(void **state)
{
	(void)state;
	for (uint64_t netns = 1; netns <= 2; netns++)
		SOCKET(.local = "::1", .remote = "::1", .local_port = 5000,
		       .remote_port = 80, .process = netns, .netns = netns,
		       .from_ns = T0);
	assert_int_equal(ASK(BETWEEN("::1", 5000, "::1", 80), DURING(0, 1), .netns = 1).process,
			 1);
	assert_int_equal(ASK(BETWEEN("::1", 5000, "::1", 80), DURING(0, 1), .netns = 2).process,
			 2);
	assert_int_equal(ASK(BETWEEN("::1", 5000, "::1", 80), DURING(0, 1),
			     .netns = 3).mechanism,
			 0);
}

/* Two nodes, whose numbers of processes and namespaces are alike. */
static void
captures_are_kept_apart(void **state)
{
	struct process_event process;
	struct connection_end end;

	(void)state;
	identities_process(&body, &(struct given_process){ .id = 1, .pid = 9,
							   .name = "other" });
	who_block(who, 5, buf_view(&body), T0);
	for (uint32_t stream = 0; stream <= 5; stream += 5)
		socket_in(stream, (struct given_socket){
					  .local = "127.0.0.1",
					  .remote = "127.0.0.1",
					  .local_port = 5000, .remote_port = 80,
					  .process = 1, .netns = 1,
					  .from_ns = T0 });
	end = ASK(BETWEEN("127.0.0.1", 5000, "127.0.0.1", 80), DURING(0, 1), .netns = 1);
	assert_int_equal(end.stream, 0);
	end = ASK(BETWEEN("127.0.0.1", 5000, "127.0.0.1", 80), DURING(0, 1), .netns = 1,
		  .stream = 5);
	assert_int_equal(end.stream, 5);
	assert_true(who_take_process(who, &end, &process));
	assert_true(bytes_equal(process.process.name, bytes_of("other")));
}

static void
every_shard_keeps_what_its_connections_need(void **state)
{
	enum { SHARDS = 4 };
	struct who *shards[SHARDS];
	unsigned found = 0;

	(void)state;
	for (uint32_t i = 0; i < SHARDS; i++) {
		shards[i] = who_new(&(struct who_options){
			.shard_index = i, .shard_count = SHARDS,
			.memory_limit = 1u << 20 });
		identities_process(&body, &(struct given_process){
						  .id = 1, .name = "curl" });
		who_block(shards[i], 0, buf_view(&body), T0);
	}
	for (uint16_t port = 1000; port < 1100; port++) {
		struct endpoint a = endpoint("127.0.0.1", port);
		struct endpoint b = endpoint("127.0.0.1", 80);
		struct who_query q = { a, b, 6, who_realm(0, 9), T0, T0 };
		struct connection_end end;
		struct connection_key key;
		bool low;

		identities_socket(&body, &(struct given_socket){
						 .process = 1, .netns = 9,
						 .local = "127.0.0.1",
						 .remote = "127.0.0.1",
						 .local_port = port,
						 .remote_port = 80 });
		key = connection_key(&a, &b, 6, who_realm(0, 9), &low);
		for (uint32_t i = 0; i < SHARDS; i++) {
			who_block(shards[i], 0, buf_view(&body), T0);
			if (who_find(shards[i], &q, &end)) {
				assert_int_equal(connection_shard(&key, SHARDS),
						 i);
				found++;
			}
		}
	}
	assert_int_equal(found, 100);
	for (uint32_t i = 0; i < SHARDS; i++)
		who_free(shards[i]);
}

static void
memory_is_bounded_and_old_sockets_make_room(void **state)
{
	struct connection_end end;
	uint64_t left_out;

	(void)state;
	/* 4 MiB are room for some 13,000 sockets. */
	for (uint32_t i = 0; i < 100000; i++)
		SOCKET(.local = "10.0.0.1", .remote = "10.0.0.2",
		       .local_port = (uint16_t)(i % 60000 + 1),
		       .remote_port = (uint16_t)(i / 60000 + 1), .process = 1,
		       .cookie = i + 1, .from_ns = T0);
	left_out = who_left_out(who);
	assert_in_range(left_out, 80000, 95000);
	tear_down(state);
	set_up(state);
	for (uint32_t i = 0; i < 5000; i++) {
		SOCKET(CLIENT_SOCKET, .process = 1, .cookie = i + 1,
		       .from_ns = T0 + i * S, .to_ns = T0 + i * S + S / 2);
		end = ASK(CLIENT, DURING(i, i + 0.4));
		assert_int_equal(end.mechanism, END_SOCKET);
	}
	assert_int_equal(who_left_out(who), 0);
}

static void
damage_and_other_blocks_are_passed_over(void **state)
{
	(void)state;
	identities_socket(&body, &(struct given_socket){ CLIENT_SOCKET,
							 .process = 1 });
	for (size_t size = 0; size < body.size; size++)
		who_block(who, 0, bytes_first(buf_view(&body), size), T0);
	assert_int_equal(ASK(CLIENT, DURING(0, 1)).mechanism, 0);
	body.data[0]++; /* another enterprise */
	who_block(who, 0, buf_view(&body), T0);
	assert_int_equal(ASK(CLIENT, DURING(0, 1)).mechanism, 0);
	body.data[0]--;
	who_block(who, 0, buf_view(&body), T0);
	assert_int_equal(ASK(CLIENT, DURING(0, 1)).mechanism, END_SOCKET);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(both_ends_by_addresses_and_ports),
		TEST(ports_that_are_used_again_are_told_by_time),
		TEST(times_need_not_fit_to_the_packet),
		TEST(a_later_block_of_the_same_socket_knows_better),
		TEST(processes_may_come_after_their_sockets),
		TEST(what_changed_of_a_process_is_given_again),
		TEST(a_listener_stands_in_where_the_packets_were_delivered),
		TEST(a_listener_bound_to_the_address_needs_no_namespace),
		TEST(a_local_address_tells_the_namespace),
		TEST(a_listener_that_was_restarted_is_told_by_time),
		TEST(datagram_sockets_are_found_by_their_port),
		TEST(loopback_addresses_are_of_their_namespace),
		TEST(captures_are_kept_apart),
		TEST(every_shard_keeps_what_its_connections_need),
		TEST(memory_is_bounded_and_old_sockets_make_room),
		TEST(damage_and_other_blocks_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
