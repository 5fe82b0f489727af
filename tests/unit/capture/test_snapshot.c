/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/snapshot.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
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
#include "capture/capture.h"
#include "capture/home.h"
#include "capture/json_file.h"
#include "scratch.h"

#define MS INT64_C(1000000)

static int
make(const char *home, const char *name, int64_t from_ms, int64_t to_ms,
     json_t **manifest, struct error *e)
{
	struct snapshot_request request = {
		.name = name,
		.window = { SCRATCH_NS + from_ms * MS,
			    SCRATCH_NS + to_ms * MS },
	};

	return snapshot_create(home, &request, manifest, e);
}

static int
make_all(const char *home, const char *name, json_t **manifest)
{
	struct snapshot_request request = {
		.name = name,
		.window = { INT64_MIN, INT64_MAX },
	};

	return snapshot_create(home, &request, manifest, NULL);
}

/* Reads a snapshot; returns the packets and the first and last fill byte. */
static int
read_snapshot(const char *home, const char *name, int *first, int *last)
{
	struct packet_record packet;
	struct packet_reader *r;
	struct snapshot s;
	int count = 0;

	assert_int_equal(snapshot_open(home, name, &s, NULL), 0);
	r = packet_reader_new(s.segments, s.segment_count, s.window,
			      snapshot_source(&s));
	while (packet_reader_next(r, &packet) > 0) {
		*last = packet.data[0];
		if (count++ == 0)
			*first = packet.data[0];
	}
	assert_int_equal(packet_reader_stats(r).damaged_segments, 0);
	packet_reader_free(r);
	snapshot_close(&s);
	return count;
}

static void
boundaries_are_exact_to_the_packet(void **state)
{
	const char *home = *state;
	json_t *manifest;
	int first, last;

	/* Packet n at n × 10 s, cut into segments of a minute. */
	scratch_import_packets(home, "a", 60, 0, 10000);
	/* From packet 7 on, before packet 33. */
	assert_int_equal(make(home, "s", 70000, 330000, &manifest, NULL), 0);
	assert_int_equal(read_snapshot(home, "s", &first, &last), 26);
	assert_int_equal(first, 7);
	assert_int_equal(last, 32);
	assert_int_equal(scratch_integer(manifest, "packets"), 26);
	assert_int_equal(scratch_integer(manifest, "bytes"), 2600);
	assert_string_equal(scratch_string(manifest, "first"),
			    "2023-11-14T22:14:30Z");
	assert_string_equal(scratch_string(manifest, "last"),
			    "2023-11-14T22:18:40Z");
	assert_string_equal(scratch_string(manifest, "from"),
			    "2023-11-14T22:14:30Z");
	/* Segments 2 to 6 of 10. */
	assert_int_equal(json_array_size(json_object_get(manifest, "segments")),
			 5);
	json_decref(manifest);
}

static void
an_empty_window_tells_what_is_covered(void **state)
{
	const char *home = *state;
	struct error e;

	assert_int_equal(make(home, "s", 0, 1, NULL, &e), ERR_EMPTY);
	scratch_import_packets(home, "a", 10, 0, 1000);
	/* Between two packets of one segment. */
	assert_int_equal(make(home, "s", 1001, 1999, NULL, &e), ERR_EMPTY);
	assert_non_null(strstr(e.text, "cover 2023-11-14T22:13:20Z to "
				       "2023-11-14T22:13:29Z"));
	assert_int_equal(make(home, "s", 100000, 200000, NULL, &e), ERR_EMPTY);
	assert_int_equal(make(home, "s", 5, 5, NULL, &e), ERR_INVALID);
	assert_int_equal(make(home, "no/name", 0, 9, NULL, &e), ERR_INVALID);
	assert_int_equal(scratch_entries(home, "snapshots"), 0);
}

