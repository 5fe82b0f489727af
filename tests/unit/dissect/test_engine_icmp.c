/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors through the engine: calls of the connections that they quote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>

#include "dissect/engine.h"
#include "tests/support/frames.h"

#define SEEN 16

static struct frame frame;
static struct engine *engine;
static struct connection_event connections[SEEN];
static struct call_event calls[SEEN];
static size_t connection_count, call_count;
static int64_t now = 1700000000000000000;
static uint16_t next_id = 1;

static void
on_connection(void *context, const struct connection_event *c)
{
	(void)context;
	assert_true(connection_count < SEEN);
	connections[connection_count++] = *c;
}

static void
on_call(void *context, struct call_event *call)
{
	(void)context;
	assert_true(call_count < SEEN);
	calls[call_count++] = *call;
}

static void
begin(uint32_t shard, uint32_t shards)
{
	struct engine_options options = engine_defaults();

	options.shard_count = shards;
	options.shard_index = shard;
	engine = engine_new(&options,
			    (struct event_sink){ .connection = on_connection,
						 .call = on_call });
}

static void
end(void)
{
	engine_finish(engine);
	engine_free(engine);
}

static int
set_up(void **state)
{
	(void)state;
	connection_count = call_count = 0;
	return 0;
}

static void
put(const char *source, const char *target, uint8_t protocol)
{
	struct packet_record record;

	frame_ipv4(&frame, &(struct frame_ipv4){ .source = source,
						 .target = target,
						 .protocol = protocol,
						 .id = next_id++ });
	record = frame_record(&frame, 101, now);
	engine_packet(engine, &record);
	now += 1000000;
}

static void
build_query(uint16_t port)
{
	frame_start(&frame, "query", 5);
	frame_udp(&frame, 5000, port);
}

static void
put_query(const char *target, uint16_t port)
{
	build_query(port);
	put("10.0.0.1", target, 17);
}

/* "Port unreachable", of a router, about such a datagram. */
static void
put_unreachable(const char *target, uint16_t port)
{
	build_query(port);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = target,
						 .protocol = 17 });
	frame_push_hex(&frame, "03 03 0000 00000000");
	put("10.0.0.9", "10.0.0.1", 1);
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
an_error_is_a_call_of_the_connection_that_it_quotes(void **state)
{
	(void)state;
	begin(0, 1);
	put_query("10.0.0.2", 5353);
	put_unreachable("10.0.0.2", 5353);
	end();
	assert_int_equal(connection_count, 1);
	assert_int_equal(connections[0].packets[SIDE_CLIENT], 1);
	assert_int_equal(connections[0].packets[SIDE_SERVER], 0);
	assert_int_equal(connections[0].calls, 1);
	assert_int_equal(call_count, 1);
	assert_int_equal(calls[0].connection, connections[0].id);
	assert_int_equal(calls[0].ip_protocol, 1);
	assert_end(&calls[0].client, "10.0.0.1", 0);
	assert_end(&calls[0].server, "10.0.0.9", 0);
	assert_int_equal(calls[0].status, 3);
	assert_true(calls[0].flags & CALL_IS_ERROR);
}

/* Whichever parser has the connection has what is reported on it. */
static void
parsers_agree_on_where_an_error_belongs(void **state)
{
	(void)state;
	for (uint32_t shard = 0; shard < 3; shard++) {
		begin(shard, 3);
		put_query("10.0.0.2", 5353);
		put_unreachable("10.0.0.2", 5353);
		put_unreachable("10.0.0.3", 5353); /* never seen */
		put_unreachable("10.0.0.3", 5353);
		put_unreachable("10.0.0.3", 5354);
		end();
	}
	assert_int_equal(call_count, 4);
	assert_int_equal(connection_count, 3);
	for (size_t i = 0; i < connection_count; i++) {
		const struct connection_event *c = &connections[i];
		bool icmp = c->ip_protocol == 1;

		assert_end(&c->client, "10.0.0.1", icmp ? 0 : 5000);
		assert_end(&c->server, icmp ? "10.0.0.9" : "10.0.0.2",
			   icmp ? 0 : 5353);
		assert_false(c->direction_guessed);
		assert_int_equal(c->packets[SIDE_CLIENT], !icmp);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			an_error_is_a_call_of_the_connection_that_it_quotes,
			set_up),
		cmocka_unit_test_setup(parsers_agree_on_where_an_error_belongs,
				       set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
