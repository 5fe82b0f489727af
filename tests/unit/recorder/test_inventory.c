/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/inventory.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/home.h"
#include "capture/json_file.h"
#include "scratch.h"

static char *
put(const char *directory, const char *name, size_t size)
{
	char *path = home_path(directory, name, NULL);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	uint8_t *zeroes = alloc_zero(size + 1, 1);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, zeroes, size), 0);
	close(fd);
	free(zeroes);
	return path;
}

/* A sealed segment of `size` bytes, by hand. */
static void
put_sealed(const char *directory, uint32_t number, uint32_t size)
{
	struct segment_index index = { .number = number,
				       .packets = number,
				       .bytes = 10,
				       .first_ns = SCRATCH_NS + number,
				       .last_ns = SCRATCH_NS + number,
				       .stored_bytes = size };
	char *name = alloc_format("segments/%06u" SEGMENT_SUFFIX, number);
	json_t *entry;
	char *path;

	memset(index.sha256, 'a', HASH_SHA256_HEX - 1);
	free(put(directory, name, size));
	free(name);
	path = alloc_format("%s/segments/%06u.json", directory, number);
	entry = segment_index_json(&index);
	assert_int_equal(json_file_write(path, entry, 0444, NULL), 0);
	json_decref(entry);
	free(path);
}

static bool
there(const char *directory, const char *name)
{
	char *path = home_path(directory, name, NULL);
	bool exists = file_exists(path);

	free(path);
	return exists;
}

static void
numbers_run_on(void **state)
{
	const char *directory = *state;
	struct inventory *i;

	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	assert_int_equal(inventory_next(i), 1);
	inventory_free(i);
	put_sealed(directory, 3, 100);
	free(put(directory, "raw/000005.raw", 10));
	free(put(directory, "raw/000004.raw", 10));
	free(put(directory, "raw/000008.damaged", 10));
	/* Data whose entry was removed before a crash. */
	free(put(directory, "segments/000002.pcapng.zst", 10));
	free(put(directory, "segments/notes.txt", 10));
	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	assert_int_equal(inventory_next(i), 9);
	assert_int_equal(inventory_count(i), 1);
	assert_int_equal(inventory_raw_count(i), 2);
	assert_int_equal(inventory_first_raw(i), 4);
	assert_true(inventory_waits(i, 4));
	assert_false(inventory_waits(i, 3));
	assert_false(there(directory, "segments/000002.pcapng.zst"));
	assert_true(there(directory, "segments/notes.txt"));
	put_sealed(directory, 4, 50);
	inventory_sealed(i, 4);
	assert_int_equal(inventory_totals(i).packets, 7);
	assert_false(inventory_waits(i, 4));
	inventory_free(i);
}

/* An index entry that cannot be read is told of, and its number is not given to
 * another segment. */
static void
entries_that_cannot_be_read(void **state)
{
	const char *directory = *state;
	struct inventory *i;
	int64_t written_ns = 0;

	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	inventory_free(i);
	put_sealed(directory, 1, 100);
	free(put(directory, "segments/000003.json", 40));
	free(put(directory, "segments/000003.pcapng.zst", 10));
	free(put(directory, "segments/000002.json", 0));
	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	assert_int_equal(inventory_count(i), 1);
	assert_int_equal(inventory_next(i), 4);
	assert_int_equal(inventory_unreadable(i, 0, &written_ns), 2);
	assert_int_equal(inventory_unreadable(i, 2, &written_ns), 3);
	assert_int_equal(inventory_unreadable(i, 3, &written_ns), 0);
	assert_true(written_ns > SCRATCH_NS);
	assert_true(there(directory, "segments/000003.pcapng.zst"));
	/* The same of one that was sealed just now; none at all is no harm. */
	inventory_add_raw(i, 5);
	free(put(directory, "segments/000005.json", 3));
	assert_int_equal(inventory_sealed(i, 5), ERR_CORRUPT);
	assert_int_equal(inventory_raw_count(i), 0);
	inventory_add_raw(i, 6);
	assert_int_equal(inventory_sealed(i, 6), 0);
	inventory_free(i);
}

/* As a power cut leaves it: the raw segment is there still, and nothing lost. */
static void
unreadable_entry_of_a_raw_segment(void **state)
{
	const char *directory = *state;
	struct inventory *i;
	int64_t written_ns = 0;

	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	inventory_free(i);
	free(put(directory, "segments/000003.json", 0));
	free(put(directory, "segments/000004.json", 0));
	free(put(directory, "raw/000004.raw", 10));
	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	assert_int_equal(inventory_next(i), 5);
	assert_int_equal(inventory_first_raw(i), 4);
	assert_int_equal(inventory_unreadable(i, 0, &written_ns), 3);
	assert_int_equal(inventory_unreadable(i, 3, &written_ns), 0);
	inventory_free(i);
}

static void
the_oldest_goes_first(void **state)
{
	const char *directory = *state;
	struct segment_index gone;
	struct inventory *i;
	uint64_t before;

	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	inventory_free(i);
	for (uint32_t n = 12; n > 8; n--)
		put_sealed(directory, n, 100000);
	/* A snapshot holds the first. */
	{
		char *from = home_path(directory, "segments",
				       "000009.pcapng.zst", NULL);
		char *to = home_path(directory, "held", NULL);

		assert_int_equal(link(from, to), 0);
		free(from);
		free(to);
	}
	assert_int_equal(inventory_load(directory, &i, NULL), 0);
	before = inventory_disk(i);
	assert_true(inventory_evict(i, &gone));
	assert_int_equal(gone.number, 9);
	assert_true(inventory_disk(i) + 100000 <= before);
	assert_false(there(directory, "segments/000009.json"));
	assert_false(there(directory, "segments/000009.pcapng.zst"));
	assert_true(there(directory, "held"));
	assert_true(inventory_evict(i, &gone));
	assert_int_equal(gone.number, 10);
	assert_int_equal(inventory_totals(i).packets, 23);
	assert_true(inventory_evict(i, &gone));
	assert_true(inventory_evict(i, &gone));
	assert_false(inventory_evict(i, &gone));
	assert_int_equal(inventory_oldest_raw(i, 0), 0);
	inventory_free(i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_run_on, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(entries_that_cannot_be_read,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(
			unreadable_entry_of_a_raw_segment, scratch_setup,
			scratch_teardown),
		cmocka_unit_test_setup_teardown(the_oldest_goes_first,
						scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