static void
a_snapshot_cannot_be_written_and_outlives_its_capture(void **state)
{
	const char *home = *state;
	char *inside = home_path(home, "snapshots", "s", "segments", NULL);
	char *segment = home_path(inside, "a-000001.pcapng.zst", NULL);
	char *original = home_path(home, "captures", "a", "segments",
				   "000001.pcapng.zst", NULL);
	struct stat st, source;
	int first, last;

	scratch_import_packets(home, "a", 10, 0, 1000);
	assert_int_equal(make_all(home, "s", NULL), 0);
	assert_int_equal(stat(inside, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0555);
	assert_int_equal(stat(segment, &st), 0);
	assert_int_equal(stat(original, &source), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
	assert_int_equal(st.st_ino, source.st_ino);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(capture_delete(home, "a", NULL), 0);
	assert_int_equal(read_snapshot(home, "s", &first, &last), 10);
	assert_int_equal(snapshot_verify(home, "s", NULL, NULL), 0);
	free(inside);
	free(segment);
	free(original);
}

static void
verification_finds_a_changed_segment(void **state)
{
	const char *home = *state;
	char *segment = home_path(home, "snapshots", "s", "segments",
				  "a-000002.pcapng.zst", NULL);
	struct error e;
	int fd;

	scratch_import_packets(home, "a", 10, 0, 30000);
	assert_int_equal(make_all(home, "s", NULL), 0);
	assert_int_equal(snapshot_verify(home, "s", NULL, &e), 0);
	assert_int_equal(chmod(segment, 0644), 0);
	fd = open(segment, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 50), 1);
	close(fd);
	assert_int_equal(snapshot_verify(home, "s", NULL, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "a-000002.pcapng.zst"));
	assert_int_equal(chmod(segment, 0444), 0);
	free(segment);
}

static void
captures_and_nodes_are_chosen_and_merged_by_time(void **state)
{
	const char *home = *state;
	const char *both[] = { "a", "b" }, *nodes[] = { "elsewhere" };
	struct snapshot_request request = {
		.name = "s",
		.captures = both,
		.capture_count = 2,
		.window = { INT64_MIN, INT64_MAX },
		.note = "why\x1b[31m",
	};
	struct packet_record packet;
	struct packet_reader *r;
	struct snapshot s;
	struct error e;
	int64_t before = 0;

	/* Even milliseconds in a, odd ones in b. */
	scratch_import_packets(home, "a", 50, 0, 2);
	scratch_import_packets(home, "b", 50, 1, 2);
	scratch_import_packets(home, "c", 50, 0, 2);
	assert_int_equal(snapshot_create(home, &request, NULL, &e), 0);
	assert_int_equal(snapshot_open(home, "s", &s, NULL), 0);
	assert_string_equal(scratch_string(s.manifest, "note"), "why\\x1b[31m");
	r = packet_reader_new(s.segments, s.segment_count, s.window,
			      snapshot_source(&s));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(packet_reader_next(r, &packet), 1);
		assert_true(packet.time_ns > before);
		assert_int_equal(packet.time_ns, SCRATCH_NS + i * MS);
		assert_int_equal(packet.segment, i % 2);
		before = packet.time_ns;
	}
	assert_int_equal(packet_reader_next(r, &packet), 0);
	packet_reader_free(r);
	snapshot_close(&s);
	request.name = "none";
	request.nodes = nodes;
	request.node_count = 1;
	assert_int_equal(snapshot_create(home, &request, NULL, &e), ERR_EMPTY);
	both[1] = "missing";
	assert_int_equal(snapshot_create(home, &request, NULL, &e),
			 ERR_NOTFOUND);
	assert_non_null(strstr(e.text, "\"missing\""));
}

static void
files_of_one_capture_that_overlap_are_merged(void **state)
{
	const char *home = *state;
	char *files[] = { scratch_capture(home, "1.pcap", 50, 1, 2),
			  scratch_capture(home, "2.pcap", 50, 0, 2) };
	struct import_request import = {
		.name = "both",
		.files = (const char *const *)files,
		.file_count = 2,
	};
	struct packet_record packet;
	struct packet_reader *r;
	struct snapshot s;

	assert_int_equal(capture_import(home, &import, NULL, NULL), 0);
	assert_int_equal(make_all(home, "s", NULL), 0);
	assert_int_equal(snapshot_open(home, "s", &s, NULL), 0);
	r = packet_reader_new(s.segments, s.segment_count, s.window,
			      snapshot_source(&s));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(packet_reader_next(r, &packet), 1);
		assert_int_equal(packet.time_ns, SCRATCH_NS + i * MS);
	}
	packet_reader_free(r);
	snapshot_close(&s);
	free(files[0]);
	free(files[1]);
}

