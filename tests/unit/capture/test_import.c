/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "capture/home.h"
#include "scratch.h"

static int
import_as(const char *home, const char *name, const char *file,
	  json_t **capture, struct error *e)
{
	struct import_request request = { .name = name,
					  .files = &file,
					  .file_count = 1 };

	return capture_import(home, &request, capture, e);
}

static const char *
warning(const json_t *capture, size_t index)
{
	return json_string_value(
		json_array_get(json_object_get(capture, "warnings"), index));
}

static void
a_capture_tells_what_it_holds(void **state)
{
	const char *home = *state;
	char *file = scratch_capture(home, "web.pcap", 10, 0, 1000);
	json_t *capture = scratch_import(home, "web", file);
	json_t *loaded = NULL;

	assert_int_equal(scratch_integer(capture, "packets"), 10);
	assert_int_equal(scratch_integer(capture, "bytes"), 1000);
	assert_int_equal(scratch_integer(capture, "segments"), 1);
	assert_string_equal(scratch_string(capture, "first"),
			    "2023-11-14T22:13:20Z");
	assert_string_equal(scratch_string(capture, "last"),
			    "2023-11-14T22:13:29Z");
	assert_string_equal(scratch_string(capture, "node"), "here");
	assert_string_equal(scratch_string(capture, "state"), "ready");
	assert_int_equal(capture_load(home, "web", &loaded, NULL), 0);
	assert_true(json_equal(capture, loaded));
	json_decref(loaded);
	json_decref(capture);
	free(file);
}

static void
the_name_comes_from_the_file(void **state)
{
	static const char *const names[][2] = {
		{ "a.pcap", "a" },
		{ "b.pcapng.gz", "b" },
		{ "we ird\xc3\xa9.cap", "we-ird--" },
		{ ".hidden.pcap", "hidden" },
		{ "v1.2.pcap.zst", "v1.2" },
	};
	const char *home = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *file = scratch_capture(home, names[i][0], 1, 0, 0);
		json_t *capture = scratch_import(home, NULL, file);

		assert_string_equal(scratch_string(capture, "name"),
				    names[i][1]);
		json_decref(capture);
		free(file);
	}
}

static void
a_taken_name_is_refused_and_nothing_is_left(void **state)
{
	const char *home = *state;
	char *file = scratch_capture(home, "a.pcap", 3, 0, 1);
	struct error e;

	json_decref(scratch_import(home, "a", file));
	assert_int_equal(import_as(home, "a", file, NULL, &e), ERR_EXISTS);
	assert_non_null(strstr(e.text, "\"a\" exists"));
	assert_int_equal(scratch_entries(home, "captures"), 1);
	free(file);
}

static void
what_is_no_capture_is_refused_with_its_beginning(void **state)
{
	const char *home = *state;
	char *file = scratch_file(home, "x.pcap",
				  bytes_of("GET / HTTP/1.1\r\nHost: x\r\n"));
	struct error e;

	assert_int_equal(import_as(home, "x", file, NULL, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "begins with \"GET / HTTP/1.1"));
	assert_int_equal(scratch_entries(home, "captures"), 0);
	free(file);
	file = scratch_file(home, "empty.pcap", bytes_of(""));
	assert_int_equal(import_as(home, "x", file, NULL, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "is empty"));
	free(file);
	assert_int_equal(import_as(home, "x", "/nonexistent", NULL, &e),
			 ERR_NOTFOUND);
	assert_int_equal(import_as(home, "x", "/", NULL, &e), ERR_INVALID);
	assert_int_equal(import_as(home, "../x", "/dev/null", NULL, &e),
			 ERR_INVALID);
	assert_int_equal(scratch_entries(home, "captures"), 0);
}

