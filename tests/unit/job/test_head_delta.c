/* SPDX-License-Identifier: Apache-2.0 */
/* Heads as differences: what was put comes back, whatever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dissect/head_delta.h"

#define HEADS 2000

static uint32_t
next(uint32_t *seed)
{
	return (*seed = *seed * 1664525 + 1013904223) >> 16;
}

/* A head of one of a few sizes: mostly as those before, with some bytes
 * changed; a few are all their own. */
static void
put_head(struct buf *head, uint32_t *seed)
{
	static const size_t sizes[] = { 1, 63, 64, 65, 200, 201, 207, 4096, 4097 };
	size_t size = sizes[next(seed) % (sizeof(sizes) / sizeof(*sizes))];
	bool own = next(seed) % 20 == 0;

	buf_reset(head);
	for (size_t i = 0; i < size; i++)
		buf_u8(head, (uint8_t)(own ? next(seed) & 0x7f : i & 0x7f));
	for (unsigned i = next(seed) % 20; i; i--)
		head->data[next(seed) % size] = (uint8_t)(next(seed) & 0x7f);
}

static void
heads_come_back(void **state)
{
	struct head_delta_table table = { 0 };
	struct { size_t offset, size; } *stored = calloc(HEADS, sizeof(*stored));
	uint32_t seed = 7, again = 7;
	struct buf block, head, scratch;
	size_t raw = 0;

	(void)state;
	assert_non_null(stored);
	buf_init(&block, 64 << 20);
	buf_init(&head, 1 << 16);
	buf_init(&scratch, 1 << 16);
	for (int i = 0; i < HEADS; i++) {
		put_head(&head, &seed);
		raw += head.size;
		stored[i].offset = block.size;
		head_delta_append(&table, &block, buf_view(&head));
		stored[i].size = block.size - stored[i].offset;
		assert_true(stored[i].size <= head.size);
	}
	assert_true(block.size < raw / 4 * 3); /* 4097 is too large */
	for (int i = 0; i < HEADS; i++) {
		struct bytes is = head_delta_read(
			buf_view(&block),
			bytes_make(block.data + stored[i].offset,
				   stored[i].size),
			&scratch);

		put_head(&head, &again);
		assert_int_equal(is.size, head.size);
		assert_memory_equal(is.data, head.data, head.size);
	}
	free(stored);
	buf_free(&block);
	buf_free(&head);
	buf_free(&scratch);
}

/* "0123…" at 0, and behind it what stands for it with four places changed. */
static void
the_form_is_what_is_documented(void **state)
{
	static const char delta[] =
		"\x80\x00"                     /* the mark */
		"\x00\x44"                     /* from 0, 68 bytes */
		"\x08\x03\xf0"                 /* 8 alike, a digit */
		"\x07\x06" "X.Z"               /* 7 alike, 3 letters */
		"\x0d\x17\x01\x23\x9a\xbc\xde\xf0" /* 13 alike, 11 digits */
		"\x15\x08" "WXYZ";             /* 21 alike, the last 4 */
	char first[] = "0123456789abcdefghijklmnopqrstuvwxyz"
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
	struct head_delta_table table = { 0 };
	struct buf block;

	(void)state;
	buf_init(&block, 1 << 16);
	head_delta_append(&table, &block, bytes_make(first, 68));
	memcpy(first + 8, "f", 1);
	memcpy(first + 16, "X.Z", 3);
	memcpy(first + 32, "01239abcdef", 11);
	memcpy(first + 64, "WXYZ", 4);
	head_delta_append(&table, &block, bytes_make(first, 68));
	assert_int_equal(block.size, 68 + sizeof(delta) - 1);
	assert_memory_equal(block.data + 68, delta, sizeof(delta) - 1);
	buf_free(&block);
}

