/* SPDX-License-Identifier: Apache-2.0 */
/* A recording of a source made by hand: every packet is in a segment or in a
 * loss, whatever becomes of the disk and the quota. */
#include "capture/recorder/recorder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "capture/home.h"
#include "capture/json_file.h"
#include "capture/losses.h"
#include "capture/recorder/raw_file.h"
#include "capture/source/raw_reader.h"
#include "fake_records.h"
#include "scratch.h"

#define PACKET_BYTES 8000
#define MIB ((uint64_t)1 << 20)
#define WAIT_NS (60 * CLOCK_NS_PER_S)

/* Has `stream` to give, at most SPAN_MAX at once. */
struct fake_source {
	struct source source;
	pthread_mutex_t mutex; /* of what follows */
	struct fake_stream_bytes stream;
	size_t given;
	uint32_t packets;
	uint64_t lost_ring;
	unsigned lost[2], errors[2]; /* of it, on two interfaces */
	unsigned drops[2]; /* the kernel's, of two namespaces */
};

#define SPAN_MAX ((size_t)300 << 10)

static bool
fake_peek(struct source *s, struct source_span *span)
{
	struct fake_source *fake = (struct fake_source *)s;
	size_t size = 0, at;

	pthread_mutex_lock(&fake->mutex);
	at = fake->given;
	while (at < fake->stream.size && size < SPAN_MAX) {
		uint32_t length;

		memcpy(&length, fake->stream.data + at, sizeof(length));
		length = (length + 8 + 7) & ~7u;
		at += length;
		size += length;
	}
	*span = (struct source_span){ fake->stream.data + fake->given, size,
				      fake->stream.position + fake->given,
				      at < fake->stream.size };
	pthread_mutex_unlock(&fake->mutex);
	return size > 0;
}

static void
fake_release(struct source *s, size_t size)
{
	struct fake_source *fake = (struct fake_source *)s;

	pthread_mutex_lock(&fake->mutex);
	fake->given += size;
	pthread_mutex_unlock(&fake->mutex);
}

static void
fake_counts(const struct source *s, struct source_counts *counts)
{
	const struct fake_source *fake = (const struct fake_source *)s;

	*counts = (struct source_counts){
		.seen_packets = fake->packets + fake->lost_ring +
				fake->errors[0] + fake->errors[1],
		.captured_packets = fake->packets,
		.lost_ring = fake->lost_ring,
		.lost_errors = fake->errors[0] + fake->errors[1],
		.lost_kernel = fake->drops[0] + fake->drops[1],
	};
}

static bool
fake_ended(const struct source *s)
{
	(void)s;
	return false;
}

static json_t *
fake_describe(const struct source *s)
{
	const struct fake_source *fake = (const struct fake_source *)s;
	json_t *list = json_array(), *sockets = json_array();

	for (int i = 0; i < 2; i++)
		json_array_append_new(
			sockets, json_pack("{s:i,s:i,s:i}", "netns", 50 + i,
					   "netns_inode", 70 + i, "lost_kernel",
					   (int)fake->drops[i]));
	for (int i = 0; i < 2; i++)
		json_array_append_new(
			list,
			json_pack("{s:i,s:i,s:i,s:i,s:s,s:i,s:i,s:i}",
				  "ifindex", 2, "netns", 50 + i, "netns_inode",
				  70 + i, "link_type", 101, "name", "eth0",
				  "lost", (int)(fake->lost[i] + fake->errors[i]),
				  "lost_errors", (int)fake->errors[i],
				  "unseen_ns", 0));
	return json_pack("{s:s,s:o,s:o}", "source", "cgroup", "interfaces",
			 list, "sockets", sockets);
}

static const struct source_type fake_type = {
	.name = "cgroup",
	.format = RAW_FORMAT_RECORDS,
	.peek = fake_peek,
	.release = fake_release,
	.descriptor = source_unwatched,
	.ended = fake_ended,
	.counts = fake_counts,
	.describe = fake_describe,
};

