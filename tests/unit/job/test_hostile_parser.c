/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer against parsers that an attacker has taken over, and against the
 * process that names messages: real processes, real pipes, but their bodies are
 * ours.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/file.h"
#include "dissect/event_wire.h"
#include "dissect/job/job_files.h"
#include "dissect/job/naming_process.h"
#include "dissect/job/parser_limits.h"
#include "dissect/job/parser_process.h"
#include "dissect/job/writer.h"

#define CAPTURE_BYTES 100000

struct fixture {
	char directory[40], database[80], part[80], status[80], segment[80];
	struct job_options options;
	struct job_files files;
	struct packet_segment segment_list[1];
	char *paths[1];
	struct snapshot snapshot;
};

/* What the next parser does; it is forked after this was set. */
static void (*attack)(int events, int channel);

static void
send_all(int events, struct buf *wire)
{
	if (file_write_all(events, wire->data, wire->size) < 0)
		_exit(1);
	buf_reset(wire);
}

/* Takes the place of dissect/job/parser_process.c. */
_Noreturn void
parser_process_run(const struct parser_setup *setup, int events, int channel,
		   pid_t parent)
{
	sigset_t none;

	(void)setup;
	(void)parent;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	attack(events, channel);
	_exit(0);
}

/* The same for the process that comes after the parsers. */
static void (*naming_attack)(pid_t writer);

_Noreturn void
naming_process_run(const struct naming_setup *setup, int channel, pid_t parent)
{
	(void)setup;
	(void)channel;
	naming_attack(parent);
	_exit(0);
}

static struct call_event
plain_call(void)
{
	struct call_event call = { .protocol = PROTOCOL_http,
				   .flags = CALL_HAS_REQUEST,
				   .ip_protocol = 6,
				   .status = -1 };

	call.fields[FIELD_PATH] = bytes_of("/never/captured");
	call.request.first_ns = call.request.last_ns = 1;
	return call;
}

/* Impeccable calls, without end. */
static void
flood_of_calls(int events, int channel)
{
	struct event_memory memory = { 0 };
	struct call_event call = plain_call();
	struct buf wire;

	(void)channel;
	buf_init(&wire, 1 << 20);
	for (uint16_t i = 0;; i++) {
		call.client.port = i;
		event_encode_call(&wire, &memory, &call);
		if (wire.size > 1 << 19)
			send_all(events, &wire);
	}
}

/* Blocks in good order, full of noise, without end. */
static void
flood_of_blocks(int events, int channel)
{
	static uint8_t noise[200000];
	struct payload_block block = { .raw_size = sizeof(noise) };
	struct buf wire;

	(void)channel;
	buf_init(&wire, 1 << 20);
	block.compressed = bytes_make(noise, sizeof(noise));
	for (;; block.block += 2) {
		event_encode_block(&wire, &block);
		send_all(events, &wire);
	}
}

/* A frame that announces much and never comes; the pipe stays open. */
static void
frame_without_end(int events, int channel)
{
	static const uint8_t start[] = { 0xff, 0xff, 0xff, 0x7f, EVENT_CALL };
	ssize_t sent = write(events, start, sizeof(start));

	(void)channel;
	if (sent == sizeof(start))
		pause();
}

static void
segment_that_is_not_there(int events, int channel)
{
	uint32_t index = 7;
	ssize_t sent = write(channel, &index, sizeof(index));

	(void)events;
	if (sent == sizeof(index))
		pause();
}

/* A good parser, which saw a server tell its types. */
static void
types_of_a_server(int events, int channel)
{
	struct descriptor_event event = { .name = bytes_of("a.proto"),
					  .file = bytes_of("\x0a\x01x") };
	struct event_progress progress = { .packets = 1 };
	struct buf wire;

	(void)channel;
	buf_init(&wire, 1 << 20);
	event_encode_descriptor(&wire, &event);
	event_encode_done(&wire, &progress);
	send_all(events, &wire);
}

static void
naming_never_ends(pid_t writer)
{
	kill(writer, SIGTERM);
	pause();
}

static void
naming_crashes(pid_t writer)
{
	(void)writer;
	signal(SIGSYS, SIG_DFL); /* cmocka has one */
	raise(SIGSYS);
}

