/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/losses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

static struct loss
loss_of(enum loss_cause cause, const char *interface, uint64_t packets,
	int64_t from_s, int64_t to_s)
{
	struct loss loss = { .cause = cause,
			     .packets = packets,
			     .from_ns = from_s * S,
			     .to_ns = to_s * S };

	snprintf(loss.interface, sizeof(loss.interface), "%s", interface);
	return loss;
}

static void
add(struct losses *l, struct loss loss)
{
	losses_add(l, &loss);
}

/* Of the same cause and interface and less than 2 s apart: one. */
static void
neighbours_are_joined(void **state)
{
	struct losses l = { 0 };

	(void)state;
	add(&l, loss_of(LOSS_RING_FULL, "", 5, 10, 11));
	add(&l, loss_of(LOSS_RING_FULL, "", 7, 12, 13));
	assert_int_equal(l.count, 1);
	assert_int_equal(l.items[0].packets, 12);
	assert_int_equal(l.items[0].from_ns, 10 * S);
	assert_int_equal(l.items[0].to_ns, 13 * S);
	add(&l, loss_of(LOSS_RING_FULL, "", 1, 8, 9)); /* before it */
	assert_int_equal(l.count, 1);
	assert_int_equal(l.items[0].from_ns, 8 * S);
	add(&l, loss_of(LOSS_RING_FULL, "", 1, 16, 17));
	add(&l, loss_of(LOSS_RING_FULL, "eth0", 1, 16, 17));
	add(&l, loss_of(LOSS_KERNEL, "", 1, 16, 17));
	assert_int_equal(l.count, 4);
	assert_int_equal(losses_packets(&l), 16);
}

/* What nobody counted stays so, until somebody counts. */
static void
unknown_numbers_are_kept(void **state)
{
	struct losses l = { 0 };

	(void)state;
	add(&l, loss_of(LOSS_DAMAGED, "", LOSS_PACKETS_UNKNOWN, 1, 2));
	add(&l, loss_of(LOSS_DAMAGED, "", LOSS_PACKETS_UNKNOWN, 2, 3));
	assert_int_equal(l.count, 1);
	assert_true(l.items[0].packets == LOSS_PACKETS_UNKNOWN);
	assert_int_equal(losses_packets(&l), 0);
	add(&l, loss_of(LOSS_DAMAGED, "", 4, 3, 4));
	assert_int_equal(losses_packets(&l), 4);
	assert_int_equal(l.items[0].to_ns, 4 * S);
}

/* However many there are: nothing is forgotten, and none of another cause. */
static void
the_number_is_bounded(void **state)
{
	static struct losses l, sum;
	uint64_t told = 0;

	(void)state;
	add(&l, loss_of(LOSS_QUOTA, "", 3, 0, 1));
	for (int i = 1; i <= 3 * LOSSES_MAX; i++)
		add(&l, loss_of(LOSS_RING_FULL, "", 2, 10 * i, 10 * i + 1));
	assert_int_equal(l.count, LOSSES_MAX);
	assert_int_equal(losses_packets(&l), 3 + 6 * LOSSES_MAX);
	for (size_t i = 0; i < l.count; i++)
		if (l.items[i].cause == LOSS_QUOTA)
			told += l.items[i].packets;
	assert_int_equal(told, 3);
	assert_int_equal(l.items[l.count - 1].to_ns,
			 (30 * LOSSES_MAX + 1) * S);
	losses_join(&sum, &l);
	losses_join(&sum, &l);
	assert_int_equal(losses_packets(&sum), 2 * losses_packets(&l));
}

static void
a_window_keeps_what_reaches_in(void **state)
{
	struct losses l = { 0 };

	(void)state;
	add(&l, loss_of(LOSS_RING_FULL, "", 1, 10, 20));
	add(&l, loss_of(LOSS_KERNEL, "", 1, 30, 40));
	add(&l, loss_of(LOSS_QUOTA, "", 1, 50, 60));
	losses_window(&l, 20 * S, 50 * S);
	assert_int_equal(l.count, 2); /* the first ends where it begins */
	assert_int_equal(l.items[1].cause, LOSS_KERNEL);
	losses_window(&l, 41 * S, 42 * S);
	assert_int_equal(l.count, 0);
}

/* Member by member: what lies between them is nobody's. */
static void
assert_same_loss(const struct loss *a, const struct loss *b)
{
	assert_int_equal(a->cause, b->cause);
	assert_string_equal(a->interface, b->interface);
	assert_int_equal(a->packets, b->packets);
	assert_int_equal(a->from_ns, b->from_ns);
	assert_int_equal(a->to_ns, b->to_ns);
}

static void
json_and_back(void **state)
{
	static struct losses l, back;
	json_t *array;

	(void)state;
	for (int i = 0; i < LOSS_CAUSE_COUNT; i++)
		add(&l, loss_of((enum loss_cause)i, i % 2 ? "eth0" : "",
				i % 3 ? (uint64_t)i : LOSS_PACKETS_UNKNOWN,
				100, 101));
	array = losses_json(&l);
	assert_int_equal(json_array_size(array), LOSS_CAUSE_COUNT);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(array, 1), "from")),
			    "1970-01-01T00:01:40Z");
	losses_parse(array, &back);
	assert_int_equal(back.count, l.count);
	for (size_t i = 0; i < l.count; i++)
		assert_same_loss(&back.items[i], &l.items[i]);
	json_decref(array);
}

/* Files of a capture are read, whoever wrote them. */
static void
nonsense_is_passed_over(void **state)
{
	static const char text[] =
		"[1,null,{},{\"cause\":\"none\"},{\"cause\":7},"
		"{\"cause\":\"quota\",\"from_ns\":5,\"to_ns\":4},"
		"{\"cause\":\"quota\",\"packets\":-1,\"interface\":"
		"\"0123456789012345678901234567890123456789\","
		"\"from_ns\":-9223372036854775807,"
		"\"to_ns\":9223372036854775807},"
		"{\"cause\":\"quota\",\"packets\":1,"
		"\"from_ns\":9223372036854775807,"
		"\"to_ns\":9223372036854775807}]";
	json_t *array = json_loads(text, 0, NULL);
	struct losses l = { 0 };

	(void)state;
	assert_non_null(array);
	losses_parse(array, &l);
	losses_parse(NULL, &l);
	assert_int_equal(l.count, 2);
	assert_true(l.items[0].packets == LOSS_PACKETS_UNKNOWN);
	assert_int_equal(strlen(l.items[0].interface),
			 LOSS_INTERFACE_SIZE - 1);
	losses_parse(array, &l); /* joined with themselves */
	assert_int_equal(l.count, 2);
	json_decref(array);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_joined),
		cmocka_unit_test(unknown_numbers_are_kept),
		cmocka_unit_test(the_number_is_bounded),
		cmocka_unit_test(a_window_keeps_what_reaches_in),
		cmocka_unit_test(json_and_back),
		cmocka_unit_test(nonsense_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
