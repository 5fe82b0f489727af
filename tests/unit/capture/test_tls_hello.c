/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/tls_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "capture/link_types.h"
#include "tests/support/frames.h"

/* Record, handshake and version as RFC 8446 §5.1, §4 have them; the random is
 * filled in. */
static const uint8_t client_head[] = { 22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3 };
static const uint8_t server_head[] = { 22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3 };

struct scene {
	struct tls_hellos *hellos;
	struct frame frame;
	int64_t time_ns;
};

static int
setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->hellos = tls_hellos_new();
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct scene *s = *state;

	tls_hellos_free(s->hellos);
	free(s);
	return 0;
}

static void
say(struct scene *s, bool client, uint32_t sequence, const void *data,
    size_t size)
{
	struct frame_tcp tcp = {
		.source = client ? 50000 : 443,
		.target = client ? 443 : 50000,
		.seq = sequence,
		.flags = 0x18,
		.window = 1000,
	};
	struct frame_ipv4 ip = {
		.source = client ? "10.0.0.1" : "10.0.0.2",
		.target = client ? "10.0.0.2" : "10.0.0.1",
		.protocol = 6,
		.ttl = 64,
	};
	struct packet_record record;

	frame_start(&s->frame, data, size);
	frame_tcp(&s->frame, &tcp);
	frame_ipv4(&s->frame, &ip);
	frame_ethernet(&s->frame, 0x0800);
	record = frame_record(&s->frame, LINK_TYPE_ETHERNET, ++s->time_ns);
	tls_hellos_packet(s->hellos, &record);
}

static void
fill(uint8_t out[200], bool client, uint8_t value)
{
	memset(out, 0x55, 200);
	memcpy(out, client ? client_head : server_head, sizeof(client_head));
	memset(out + sizeof(client_head), value, TLS_RANDOM_SIZE);
}

static const struct tls_hello *
only(const struct scene *s)
{
	size_t count;
	const struct tls_hello *list = tls_hellos_list(s->hellos, &count);

	assert_int_equal(count, 1);
	return list;
}

static void
assert_random(const uint8_t *random, uint8_t value)
{
	for (int i = 0; i < TLS_RANDOM_SIZE; i++)
		assert_int_equal(random[i], value);
}

static void
finds_both_randoms(void **state)
{
	struct scene *s = *state;
	uint8_t data[200];
	const struct tls_hello *hello;

	fill(data, true, 7);
	say(s, true, 100, data, sizeof(data));
	fill(data, false, 9);
	say(s, false, 500, data, sizeof(data));
	hello = only(s);
	assert_int_equal(hello->client_port, 50000);
	assert_int_equal(hello->server_port, 443);
	assert_int_equal(hello->client[15], 1);
	assert_true(hello->has_server);
	assert_random(hello->client_random, 7);
	assert_random(hello->server_random, 9);
	assert_int_equal(hello->time_ns, 1);
	assert_true(hello->until_ns == INT64_MAX);
}

/* Cut into two at every place of the first 43 bytes, and into single bytes,
 * sent again in between. */
static void
hello_in_several_segments(void **state)
{
	struct scene *s = *state;
	uint8_t data[200];
	const struct tls_hello *list;
	size_t count;

	for (size_t cut = 1; cut <= 43; cut++) {
		fill(data, true, (uint8_t)cut);
		say(s, true, 1000, data, cut);
		say(s, true, 1000, data, cut);
		say(s, true, 1000, data + 0, cut > 3 ? cut - 3 : cut);
		say(s, true, 1000 + (uint32_t)cut, data + cut,
		    sizeof(data) - cut);
		list = tls_hellos_list(s->hellos, &count);
		assert_int_equal(count, cut);
		assert_random(list[count - 1].client_random, (uint8_t)cut);
	}
	fill(data, true, 200);
	for (uint32_t i = 0; i < sizeof(data); i++)
		say(s, true, 0xfffffff0 + i, data + i, 1);
	list = tls_hellos_list(s->hellos, &count);
	assert_int_equal(count, 44);
	assert_random(list[43].client_random, 200);
}

static void
same_hello_counts_once(void **state)
{
	struct scene *s = *state;
	uint8_t data[200];

	fill(data, true, 7);
	say(s, true, 100, data, sizeof(data));
	say(s, true, 100, data, sizeof(data));
	say(s, true, 900, data, sizeof(data)); /* after a HelloRetryRequest */
	assert_random(only(s)->client_random, 7);
}

static void
ports_used_again(void **state)
{
	struct scene *s = *state;
	uint8_t data[200];
	const struct tls_hello *list;
	size_t count;

	fill(data, true, 1);
	say(s, true, 100, data, sizeof(data));
	fill(data, true, 2);
	say(s, true, 90000, data, sizeof(data));
	list = tls_hellos_list(s->hellos, &count);
	assert_int_equal(count, 2);
	assert_int_equal(list[0].until_ns, list[1].time_ns);
}

static void
other_bytes_are_none(void **state)
{
	struct scene *s = *state;
	uint8_t data[200];
	size_t count;

	fill(data, true, 1);
	data[0] = 23;
	say(s, true, 100, data, sizeof(data));
	fill(data, true, 1);
	data[5] = 11; /* Certificate */
	say(s, true, 300, data, sizeof(data));
	fill(data, true, 1);
	data[9] = 4; /* no such version */
	say(s, true, 500, data, sizeof(data));
	fill(data, false, 1); /* nobody asked */
	say(s, false, 700, data, sizeof(data));
	fill(data, true, 1);
	say(s, true, 900, data, 20); /* a hole behind it */
	say(s, true, 930, data + 30, 170);
	tls_hellos_list(s->hellos, &count);
	assert_int_equal(count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_both_randoms, setup,
						teardown),
		cmocka_unit_test_setup_teardown(hello_in_several_segments,
						setup, teardown),
		cmocka_unit_test_setup_teardown(same_hello_counts_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ports_used_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(other_bytes_are_none, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