static void
names_are_taken_once_and_lists_are_newest_first(void **state)
{
	const char *home = *state;
	json_t *list;
	struct error e;

	scratch_import_packets(home, "a", 3, 0, 1000);
	assert_int_equal(make(home, "one", 0, 3000, NULL, &e), 0);
	assert_int_equal(make(home, "two", 0, 1000, NULL, &e), 0);
	assert_int_equal(make(home, "one", 0, 1000, NULL, &e), ERR_EXISTS);
	assert_int_equal(scratch_entries(home, "snapshots"), 2);
	assert_int_equal(snapshot_list(home, &list, &e), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(scratch_string(json_array_get(list, 0), "name"),
			    "two");
	assert_null(json_object_get(json_array_get(list, 0), "segments"));
	json_decref(list);
}

static void
a_segment_that_lost_bytes_is_not_taken(void **state)
{
	const char *home = *state;
	char *segment = home_path(home, "captures", "a", "segments",
				  "000001.pcapng.zst", NULL);
	struct error e;

	scratch_import_packets(home, "a", 3, 0, 1000);
	assert_int_equal(truncate(segment, 100), 0);
	assert_int_equal(make(home, "s", 0, 3000, NULL, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "000001.pcapng.zst"));
	assert_int_equal(scratch_entries(home, "snapshots"), 0);
	free(segment);
}

static void
a_snapshot_is_busy_while_a_dissection_runs(void **state)
{
	const char *home = *state;
	char *inside = home_path(home, "snapshots", "s", "dissections", NULL);
	char *lock = home_path(inside, "first.lock", NULL);
	struct error e;
	int ends[2];
	pid_t pid;
	char byte;

	scratch_import_packets(home, "a", 3, 0, 1000);
	assert_int_equal(make_all(home, "s", NULL), 0);
	assert_int_equal(file_make_dirs(inside, NULL), 0);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		(void)!write(ends[1], file_lock(lock, NULL) < 0 ? "n" : "y", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(snapshot_delete(home, "s", &e), ERR_BUSY);
	assert_non_null(strstr(e.text, "\"first\""));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(snapshot_delete(home, "s", &e), 0);
	assert_int_equal(snapshot_delete(home, "s", &e), ERR_NOTFOUND);
	assert_int_equal(scratch_entries(home, "snapshots"), 0);
	close(ends[0]);
	close(ends[1]);
	free(inside);
	free(lock);
}

static void
a_manifest_cannot_point_outside(void **state)
{
	static const char *const files[] = { "../x", "segments/../../x",
					     "/etc/passwd", "segments/.x" };
	const char *home = *state;
	char *path = home_path(home, "snapshots", "s", "manifest.json", NULL);
	json_t *manifest, *segment;
	struct snapshot s;

	scratch_import_packets(home, "a", 3, 0, 1000);
	assert_int_equal(make_all(home, "s", &manifest), 0);
	segment = json_array_get(json_object_get(manifest, "segments"), 0);
	for (size_t i = 0; i < 4; i++) {
		json_object_set_new(segment, "file", json_string(files[i]));
		assert_int_equal(json_file_write(path, manifest, 0444, NULL), 0);
		assert_int_equal(snapshot_open(home, "s", &s, NULL),
				 ERR_CORRUPT);
	}
	json_decref(manifest);
	free(path);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(boundaries_are_exact_to_the_packet),
		TEST(an_empty_window_tells_what_is_covered),
		TEST(a_snapshot_cannot_be_written_and_outlives_its_capture),
		TEST(verification_finds_a_changed_segment),
		TEST(captures_and_nodes_are_chosen_and_merged_by_time),
		TEST(files_of_one_capture_that_overlap_are_merged),
		TEST(names_are_taken_once_and_lists_are_newest_first),
		TEST(a_segment_that_lost_bytes_is_not_taken),
		TEST(a_snapshot_is_busy_while_a_dissection_runs),
		TEST(a_manifest_cannot_point_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
