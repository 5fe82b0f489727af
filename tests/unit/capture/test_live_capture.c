/* SPDX-License-Identifier: Apache-2.0 */
/* What a capture's directory says of a recording, seen from outside. */
#include "capture/live_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "capture/home.h"
#include "capture/recorder_client.h"
#include "capture/snapshot_live.h"
#include "scratch.h"

static json_t *
capture_of(const char *state)
{
	return json_pack("{s:s,s:s,s:I,s:I,s:[{s:s,s:I,s:I,s:I}]}", "kind",
			 "live", "state", state, "pid", (json_int_t)getpid(),
			 "updated_ns", (json_int_t)5000, "losses", "cause",
			 "ring_full", "packets", (json_int_t)3, "from_ns",
			 (json_int_t)1000, "to_ns", (json_int_t)2000);
}

static void
complete(json_t *capture, const char *home)
{
	live_capture_complete(capture, home, "c");
}

static void
expect_state(const char *home, const char *written, const char *told)
{
	json_t *capture = capture_of(written);

	complete(capture, home);
	assert_string_equal(scratch_string(capture, "state"), told);
	assert_int_equal(json_object_get(capture, "error") != NULL,
			 strcmp(written, told) != 0 &&
				 strcmp(told, "failed") == 0);
	assert_null(json_object_get(capture, "updated_ns"));
	json_decref(capture);
}

/* Its lock says whether a recorder runs, not what it wrote last. */
static void
nobody_holds_the_lock(void **state)
{
	char *path = home_path(*state, "captures", "c", NULL);

	assert_int_equal(file_make_dirs(path, NULL), 0);
	expect_state(*state, "recording", "failed");
	expect_state(*state, "starting", "failed");
	expect_state(*state, "stopped", "stopped");
	assert_int_equal(live_capture_check_idle(*state, "c", NULL), 0);
	free(path);
}

/* A lock is seen by others than its holder. */
static void
somebody_holds_the_lock(void **state)
{
	char *path = home_path(*state, "captures", "c", NULL);
	char *lock = home_path(path, RECORDER_LOCK, NULL);
	struct error error = { 0 };
	int fd, status = -1;
	pid_t child;

	assert_int_equal(file_make_dirs(path, NULL), 0);
	fd = file_lock(lock, NULL);
	assert_true(fd >= 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		json_t *ours = capture_of("recording");
		json_t *before = capture_of("failed");

		json_object_set_new(ours, "pid", json_integer(getppid()));
		json_object_set_new(before, "pid", json_integer(1));
		complete(ours, *state);
		complete(before, *state);
		_exit(strcmp(scratch_string(ours, "state"), "recording") ||
		      strcmp(scratch_string(before, "state"), "starting") ||
		      live_capture_check_idle(*state, "c", &error) !=
			      ERR_BUSY ||
		      !strstr(error.text, "\"c\""));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	free(lock);
	free(path);
}

static void
put_raw(const char *home, const char *name, const char *text)
{
	char *path = home_path("captures/c/raw", name, NULL);

	free(scratch_file(home, path, bytes_of(text)));
	free(path);
}

/* What is not sealed yet, and losses that only its sidecars have. */
static void
unsealed_segments_are_told(void **state)
{
	char *raw = home_path(*state, "captures", "c", "raw", NULL);
	json_t *capture = capture_of("stopped");
	json_t *imported = json_pack("{s:s}", "kind", "import");
	const json_t *unsealed;

	assert_int_equal(file_make_dirs(raw, NULL), 0);
	put_raw(*state, "000001.raw", "12345");
	put_raw(*state, "000002.raw", "123");
	put_raw(*state, "000002.plain", "not counted");
	put_raw(*state, "000003.json", "{");
	/* One that capture.json has already, and one that is newer. */
	put_raw(*state, "000001.json",
		"{\"losses\":[{\"cause\":\"ring_full\",\"packets\":3,"
		"\"from_ns\":1000,\"to_ns\":2000}]}");
	put_raw(*state, "000002.json",
		"{\"losses\":[{\"cause\":\"disk_full\",\"packets\":4,"
		"\"from_ns\":5000,\"to_ns\":6000}]}");
	complete(capture, *state);
	unsealed = json_object_get(capture, "unsealed");
	assert_int_equal(scratch_integer(unsealed, "segments"), 2);
	assert_int_equal(scratch_integer(unsealed, "bytes"), 8);
	assert_int_equal(json_array_size(json_object_get(capture, "losses")),
			 2);
	assert_int_equal(scratch_integer(capture, "lost_packets"), 7);
	complete(imported, *state);
	assert_int_equal(json_object_size(imported), 1);
	assert_false(live_capture_is(imported));
	json_decref(imported);
	json_decref(capture);
	free(raw);
}

/* The cause of the only loss of a window. */
static enum loss_cause
only_loss(const json_t *capture, const json_t *segments, int64_t from_ns,
	  int64_t to_ns, struct losses *losses)
{
	const struct packet_window window = { from_ns, to_ns };

	losses->count = 0;
	snapshot_live_losses(capture, segments, window, losses);
	return losses->count == 1 ? losses->items[0].cause : LOSS_CAUSE_COUNT;
}

/* A window of which the quota removed something says so. */
static void
the_quota_is_named(void **state)
{
	json_t *capture = json_pack(
		"{s:s, s:{s:i, s:I, s:I}, s:[{s:s, s:i, s:I, s:I}]}", "kind",
		"live", "evicted", "segments", 3, "from_ns", (json_int_t)1000,
		"until_ns", (json_int_t)5000, "losses", "cause", "quota",
		"packets", 6, "from_ns", (json_int_t)70000, "to_ns",
		(json_int_t)80000);
	/* The segment that tells of the loss is of a later time. */
	json_t *segments = json_pack("[{s:O}]", "losses",
				     json_object_get(capture, "losses"));
	struct losses losses;

	(void)state;
	assert_int_equal(only_loss(capture, segments, 3000, 9000, &losses),
			 LOSS_EVICTED);
	assert_int_equal(losses.items[0].from_ns, 3000);
	assert_int_equal(losses.items[0].to_ns, 5000);
	assert_true(losses.items[0].packets == LOSS_PACKETS_UNKNOWN);
	/* Behind, before, and without a beginning: all there is. */
	assert_int_equal(only_loss(capture, segments, 5001, 9000, &losses),
			 LOSS_CAUSE_COUNT);
	assert_int_equal(only_loss(capture, segments, 10, 1000, &losses),
			 LOSS_CAUSE_COUNT);
	assert_int_equal(losses.count, 0);
	assert_int_equal(only_loss(capture, segments, INT64_MIN, 9000,
				   &losses),
			 LOSS_CAUSE_COUNT);
	assert_int_equal(losses.count, 0);
	/* What went before it was sealed: once, whoever tells of it. */
	assert_int_equal(only_loss(capture, segments, 60000, 90000, &losses),
			 LOSS_QUOTA);
	assert_int_equal(losses_packets(&losses), 6);
	json_array_clear(segments);
	assert_int_equal(only_loss(capture, segments, 60000, 90000, &losses),
			 LOSS_QUOTA);
	assert_int_equal(losses_packets(&losses), 6);
	json_decref(segments);
	json_decref(capture);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(nobody_holds_the_lock),
		TEST(somebody_holds_the_lock),
		TEST(unsealed_segments_are_told),
		TEST(the_quota_is_named),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
