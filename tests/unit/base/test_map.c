/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

static void
what_was_put_is_found_and_nothing_else(void **state)
{
	struct map *m = map_new(4, sizeof(uint64_t), 100000);

	(void)state;
	for (uint32_t key = 0; key < 50000; key++) {
		bool added;
		uint64_t *value = map_put(m, &key, &added);

		assert_true(added);
		assert_true(*value == 0);
		*value = key * 3ULL;
	}
	assert_int_equal(map_count(m), 50000);
	for (uint32_t key = 0; key < 100000; key++) {
		uint64_t *value = map_get(m, &key);

		if (key < 50000)
			assert_true(value && *value == key * 3ULL);
		else
			assert_null(value);
	}
	map_free(m);
}

static void
putting_twice_gives_the_same_value(void **state)
{
	struct map *m = map_new(1, 1, 10);
	bool added = false;
	uint8_t *value = map_put(m, "a", &added);

	(void)state;
	assert_true(added);
	*value = 7;
	value = map_put(m, "a", &added);
	assert_false(added);
	assert_int_equal(*value, 7);
	assert_int_equal(map_count(m), 1);
	assert_non_null(map_put(m, "b", NULL));
	map_free(m);
}

static void
a_full_map_refuses_new_keys_only(void **state)
{
	struct map *m = map_new(4, 4, 100);
	bool added = true;
	uint32_t key;

	(void)state;
	for (key = 0; key < 100; key++)
		assert_non_null(map_put(m, &key, NULL));
	assert_null(map_put(m, &key, &added));
	assert_false(added);
	key = 42;
	assert_non_null(map_put(m, &key, NULL));
	assert_true(map_remove(m, &key));
	key = 100;
	assert_non_null(map_put(m, &key, NULL));
	assert_int_equal(map_count(m), 100);
	map_free(m);
	m = map_new(4, 4, 0);
	assert_null(map_put(m, &key, NULL));
	map_free(m);
}

static void
a_removed_value_comes_back_as_zeroes(void **state)
{
	struct map *m = map_new(30, 24, 10);
	uint8_t key[30] = "0123456789";
	uint8_t zero[24] = { 0 };
	bool added;

	(void)state;
	memset(map_put(m, key, NULL), 0xff, 24);
	assert_true(map_remove(m, key));
	assert_false(map_remove(m, key));
	assert_memory_equal(map_put(m, key, &added), zero, 24);
	assert_true(added);
	map_free(m);
}

static void
every_entry_is_visited_once(void **state)
{
	struct map *m = map_new(sizeof(uint16_t), 1, 1000);
	uint8_t seen[1000] = { 0 };
	size_t cursor = 0, visits = 0;
	const void *key;
	void *value;

	(void)state;
	for (uint16_t i = 0; i < 1000; i++)
		*(uint8_t *)map_put(m, &i, NULL) = (uint8_t)i;
	while (map_next(m, &cursor, &key, &value)) {
		uint16_t i;

		memcpy(&i, key, sizeof(i));
		assert_int_equal(*(uint8_t *)value, (uint8_t)i);
		assert_int_equal(seen[i]++, 0);
		visits++;
	}
	assert_int_equal(visits, 1000);
	assert_false(map_next(m, &cursor, &key, &value));
	map_free(m);
}

#define MODEL_KEYS 997

/* Random puts and removals against an array that does the same. */
static void
it_behaves_like_an_array_under_random_use(void **state)
{
	struct map *m = map_new(sizeof(uint32_t), sizeof(uint32_t), 600);
	uint32_t model[MODEL_KEYS] = { 0 };
	size_t count = 0;
	uint64_t random = 88172645463325252; /* xorshift64 */

	(void)state;
	for (uint32_t round = 1; round < 200000; round++) {
		uint32_t key, *value;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		key = (uint32_t)(random % MODEL_KEYS);
		value = map_get(m, &key);
		assert_true(value ? *value == model[key] : model[key] == 0);
		if (random >> 63) {
			assert_int_equal(map_remove(m, &key), model[key] != 0);
			count -= model[key] != 0;
			model[key] = 0;
		} else if ((value = map_put(m, &key, NULL))) {
			count += model[key] == 0;
			*value = model[key] = round;
		} else {
			assert_int_equal(count, 600);
		}
		assert_int_equal(map_count(m), count);
	}
	map_free(m);
}

static void
values_may_be_empty_and_the_map_a_set(void **state)
{
	struct map *m = map_new(3, 0, 10);

	(void)state;
	assert_non_null(map_put(m, "abc", NULL));
	assert_non_null(map_get(m, "abc"));
	assert_null(map_get(m, "abd"));
	map_free(m);
	map_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found_and_nothing_else),
		cmocka_unit_test(putting_twice_gives_the_same_value),
		cmocka_unit_test(a_full_map_refuses_new_keys_only),
		cmocka_unit_test(a_removed_value_comes_back_as_zeroes),
		cmocka_unit_test(every_entry_is_visited_once),
		cmocka_unit_test(it_behaves_like_an_array_under_random_use),
		cmocka_unit_test(values_may_be_empty_and_the_map_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