static void
a_cut_file_gives_all_whole_packets_and_says_where_it_ends(void **state)
{
	const char *home = *state;
	char *file = scratch_capture(home, "cut.pcap", 100, 0, 10);
	json_t *capture;
	char *expected = alloc_format("%s ends inside a packet at byte %d; the "
				      "99 packets before it were kept",
				      file, 24 + 99 * 116);

	assert_int_equal(truncate(file, 24 + 100 * 116 - 7), 0);
	capture = scratch_import(home, "cut", file);
	assert_int_equal(scratch_integer(capture, "packets"), 99);
	assert_string_equal(warning(capture, 0), expected);
	json_decref(capture);
	free(expected);
	free(file);
}

static void
an_unsupported_link_type_is_named(void **state)
{
	const char *home = *state;
	struct buf data;
	struct error e;
	char *file;

	scratch_pcap(&data, 105);
	scratch_packet(&data, 0, 60, 0);
	file = scratch_file(home, "wifi.pcap", buf_view(&data));
	assert_int_equal(import_as(home, "wifi", file, NULL, &e),
			 ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "ieee802_11 (105)"));
	assert_non_null(strstr(e.text, "packet 1 of "));
	assert_int_equal(scratch_entries(home, "captures"), 0);
	free(file);
	/* Without a packet it does no harm. */
	file = scratch_file(home, "wifi.pcap", bytes_make(data.data, 24));
	assert_int_equal(import_as(home, "wifi", file, NULL, &e), 0);
	free(file);
	buf_free(&data);
}

static void
segments_are_cut_by_time_and_by_size(void **state)
{
	const char *home = *state;
	char *file = scratch_capture(home, "a.pcap", 10, 0, 30000);
	struct import_request request = {
		.name = "small",
		.files = (const char *const *)&file,
		.file_count = 1,
		.segment_bytes = 1000,
		.segment_ns = INT64_MAX,
	};
	json_t *capture = scratch_import(home, "minute", file);

	/* A minute holds two packets. */
	assert_int_equal(scratch_integer(capture, "segments"), 5);
	json_decref(capture);
	assert_int_equal(capture_import(home, &request, &capture, NULL), 0);
	/* A packet's block is 132 bytes, headers are below 100. */
	assert_int_equal(scratch_integer(capture, "segments"), 2);
	assert_int_equal(scratch_integer(capture, "packets"), 10);
	json_decref(capture);
	free(file);
}

