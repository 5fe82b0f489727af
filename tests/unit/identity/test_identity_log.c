/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tests/unit/capture/scratch.h"
#include "tests/unit/identity/samples.h"

#define SEEN_MAX 32

/* What a reading saw, in order: serial of entries, 0 for a session. */
struct seen {
	uint64_t serial[SEEN_MAX];
	int64_t to_ns[SEEN_MAX];
	size_t count, sessions;
};

static void
see(void *context, const struct identity_log_entry *entry)
{
	struct seen *seen = context;

	if (!entry->block) {
		seen->sessions++;
		assert_true(entry->boot.size == 36);
		return;
	}
	assert_true(seen->count < SEEN_MAX);
	seen->to_ns[seen->count] = entry->block->kind == IDENTITY_PROCESS
					   ? entry->block->process.to_ns
					   : entry->block->socket.to_ns;
	seen->serial[seen->count++] = entry->serial;
}

static char *
log_path(void **state)
{
	return alloc_format("%s/identity.log", (const char *)*state);
}

static struct seen
read_all(const char *path, bool expect_damage)
{
	struct seen seen = { .count = 0 };
	bool damaged;

	assert_int_equal(
		identity_log_read(path, see, &seen, NULL, &damaged, NULL), 0);
	assert_int_equal(damaged, expect_damage);
	return seen;
}

static struct identity_log *
open_log(const char *path)
{
	struct identity_log *log;

	assert_int_equal(identity_log_open(path, &log, NULL), 0);
	return log;
}

static void
add_process(struct identity_log *log, uint64_t id, int64_t to_ns)
{
	struct identity_process p = sample_process(id, 100, "nginx");

	p.to_ns = to_ns;
	identity_log_process(log, &p);
}

static void
add_socket(struct identity_log *log, uint64_t serial, uint64_t process,
	   int64_t to_ns)
{
	struct identity_socket s = sample_socket(serial, process, 80, 4000);

	s.to_ns = to_ns;
	identity_log_socket(log, serial, &s);
}

static void
test_append_and_continue(void **state)
{
	char *path = log_path(state);
	struct identity_log *log = open_log(path);
	struct stat info;
	struct seen seen;

	add_process(log, 1, 0);
	add_socket(log, 2, 1, 0);
	assert_int_equal(identity_log_flush(log, false, NULL), 0);
	seen = read_all(path, false);
	assert_int_equal(seen.count, 2);
	identity_log_close(log);
	log = open_log(path);
	add_process(log, 1, 50);
	identity_log_close(log);
	seen = read_all(path, false);
	assert_int_equal(seen.sessions, 2);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.serial[2], 1);
	assert_int_equal(seen.to_ns[2], 50);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(unlink(path), 0);
	free(path);
}

/* A crash can cut the file anywhere: what was whole is read, and the next
 * session continues after it. */
static void
test_torn(void **state)
{
	char *path = log_path(state);
	struct identity_log *log = open_log(path);
	struct seen seen;
	uint64_t first, whole;

	add_process(log, 1, 0);
	assert_int_equal(identity_log_flush(log, false, NULL), 0);
	first = identity_log_bytes(log);
	add_socket(log, 2, 1, 0);
	identity_log_close(log);
	for (whole = first + 100; whole > first; whole -= 7) {
		assert_int_equal(truncate(path, (off_t)whole), 0);
		seen = read_all(path, true);
		assert_int_equal(seen.count, 1);
	}
	log = open_log(path);
	add_socket(log, 3, 1, 0);
	identity_log_close(log);
	seen = read_all(path, false);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.serial[1], 3);
	assert_int_equal(unlink(path), 0);
	free(path);
}

static void
test_compact(void **state)
{
	char *path = log_path(state);
	struct identity_log *log = open_log(path);
	struct seen seen;
	uint64_t before;

	add_process(log, 1, 0);   /* replaced, ended long ago, one socket */
	add_process(log, 1, 500);
	add_socket(log, 2, 1, 2000); /* … which ended later */
	add_process(log, 3, 500); /* ended long ago: goes */
	add_socket(log, 4, 3, 400); /* goes */
	add_process(log, 5, 0);   /* lives */
	add_process(log, 6, 1000); /* ended just then: stays */
	assert_int_equal(identity_log_flush(log, true, NULL), 0);
	before = identity_log_bytes(log);
	assert_int_equal(identity_log_compact(log, 1000, NULL), 0);
	assert_true(identity_log_bytes(log) < before);
	seen = read_all(path, false);
	assert_int_equal(seen.sessions, 1);
	assert_int_equal(seen.count, 4);
	assert_int_equal(seen.serial[0], 1);
	assert_int_equal(seen.to_ns[0], 500);
	assert_int_equal(seen.serial[1], 2);
	assert_int_equal(seen.serial[2], 5);
	assert_int_equal(seen.serial[3], 6);
	/* Appending goes on in the new file. */
	add_process(log, 7, 0);
	identity_log_close(log);
	seen = read_all(path, false);
	assert_int_equal(seen.count, 5);
	assert_int_equal(seen.serial[4], 7);
	assert_int_equal(unlink(path), 0);
	free(path);
}

static void
test_compact_when_it_has_doubled(void **state)
{
	char *path = log_path(state);
	struct identity_log *log = open_log(path);
	uint64_t serial = 1, once;

	assert_false(identity_log_is_loose(log));
	for (; !identity_log_is_loose(log); serial++) {
		add_process(log, serial, 2000);
		assert_int_equal(identity_log_flush(log, false, NULL), 0);
	}
	assert_in_range(identity_log_bytes(log), 1 << 16, 1 << 20);
	assert_int_equal(identity_log_compact(log, 1000, NULL), 0);
	assert_false(identity_log_is_loose(log));
	once = identity_log_bytes(log);
	for (; !identity_log_is_loose(log); serial++) {
		add_process(log, serial, 2000);
		assert_int_equal(identity_log_flush(log, false, NULL), 0);
	}
	assert_true(identity_log_bytes(log) >= 2 * once);
	assert_int_equal(identity_log_compact(log, 3000, NULL), 0);
	assert_true(identity_log_bytes(log) < 1000);
	identity_log_close(log);
	assert_int_equal(unlink(path), 0);
	free(path);
}

static void
test_garbage(void **state)
{
	char *path = log_path(state);
	struct seen seen;

	assert_int_equal(file_write_atomic(path, bytes_of("\xff\xff\xff\xff??"),
					   0600, NULL),
			 0);
	seen = read_all(path, true);
	assert_int_equal(seen.count, 0);
	assert_int_equal(identity_log_read("/nonexistent/log", see, &seen, NULL,
					   NULL, NULL),
			 ERR_NOTFOUND);
	assert_int_equal(unlink(path), 0);
	free(path);
}

/* A disk that is full: nothing torn is left, and later it all is written. */
static void
test_no_space(void **state)
{
	struct identity_log *log;
	struct error e;

	(void)state;
	assert_true(identity_log_open("/dev/full", &log, &e) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_continue),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_compact_when_it_has_doubled),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_no_space),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