/* Digits of any number, and what nearly is one, at any place. */
static void
digits_come_back(void **state)
{
	static const char digits[] = "0123456789abcdef";
	static const char others[] = "/:`gAF@G \t\x7f";
	uint32_t seed = 1;
	struct buf block, scratch;

	(void)state;
	buf_init(&block, 1 << 16);
	buf_init(&scratch, 1 << 16);
	for (int i = 0; i < 20000; i++) {
		struct head_delta_table table = { 0 };
		char head[100];
		size_t size = 64 + next(&seed) % 37;
		size_t at = next(&seed) % size;
		size_t end = at + next(&seed) % 40, start;
		struct bytes is;

		memset(head, '.', sizeof(head));
		buf_reset(&block);
		head_delta_append(&table, &block, bytes_make(head, size));
		end = end < size ? end : size;
		for (size_t j = at; j < end; j++)
			head[j] = digits[next(&seed) % 16];
		if (at < end && next(&seed) % 4 == 0)
			head[at + next(&seed) % (end - at)] =
				others[next(&seed) % (sizeof(others) - 1)];
		start = block.size;
		head_delta_append(&table, &block, bytes_make(head, size));
		assert_true(block.size - start <= size);
		is = head_delta_read(buf_view(&block),
				     bytes_from(buf_view(&block), start),
				     &scratch);
		assert_int_equal(is.size, size);
		assert_memory_equal(is.data, head, size);
	}
	buf_free(&block);
	buf_free(&scratch);
}

/* Two programs that say the same in another order are both recognised. */
static void
two_orders_are_kept_apart(void **state)
{
	static const char *const orders[2] = {
		"\x06" "Accept\x10" "application/json\x04Host\x10"
		"api.example.test\x05Trace\x10" "0011223344556677",
		"\x06" "Accept\x10" "application/json\x05Trace\x10"
		"0011223344556677\x04Host\x10" "api.example.test",
	};
	struct head_delta_table table = { 0 };
	struct buf block;
	size_t before = 0;

	(void)state;
	buf_init(&block, 1 << 16);
	for (int i = 0; i < 100; i++) {
		if (i == 2)
			before = block.size;
		head_delta_append(&table, &block, bytes_of(orders[i % 2]));
	}
	/* Nothing of them differs: a mark and two varints. */
	assert_int_equal(block.size - before, 98 * (2 + 1 + 1));
	buf_free(&block);
}

static void
damaged_ones_are_empty(void **state)
{
	static const struct bytes cases[] = {
#define CASE(text) { (const uint8_t *)(text), sizeof(text) - 1 }
		CASE("\x80\x00"),
		CASE("\x80\x00\x00"),
		CASE("\x80\x00\x00\x40\x00"),        /* no size */
		CASE("\x80\x00\x00\x40\x00\x10" "1234567"), /* of 8 */
		CASE("\x80\x00\x00\x40\x00\x11" "123"), /* of 8 digits */
		CASE("\x80\x00\x00\x40\x3f\x04" "12"), /* beyond its end */
		CASE("\x80\x00\x00\x40\x41\x00"),    /* begins there */
		CASE("\x80\x00\x00\x40\x01\x11\x00\x00\x00\x00\x38\x02" "1"),
		CASE("\x80\x00\x41\x40"),            /* beyond the block */
		CASE("\x80\x00\x00\x81\x20"),        /* larger than any */
		CASE("\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x40"),
		CASE("\x80\x00\x00\x40\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
#undef CASE
	};
	uint8_t block[128] = { 0 };
	struct buf scratch;

	(void)state;
	buf_init(&scratch, 1 << 16);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(head_delta_read(bytes_make(block, sizeof(block)),
						 cases[i], &scratch)
					 .size,
				 0);
	buf_free(&scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_come_back),
		cmocka_unit_test(the_form_is_what_is_documented),
		cmocka_unit_test(digits_come_back),
		cmocka_unit_test(two_orders_are_kept_apart),
		cmocka_unit_test(damaged_ones_are_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
