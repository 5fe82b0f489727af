/* SPDX-License-Identifier: Apache-2.0 */
/* The raw segment: what was appended is what is read, whatever happened to the
 * file; and never a torn record. */
#include "capture/recorder/raw_file.h"

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
#include "base/buf.h"
#include "base/file.h"
#include "capture/home.h"
#include "capture/recorder/raw_writer.h"
#include "capture/source/raw_reader.h"
#include "fake_records.h"
#include "scratch.h"

#define RECORDS 60

static const struct clock_map clock_one = {
	1, { { 1000, 1700000000000000000 } }
};

/* A stream of records of many sizes; `ends[i]` is where record i ends. */
static void
make_stream(struct fake_stream_bytes *s, uint64_t position, size_t *ends)
{
	static const uint32_t sizes[] = { 0,   1,    40,   66,  1500, 4031,
					  4032, 4033, 9000, 7,   60,   8192 };

	fake_records_init(s, position, 512 << 10);
	for (uint32_t i = 0; i < RECORDS; i++) {
		fake_records_add(s, i, sizes[i % 12], 2000 + i * 1000);
		ends[i] = s->size;
	}
}

static struct raw_writer *
open_writer(const char *path, uint64_t position)
{
	const struct raw_stream stream = { RAW_FORMAT_RECORDS,
					   RAW_CLOCK_MONOTONIC, position };
	struct raw_writer *w = NULL;

	assert_int_equal(
		raw_writer_open(path, &stream, &clock_one, &w, NULL), 0);
	return w;
}

/* The file's records are the first of the stream, and end with a whole one. */
static size_t
check_prefix(const char *path, const struct fake_stream_bytes *s,
	     const size_t *ends, struct raw_file *f)
{
	size_t size;
	bool whole = false;

	assert_int_equal(raw_file_open(path, f, NULL), 0);
	size = f->records.size;
	assert_true(size <= s->size);
	if (size)
		assert_memory_equal(f->records.data, s->data, size);
	for (int i = 0; i < RECORDS; i++)
		/* The padding behind the last record need not be there. */
		whole = whole || (size <= ends[i] && size + 8 > ends[i]);
	assert_true(whole || size == 0);
	return size;
}

/* Appends records one by one or several at once, flushes now and then. */
static void
write_all(struct raw_writer *w, const struct fake_stream_bytes *s,
	  const size_t *ends, unsigned seed, size_t *committed)
{
	size_t done = 0;

	srand(seed);
	for (int i = 0; i < RECORDS; i++) {
		if (rand() % 3 == 0 && i + 1 < RECORDS)
			continue;
		assert_int_equal(raw_writer_append(w, s->data + done,
						   ends[i] - done, NULL), 0);
		done = ends[i];
		if (rand() % 4 == 0) {
			assert_int_equal(
				raw_writer_flush(w, &clock_one, NULL), 0);
			raw_writer_wait(w);
			*committed = done;
		}
	}
}

static void
writes_and_reads(void **state)
{
	for (unsigned seed = 1; seed < 30; seed++) {
		char *path = home_path(*state, "a.raw", NULL);
		struct fake_stream_bytes s;
		size_t ends[RECORDS], committed = 0;
		struct raw_file f;
		struct raw_writer *w;

		make_stream(&s, seed * 8 * 1003, ends);
		w = open_writer(path, s.position);
		write_all(w, &s, ends, seed, &committed);
		assert_int_equal(raw_writer_committed(w), committed);
		/* Open still: all that was committed, and whole records. */
		assert_true(check_prefix(path, &s, ends, &f) >= committed);
		assert_int_equal(f.header.committed, committed);
		assert_int_equal(f.missing, 0);
		raw_file_close(&f);
		assert_int_equal(raw_writer_close(w, &clock_one, NULL), 0);
		assert_int_equal(check_prefix(path, &s, ends, &f), s.size);
		assert_int_equal(f.beyond, 0);
		assert_null(f.problem);
		raw_file_close(&f);
		fake_records_free(&s);
		unlink(path);
		free(path);
	}
}

/* A copy of the file as a crash would leave it. */
static void
put_file(const char *path, const struct buf *content, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, content->data, size), 0);
	close(fd);
}

static void
closed_file(const char *path, struct fake_stream_bytes *s, size_t *ends,
	    struct buf *content)
{
	struct raw_writer *w;
	size_t committed = 0;

	make_stream(s, 808, ends);
	w = open_writer(path, s->position);
	write_all(w, s, ends, 5, &committed);
	assert_int_equal(raw_writer_close(w, &clock_one, NULL), 0);
	buf_init(content, 4 << 20);
	assert_int_equal(file_read(path, content, NULL), 0);
}

static void
every_truncation_is_clear(void **state)
{
	char *path = home_path(*state, "b.raw", NULL);
	struct fake_stream_bytes s;
	size_t ends[RECORDS];
	struct buf content;
	struct raw_file f;

	closed_file(path, &s, ends, &content);
	for (size_t size = 0; size < content.size; size += 1) {
		size_t first = RAW_PAGE + 808 % RAW_PAGE, got;

		if (size > 3 * RAW_PAGE && size % 61 != 0)
			continue;
		put_file(path, &content, size);
		if (size < RAW_PAGE) {
			assert_int_equal(raw_file_open(path, &f, NULL),
					 ERR_TRUNCATED);
			continue;
		}
		got = check_prefix(path, &s, ends, &f);
		/* Nothing whole is left behind. */
		for (int i = 0; i < RECORDS; i++)
			if (first + ends[i] <= size)
				assert_true(got >= ends[i]);
		assert_int_equal(f.missing, s.size - got);
		raw_file_close(&f);
	}
	buf_free(&content);
	fake_records_free(&s);
	free(path);
}