static void
fake_open(struct fake_source *fake, size_t capacity)
{
	*fake = (struct fake_source){
		.source = { .type = &fake_type, .clock = RAW_CLOCK_MONOTONIC },
	};
	pthread_mutex_init(&fake->mutex, NULL);
	fake_records_init(&fake->stream, 8 * 123, capacity);
}

static void
fake_send(struct fake_source *fake, uint32_t count)
{
	pthread_mutex_lock(&fake->mutex);
	for (uint32_t i = 0; i < count; i++)
		fake_records_add(&fake->stream, fake->packets++, PACKET_BYTES,
				 (uint64_t)clock_monotonic_ns());
	pthread_mutex_unlock(&fake->mutex);
}

/* A program that counts and removes, but never ends to seal. */
static char *
slow_sealer(const char *home)
{
	static const char text[] =
		"#!/bin/sh\n"
		"export ASAN_OPTIONS=detect_leaks=0\n" /* no ptrace there */
		"case \"$*\" in *--discard) exec " CAPTURE_PROGRAM " \"$@\";;"
		" esac\nexec sleep 1000\n";
	char *path = scratch_file(home, "sealer.sh",
				  bytes_make(text, sizeof(text) - 1));

	assert_int_equal(chmod(path, 0700), 0);
	return path;
}

static struct recorder *
start(const char *home, const char *program, uint64_t quota,
      struct fake_source *fake)
{
	const struct recorder_settings settings = {
		.home = home,
		.name = "t",
		.node = "n",
		.program = program,
		.quota = quota,
		.segment_bytes = MIB,
	};
	struct recorder *r = NULL;
	struct error error = { 0 };