static int
setup(void **state)
{
	static char words[7][12] = { "test", "--snapshot", "s", "--name", "n",
				     "--parsers", "1" };
	char *arguments[7] = { words[0], words[1], words[2], words[3],
			       words[4], words[5], words[6] };
	struct fixture *f = calloc(1, sizeof(*f));

	memcpy(f->directory, "/tmp/at-hostile-XXXXXX", 23);
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->database, 80, "%s/d.sqlite", f->directory);
	snprintf(f->part, 80, "%s/d.sqlite.part", f->directory);
	snprintf(f->status, 80, "%s/d.json", f->directory);
	snprintf(f->segment, 80, "%s/segment", f->directory);
	assert_int_equal(job_options_parse(&f->options, 7, arguments, NULL), 0);
	f->options.lifeline = -1;
	f->files = (struct job_files){ .database = f->database,
				       .part = f->part,
				       .status = f->status,
				       .lock_fd = -1 };
	f->segment_list[0].last_ns = 1;
	f->paths[0] = f->segment;
	f->snapshot = (struct snapshot){ .segments = f->segment_list,
					 .segment_count = 1,
					 .window = { 0, 2 },
					 .paths = f->paths };
	f->snapshot.manifest = json_pack("{s[{si}]}", "segments",
					 "uncompressed_bytes", CAPTURE_BYTES);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	json_decref(f->snapshot.manifest);
	unlink(f->database);
	unlink(f->status);
	rmdir(f->directory);
	free(f);
	return 0;
}

static uint64_t
event_limit(const struct fixture *f)
{
	struct parser_setup setup = { .options = &f->options,
				      .uncompressed_bytes = CAPTURE_BYTES };

	return parser_event_limit(&setup);
}

/* Runs the attack: it must fail, say why, and leave a sound partial result
 * of no more than `most` bytes. */
static void
attack_fails(struct fixture *f, void (*how)(int, int), const char *why,
	     uint64_t most)
{
	struct error e = { 0 };
	sqlite3_stmt *s;
	struct stat info;
	sqlite3 *db;

	attack = how;
	assert_int_equal(writer_run(&f->options, &f->snapshot, &f->files, &e),
			 JOB_FAILED);
	assert_int_equal(stat(f->database, &info), 0);
	assert_true((uint64_t)info.st_size <= most);
	assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT (SELECT value FROM meta "
					    "WHERE key = 'state'), text, "
					    "(SELECT * FROM "
					    "pragma_quick_check) FROM faults",
					    -1, &s, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(s, 0),
			    "\"partial\"");
	assert_non_null(strstr((const char *)sqlite3_column_text(s, 1), why));
	assert_string_equal((const char *)sqlite3_column_text(s, 2), "ok");
	sqlite3_finalize(s);
	sqlite3_close(db);
}

static void
calls_without_end(void **state)
{
	struct fixture *f = *state;

	/* A row has a byte for each of its columns, though an event has not. */
	attack_fails(f, flood_of_calls, "more than its packets can give",
		     3 * event_limit(f));
}

static void
blocks_without_end(void **state)
{
	struct fixture *f = *state;

	attack_fails(f, flood_of_blocks, "more than its packets can give",
		     event_limit(f) + (1 << 20));
}

static void
an_endless_frame(void **state)
{
	attack_fails(*state, frame_without_end, "not an event", 1 << 20);
}

static void
a_segment_of_somebody_else(void **state)
{
	attack_fails(*state, segment_that_is_not_there,
		     "a segment it may not have", 1 << 20);
}

/* Whatever becomes of names: the calls are there, and the run is complete. */
static void
naming_fails(struct fixture *f, void (*how)(pid_t), const char *why)
{
	struct error e = { 0 };
	sqlite3_stmt *s;
	sqlite3 *db;

	attack = types_of_a_server;
	naming_attack = how;
	assert_int_equal(writer_run(&f->options, &f->snapshot, &f->files, &e),
			 JOB_COMPLETED);
	assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT (SELECT value FROM meta "
					    "WHERE key = 'state'), text "
					    "FROM faults WHERE kind = 'naming'",
					    -1, &s, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(s, 0),
			    "\"completed\"");
	assert_non_null(strstr((const char *)sqlite3_column_text(s, 1), why));
	assert_int_equal(sqlite3_step(s), SQLITE_DONE);
	sqlite3_finalize(s);
	sqlite3_close(db);
}

static void
naming_that_is_cancelled(void **state)
{
	naming_fails(*state, naming_never_ends, "cancelled before");
}

static void
naming_that_dies(void **state)
{
	naming_fails(*state, naming_crashes, "killed by signal 31 (SIGSYS)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(calls_without_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(blocks_without_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_endless_frame, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_segment_of_somebody_else,
						setup, teardown),
		cmocka_unit_test_setup_teardown(naming_that_is_cancelled,
						setup, teardown),
		cmocka_unit_test_setup_teardown(naming_that_dies, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