static void
one_header_is_enough(void **state)
{
	char *path = home_path(*state, "c.raw", NULL);
	struct fake_stream_bytes s;
	size_t ends[RECORDS];
	struct buf content;
	struct raw_file f;

	closed_file(path, &s, ends, &content);
	for (int torn = 0; torn < 2; torn++) {
		uint8_t saved[RAW_PAGE];

		memcpy(saved, content.data, RAW_PAGE);
		memset(content.data + torn * 2048 + 1024, 0x55, 512);
		put_file(path, &content, content.size);
		/* The older one commits less; records go on behind it. */
		assert_int_equal(check_prefix(path, &s, ends, &f), s.size);
		raw_file_close(&f);
		memcpy(content.data, saved, RAW_PAGE);
	}
	memset(content.data + 100, 0x55, 1);
	memset(content.data + 2148, 0x55, 1);
	put_file(path, &content, content.size);
	assert_int_equal(raw_file_open(path, &f, NULL), ERR_CORRUPT);
	raw_file_close(&f);
	buf_free(&content);
	fake_records_free(&s);
	free(path);
}

/* After a restart of the machine only what was committed counts. */
static void
another_boot_believes_the_header_only(void **state)
{
	char *path = home_path(*state, "d.raw", NULL);
	struct fake_stream_bytes s;
	size_t ends[RECORDS];
	struct raw_header header;
	struct buf content;
	struct raw_file f;

	closed_file(path, &s, ends, &content);
	assert_int_equal(raw_header_decode(buf_view(&content), &header), 0);
	header.committed = ends[20];
	header.generation++;
	raw_header_encode(&header, content.data);
	put_file(path, &content, content.size);
	assert_int_equal(check_prefix(path, &s, ends, &f), s.size);
	assert_int_equal(f.beyond, s.size - ends[20]);
	raw_file_close(&f);
	header.boot_id[3] ^= 1;
	header.generation++;
	raw_header_encode(&header, content.data);
	put_file(path, &content, content.size);
	assert_int_equal(check_prefix(path, &s, ends, &f), ends[20]);
	assert_int_equal(f.beyond, 0);
	raw_file_close(&f);
	buf_free(&content);
	fake_records_free(&s);
	free(path);
}

/* A page that never reached the disk is zeroes: records end before it. */
static void
lost_pages_end_the_records(void **state)
{
	char *path = home_path(*state, "e.raw", NULL);
	struct fake_stream_bytes s;
	size_t ends[RECORDS];
	struct buf content;
	struct raw_file f;

	closed_file(path, &s, ends, &content);
	for (size_t page = 1; page < content.size / RAW_PAGE; page++) {
		uint8_t saved[RAW_PAGE];
		uint8_t *at = content.data + page * RAW_PAGE;

		memcpy(saved, at, RAW_PAGE);
		memset(at, 0, RAW_PAGE);
		put_file(path, &content, content.size);
		assert_int_equal(raw_file_open(path, &f, NULL), 0);
		assert_true(f.records.size + f.missing == s.size);
		raw_file_close(&f);
		memcpy(at, saved, RAW_PAGE);
	}
	buf_free(&content);
	fake_records_free(&s);
	free(path);
}

static void
an_existing_file_is_not_touched(void **state)
{
	const struct raw_stream stream = { RAW_FORMAT_RECORDS,
					   RAW_CLOCK_MONOTONIC, 0 };
	char *path = home_path(*state, "f.raw", NULL);
	struct raw_writer *w = open_writer(path, 0), *second;

	assert_int_equal(
		raw_writer_open(path, &stream, &clock_one, &second, NULL),
		ERR_EXISTS);
	assert_int_equal(raw_writer_close(w, &clock_one, NULL), 0);
	assert_int_equal(access(path, F_OK), 0);
	free(path);
}

static void
clocks_step(void **state)
{
	struct clock_map map = { 0 };

	(void)state;
	assert_int_equal(clock_map_utc(&map, 5), 0);
	assert_int_equal(clock_map_note(&map, (struct clock_pair){ 100, 5000 }),
			 0);
	assert_int_equal(clock_map_utc(&map, 150), 5050);
	assert_int_equal(clock_map_utc(&map, 50), 4950);
	/* Less than a millisecond is how well clocks can be read. */
	assert_int_equal(
		clock_map_note(&map, (struct clock_pair){ 200, 5600 }), 0);
	assert_int_equal(map.count, 1);
	assert_int_equal(clock_map_note(&map, (struct clock_pair){
						      300, 5200 + 3000000 }),
			 3000000);
	assert_int_equal(map.count, 2);
	assert_int_equal(clock_map_utc(&map, 299), 5199);
	assert_int_equal(clock_map_utc(&map, 300), 3005200);
	for (int i = 1; i < 300; i++)
		clock_map_note(&map, (struct clock_pair){ 300 + i,
							  i * INT64_C(10000000) });
	assert_int_equal(map.count, CLOCK_PAIRS_MAX);
	assert_int_equal(clock_map_utc(&map, 700), 2990000101);
	assert_int_equal(clock_map_utc(&map, UINT64_MAX), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_and_reads,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(every_truncation_is_clear,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(one_header_is_enough,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(
			another_boot_believes_the_header_only, scratch_setup,
			scratch_teardown),
		cmocka_unit_test_setup_teardown(lost_pages_end_the_records,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(
			an_existing_file_is_not_touched, scratch_setup,
			scratch_teardown),
		cmocka_unit_test(clocks_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