	if (recorder_open(&settings, &r, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(recorder_attach(r, &fake->source, json_object(), NULL),
			 0);
	return r;
}

/* Packets of all raw files; `*files` is how many these are. */
static uint64_t
raw_packets(const struct recorder *r, int *files)
{
	char *folder = home_path(recorder_directory(r), "raw", NULL);
	DIR *directory = opendir(folder);
	const struct dirent *entry;
	uint64_t count = 0;

	*files = 0;
	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL) {
		struct raw_reader reader;
		struct raw_packet packet;
		struct raw_file file;
		char *path;

		if (!strstr(entry->d_name, ".raw"))
			continue;
		path = home_path(folder, entry->d_name, NULL);
		assert_int_equal(raw_file_open(path, &file, NULL), 0);
		raw_reader_init(&reader, RAW_FORMAT_RECORDS, file.records);
		while (raw_reader_next(&reader, &packet) > 0)
			count++;
		raw_reader_free(&reader);
		raw_file_close(&file);
		free(path);
		(*files)++;
	}
	closedir(directory);
	free(folder);
	return count;
}

/* Packets lost by `cause`, and no others, as capture.json has them. */
static uint64_t
lost_packets(const struct recorder *r, enum loss_cause cause)
{
	char *path = home_path(recorder_directory(r), "capture.json", NULL);
	struct losses losses = { 0 };
	json_t *capture;

	assert_int_equal(json_file_read(path, &capture, NULL), 0);
	losses_parse(json_object_get(capture, "losses"), &losses);
	for (size_t i = 0; i < losses.count; i++) {
		assert_int_equal(losses.items[i].cause, cause);
		assert_true(losses.items[i].packets != LOSS_PACKETS_UNKNOWN);
		assert_true(losses.items[i].from_ns <= losses.items[i].to_ns);
	}
	json_decref(capture);
	free(path);
	return losses_packets(&losses);
}

static void
segments_end_when_full(void **state)
{
	struct recorder_counts counts;
	struct fake_source fake;
	struct recorder *r;
	int files;

	fake_open(&fake, 6 * MIB);
	r = start(*state, "/bin/false", 0, &fake);
	fake_send(&fake, 500);
	recorder_settle(r);
	recorder_counts(r, &counts);
	assert_int_equal(counts.written_bytes, fake.stream.size);
	recorder_detach(r);
	assert_int_equal(raw_packets(r, &files), 500);
	/* One and a record at the most in each. */
	assert_int_equal(files, 4);
	assert_false(recorder_is_sealed(r, 1));
	recorder_end(r, NULL);
	assert_int_equal(lost_packets(r, LOSS_QUOTA), 0);
	recorder_close(r);
	fake_records_free(&fake.stream);
}

/* captured = kept + lost, to the packet, when nothing can be sealed. */
static void
a_small_quota_is_counted(void **state)
{
	char *program = slow_sealer(*state);
	struct fake_source fake;
	struct recorder_counts counts;
	struct recorder *r;
	uint64_t kept;
	int files;
	int64_t until = clock_monotonic_ns() + WAIT_NS;

	fake_open(&fake, 26 * MIB);
	/* The open segment has up to 8 MiB of room taken ahead. */
	r = start(*state, program, 12 * MIB, &fake);
	fake_send(&fake, 3000);
	recorder_settle(r);
	do {
		recorder_tick(r);
		usleep(20000);
		recorder_counts(r, &counts);
	} while ((counts.disk_bytes == 0 ||
		  counts.disk_bytes > counts.quota) &&
		 clock_monotonic_ns() < until);
	assert_true(counts.disk_bytes <= counts.quota);
	recorder_detach(r);
	recorder_end(r, NULL);
	recorder_counts(r, &counts);
	kept = raw_packets(r, &files);
	assert_true(kept < 1600);
	assert_int_equal(kept + counts.lost_quota, 3000);
	assert_int_equal(kept + lost_packets(r, LOSS_QUOTA), 3000);
	recorder_close(r);
	fake_records_free(&fake.stream);
	free(program);
}

/* What the ring lost is told, with packets or without any. */
static void
a_loss_without_packets_is_told(void **state)
{
	struct fake_source fake;
	struct recorder *r;
	json_t *sidecar;
	char *path;
	int files;

	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	fake.lost_ring = 17;
	recorder_detach(r);
	assert_int_equal(raw_packets(r, &files), 0);
	assert_int_equal(files, 1);
	path = home_path(recorder_directory(r), "raw", "000001.json", NULL);
	assert_int_equal(json_file_read(path, &sidecar, NULL), 0);
	assert_int_equal(
		scratch_integer(json_array_get(
			json_object_get(sidecar, "losses"), 0), "packets"),
		17);
	json_decref(sidecar);
	free(path);
	recorder_end(r, NULL);
	assert_int_equal(lost_packets(r, LOSS_RING_FULL), 17);
	recorder_close(r);
	fake_records_free(&fake.stream);
}

/* The losses of a cause on an interface of the namespace; 0: of no one. */
static uint64_t
lost_on(const struct recorder *r, enum loss_cause cause, uint64_t netns)
{
	struct losses losses = { 0 };
	uint64_t packets = 0;
	json_t *capture;
	char *path = home_path(recorder_directory(r), "capture.json", NULL);

	assert_int_equal(json_file_read(path, &capture, NULL), 0);
	losses_parse(json_object_get(capture, "losses"), &losses);
	for (size_t i = 0; i < losses.count; i++) {
		const struct loss *loss = &losses.items[i];

		if (loss->cause != cause || loss->netns != netns)
			continue;
		assert_string_equal(loss->interface,
				    netns && cause != LOSS_KERNEL ? "eth0"
								  : "");
		packets += loss->packets;
	}
	json_decref(capture);
	free(path);
	return packets;
}

/* Two interfaces have one name; what is of neither is told as well, and nothing
 * twice. */
static void
losses_are_told_where_they_were(void **state)
{
	struct fake_source fake;
	struct recorder_counts counts;
	struct recorder *r;

	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	fake.lost_ring = 100;
	fake.lost[0] = 30;
	fake.lost[1] = 60;
	fake.errors[1] = 5;
	fake.drops[0] = 7;
	recorder_counts(r, &counts);
	recorder_counts(r, &counts);
	fake.drops[0] = 8;
	fake.drops[1] = 20;
	fake.lost_ring = 101;
	fake.lost[0] = 40; /* more than the sum: it was asked for before */
	recorder_detach(r);
	recorder_end(r, NULL);
	assert_int_equal(lost_on(r, LOSS_RING_FULL, 70), 31);
	assert_int_equal(lost_on(r, LOSS_RING_FULL, 71), 60);
	assert_int_equal(lost_on(r, LOSS_RING_FULL, 0), 10);
	assert_int_equal(lost_on(r, LOSS_COPY_ERROR, 71), 5);
	assert_int_equal(lost_on(r, LOSS_COPY_ERROR, 70), 0);
	assert_int_equal(lost_on(r, LOSS_COPY_ERROR, 0), 0);
	assert_int_equal(lost_on(r, LOSS_KERNEL, 70), 8);
	assert_int_equal(lost_on(r, LOSS_KERNEL, 71), 20);
	assert_int_equal(lost_on(r, LOSS_KERNEL, 0), 0);
	recorder_close(r);
	fake_records_free(&fake.stream);
}

/* All plaintext of a segment, which is the caller's to free. */
static struct buf
read_plain(const struct recorder *r, const char *name)
{
	char *path = home_path(recorder_directory(r), "raw", name, NULL);
	struct buf text;

	buf_init(&text, 4 * MIB);
	assert_int_equal(file_read(path, &text, NULL), 0);
	free(path);
	return text;
}

/* Without packets too; what is too much for one segment goes to the next. */
static void
plaintext_has_a_file_beside_the_segment(void **state)
{
	uint8_t *records = alloc_zero(1, MIB);
	struct recorder_counts counts;
	struct fake_source fake;
	struct recorder *r;
	struct buf text;
	int files;

	memset(records, 7, MIB);
	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	recorder_take_plain(r, bytes_make(records, 0)); /* nothing */
	recorder_take_plain(r, bytes_make(records, 100));
	records[0] = 9;
	recorder_take_plain(r, bytes_make(records, MIB));
	text = read_plain(r, "000001.plain");
	assert_int_equal(text.size, 100 + MIB);
	assert_int_equal(text.data[0], 7);
	assert_int_equal(text.data[100], 9);
	buf_free(&text);
	recorder_take_plain(r, bytes_make(records, 10));
	text = read_plain(r, "000002.plain");
	assert_int_equal(text.size, 10);
	buf_free(&text);
	recorder_counts(r, &counts);
	assert_int_equal(counts.written_bytes, MIB + 110);
	recorder_detach(r);
	recorder_take_plain(r, bytes_make(records, 10)); /* too late */
	assert_int_equal(raw_packets(r, &files), 0);
	assert_int_equal(files, 2);
	recorder_end(r, NULL);
	recorder_close(r);
	fake_records_free(&fake.stream);
	free(records);
}

/* Plaintext that cannot be kept is lost, and nobody could count it. */
static void
plaintext_without_a_file_is_told(void **state)
{
	static const uint8_t record[10] = { 1 };
	struct losses losses = { 0 };
	struct fake_source fake;
	struct recorder *r;
	json_t *capture;
	char *path;

	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	/* Nothing can be made where a folder is. */
	path = home_path(recorder_directory(r), "raw", "000001.plain", NULL);
	assert_int_equal(file_make_dirs(path, NULL), 0);
	free(path);
	recorder_take_plain(r, bytes_make(record, sizeof(record)));
	recorder_detach(r);
	recorder_end(r, NULL);
	path = home_path(recorder_directory(r), "capture.json", NULL);
	assert_int_equal(json_file_read(path, &capture, NULL), 0);
	losses_parse(json_object_get(capture, "losses"), &losses);
	assert_int_equal(losses.count, 1);
	assert_int_equal(losses.items[0].cause, LOSS_DISK_ERROR);
	assert_true(losses.items[0].packets == LOSS_PACKETS_UNKNOWN);
	json_decref(capture);
	free(path);
	recorder_close(r);
	fake_records_free(&fake.stream);
}

/* From the last sign of life until packets are taken again, not only until
 * the next recorder begins to start. */
static void
a_gap_lasts_until_it_records(void **state)
{
	const struct recorder_settings settings = { .home = *state,
						    .name = "t",
						    .node = "n",
						    .program = "/bin/false" };
	struct losses losses = { 0 };
	struct fake_source fake;
	struct recorder *r;
	json_t *capture;
	int64_t before;
	char *path;

	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	path = home_path(recorder_directory(r), "capture.json", NULL);
	recorder_close(r); /* as if it were killed */
	assert_int_equal(recorder_open(&settings, &r, NULL), 0);
	usleep(2000);
	before = clock_wall_ns();
	assert_int_equal(recorder_attach(r, &fake.source, json_object(), NULL),
			 0);
	assert_int_equal(json_file_read(path, &capture, NULL), 0);
	losses_parse(json_object_get(capture, "losses"), &losses);
	assert_int_equal(losses.count, 1);
	assert_int_equal(losses.items[0].cause, LOSS_RECORDER_DOWN);
	assert_true(losses.items[0].to_ns >= before);
	json_decref(capture);
	recorder_detach(r);
	recorder_end(r, NULL);
	recorder_close(r);
	fake_records_free(&fake.stream);
	free(path);
}

/* A recorder that is killed before a segment told of the gap before it, but
 * after it gave a sign of life: the next one's segment tells of both. */
static void
a_gap_waits_for_a_segment(void **state)
{
	struct losses losses = { 0 };
	struct fake_source fake;
	struct recorder *r;
	int64_t first_end;
	json_t *sidecar;
	int status = 0;
	pid_t child;
	char *path;

	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	recorder_close(r);
	usleep(2000);
	first_end = clock_wall_ns();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		r = start(*state, "/bin/false", 0, &fake);
		path = home_path(recorder_directory(r), "recorder.lock", NULL);
		_exit(utimensat(AT_FDCWD, path, NULL, 0));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	usleep(2000);
	r = start(*state, "/bin/false", 0, &fake);
	recorder_detach(r);
	path = home_path(recorder_directory(r), "raw", "000001.json", NULL);
	assert_int_equal(json_file_read(path, &sidecar, NULL), 0);
	losses_parse(json_object_get(sidecar, "losses"), &losses);
	assert_int_equal(losses.count, 1);
	assert_int_equal(losses.items[0].cause, LOSS_RECORDER_DOWN);
	assert_true(losses.items[0].from_ns < first_end);
	json_decref(sidecar);
	free(path);
	recorder_end(r, NULL);
	recorder_close(r);
	fake_records_free(&fake.stream);
}

static void
nothing_leaves_nothing(void **state)
{
	struct recorder_settings settings = { .home = *state,
					      .name = "t",
					      .node = "n",
					      .program = "/bin/false" };
	struct fake_source fake;
	struct recorder *r;
	int files;

	assert_int_equal(recorder_open(&settings, &r, NULL), 0);
	recorder_end(r, "it could not begin");
	recorder_close(r);
	assert_int_equal(scratch_entries(*state, "captures"), 0);
	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	recorder_tick(r);
	recorder_settle(r);
	recorder_detach(r);
	assert_int_equal(raw_packets(r, &files), 0);
	assert_int_equal(files, 0);
	recorder_end(r, NULL);
	recorder_close(r);
	settings.name = "../t";
	assert_int_equal(recorder_open(&settings, &r, NULL), ERR_INVALID);
	fake_records_free(&fake.stream);
}

/* Packets while the disk is full are counted, those after it are kept. */
static void
a_full_disk_is_lived_through(void **state)
{
	char *captures = home_path(*state, "captures", NULL);
	int64_t until = clock_monotonic_ns() + WAIT_NS;
	struct recorder_counts counts;
	struct fake_source fake;
	struct recorder *r;
	uint64_t lost;
	int files;

	assert_int_equal(file_make_dirs(captures, NULL), 0);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", captures, "tmpfs", 0, "size=64m") < 0) {
		print_message("a disk to be filled needs root\n");
		free(captures);
		skip();
	}
	fake_open(&fake, 80 * MIB);
	r = start(*state, "/bin/false", 0, &fake);
	fake_send(&fake, 9000);
	recorder_settle(r);
	recorder_counts(r, &counts);
	assert_true(counts.disk_full);
	assert_true(counts.lost_disk > 0);
	while (recorder_is_closing(r))
		recorder_tick(r);
	assert_int_equal(raw_packets(r, &files) + counts.lost_disk, 9000);
	assert_int_equal(mount("none", captures, NULL, MS_REMOUNT,
			       "size=96m"), 0);
	do {
		usleep(20000);
		recorder_tick(r);
		recorder_counts(r, &counts);
	} while (counts.disk_full && clock_monotonic_ns() < until);
	lost = counts.lost_disk;
	fake_send(&fake, 300);
	recorder_settle(r);
	recorder_detach(r);
	assert_int_equal(raw_packets(r, &files) + lost, 9300);
	recorder_end(r, NULL);
	assert_int_equal(lost_packets(r, LOSS_DISK_FULL), lost);
	recorder_close(r);
	assert_int_equal(umount(captures), 0);
	fake_records_free(&fake.stream);
	free(captures);
}