static void
a_sealed_segment_is_read_only_and_its_checksum_is_right(void **state)
{
	const char *home = *state;
	char *path = home_path(home, "captures", "a", "segments",
			       "000001.pcapng.zst", NULL);
	char hex[HASH_SHA256_HEX];
	json_t *segments;
	struct stat st;
	int fd;

	scratch_import_packets(home, "a", 10, 0, 1);
	assert_int_equal(capture_segments(home, "a", &segments, NULL), 0);
	assert_int_equal(json_array_size(segments), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(
		scratch_integer(json_array_get(segments, 0), "stored_bytes"),
		st.st_size);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(hash_sha256_fd(fd, hex), 0);
	assert_string_equal(
		scratch_string(json_array_get(segments, 0), "sha256"), hex);
	close(fd);
	json_decref(segments);
	free(path);
}

static void
a_clock_that_jumps_does_not_make_a_segment_of_every_packet(void **state)
{
	const char *home = *state;
	/* A minute between packets: 1000 of them would be 1000 segments. */
	char *file = scratch_capture(home, "slow.pcap", 1000, 0, 60000);
	json_t *capture = scratch_import(home, "slow", file);

	assert_in_range(scratch_integer(capture, "segments"), 2, 257);
	assert_int_equal(scratch_integer(capture, "packets"), 1000);
	json_decref(capture);
	free(file);
}

static void
several_files_become_one_capture(void **state)
{
	const char *home = *state;
	char *files[] = { scratch_capture(home, "1.pcap", 5, 1000, 10),
			  scratch_capture(home, "2.pcap", 7, 0, 10) };
	struct import_request request = {
		.name = "both",
		.files = (const char *const *)files,
		.file_count = 2,
	};
	json_t *capture, *segments;

	assert_int_equal(capture_import(home, &request, &capture, NULL), 0);
	assert_int_equal(scratch_integer(capture, "packets"), 12);
	assert_int_equal(json_array_size(json_object_get(capture, "source")),
			 2);
	assert_int_equal(capture_segments(home, "both", &segments, NULL), 0);
	assert_int_equal(json_array_size(segments), 2);
	json_decref(segments);
	json_decref(capture);
	free(files[0]);
	free(files[1]);
}

static void
count_calls(void *context, const struct import_progress *p)
{
	uint64_t *calls = context;

	assert_true(p->bytes_read <= p->bytes_total);
	++*calls;
}

static void
progress_is_told_and_cancelling_leaves_nothing(void **state)
{
	const char *home = *state;
	char *file = scratch_capture(home, "a.pcap", 100000, 0, 1);
	atomic_bool cancelled = false;
	uint64_t calls = 0;
	struct import_request request = {
		.name = "a",
		.files = (const char *const *)&file,
		.file_count = 1,
		.cancelled = &cancelled,
		.progress = count_calls,
		.progress_context = &calls,
	};
	struct error e;

	assert_int_equal(capture_import(home, &request, NULL, &e), 0);
	assert_true(calls >= 2); /* 11.6 MB, every 4 MiB */
	cancelled = true;
	request.name = "b";
	assert_int_equal(capture_import(home, &request, NULL, &e),
			 ERR_CANCELLED);
	assert_int_equal(scratch_entries(home, "captures"), 1);
	free(file);
}

static void
what_a_dead_process_left_is_removed(void **state)
{
	const char *home = *state;
	pid_t pid = fork();
	char *left, *alive;

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	left = alloc_format("%s/captures/.tmp-%d-abcdef/segments", home,
			    (int)pid);
	alive = alloc_format("%s/captures/.tmp-1-abcdef", home);
	assert_int_equal(file_make_dirs(left, NULL), 0);
	assert_int_equal(file_make_dirs(alive, NULL), 0);
	scratch_import_packets(home, "a", 1, 0, 0);
	assert_false(file_exists(left));
	assert_true(file_exists(alive));
	assert_int_equal(scratch_entries(home, "captures"), 2);
	free(left);
	free(alive);
}

static void
captures_are_listed_and_deleted(void **state)
{
	const char *home = *state;
	json_t *list;
	struct error e;

	assert_int_equal(capture_list(home, &list, &e), 0);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	scratch_import_packets(home, "later", 1, 5000, 0);
	scratch_import_packets(home, "earlier", 1, 0, 0);
	assert_int_equal(capture_list(home, &list, &e), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(scratch_string(json_array_get(list, 0), "name"),
			    "earlier");
	json_decref(list);
	assert_int_equal(capture_delete(home, "later", &e), 0);
	assert_int_equal(capture_delete(home, "later", &e), ERR_NOTFOUND);
	assert_int_equal(capture_delete(home, "../captures", &e), ERR_NOTFOUND);
	assert_int_equal(scratch_entries(home, "captures"), 1);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_capture_tells_what_it_holds),
		TEST(the_name_comes_from_the_file),
		TEST(a_taken_name_is_refused_and_nothing_is_left),
		TEST(what_is_no_capture_is_refused_with_its_beginning),
		TEST(a_cut_file_gives_all_whole_packets_and_says_where_it_ends),
		TEST(an_unsupported_link_type_is_named),
		TEST(segments_are_cut_by_time_and_by_size),
		TEST(a_sealed_segment_is_read_only_and_its_checksum_is_right),
		TEST(a_clock_that_jumps_does_not_make_a_segment_of_every_packet),
		TEST(several_files_become_one_capture),
		TEST(progress_is_told_and_cancelling_leaves_nothing),
		TEST(what_a_dead_process_left_is_removed),
		TEST(captures_are_listed_and_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