/* What waits for a disk that takes nothing would be lost with the recorder: its
 * heartbeat stops, so that the gap after a kill begins before that. */
static void
a_stuck_drain_has_no_heartbeat(void **state)
{
	struct fake_source fake;
	struct recorder *r;
	struct stat lock;
	int64_t stuck_ns, now_ns, beat_ns;
	char *path;

	fake_open(&fake, MIB);
	r = start(*state, "/bin/false", 0, &fake);
	fake_send(&fake, 1);
	recorder_settle(r);
	pthread_mutex_lock(&fake.mutex);
	stuck_ns = clock_wall_ns();
	do {
		usleep(20000);
		recorder_tick(r);
		now_ns = clock_wall_ns();
	} while (now_ns < stuck_ns + 8 * CLOCK_NS_PER_S);
	path = home_path(recorder_directory(r), "recorder.lock", NULL);
	assert_int_equal(stat(path, &lock), 0);
	beat_ns = lock.st_mtim.tv_sec * CLOCK_NS_PER_S + lock.st_mtim.tv_nsec;
	assert_true(beat_ns < stuck_ns + 5 * CLOCK_NS_PER_S);
	pthread_mutex_unlock(&fake.mutex);
	recorder_detach(r);
	assert_int_equal(stat(path, &lock), 0);
	beat_ns = lock.st_mtim.tv_sec * CLOCK_NS_PER_S + lock.st_mtim.tv_nsec;
	assert_true(beat_ns > stuck_ns + 7 * CLOCK_NS_PER_S);
	recorder_end(r, NULL);
	recorder_close(r);
	fake_records_free(&fake.stream);
	free(path);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(segments_end_when_full),
		TEST(a_small_quota_is_counted),
		TEST(a_loss_without_packets_is_told),
		TEST(losses_are_told_where_they_were),
		TEST(plaintext_has_a_file_beside_the_segment),
		TEST(plaintext_without_a_file_is_told),
		TEST(a_gap_lasts_until_it_records),
		TEST(a_gap_waits_for_a_segment),
		TEST(nothing_leaves_nothing),
		TEST(a_full_disk_is_lived_through),
		TEST(a_stuck_drain_has_no_heartbeat),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
