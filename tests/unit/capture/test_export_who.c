/* SPDX-License-Identifier: Apache-2.0 */
/* Which identity blocks stand in an export, and where. */
#include "capture/export_who.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "capture/home.h"
#include "capture/identity/identity_block.h"
#include "scratch.h"
#include "tests/support/frames.h"
#include "tests/support/identities.h"

#define RAW      101
#define SEEN_MAX 64
#define PLENTY   ((size_t)1 << 20)

static struct frame frame;
static struct buf body;
static char seen[SEEN_MAX * 16];
static struct export_file *file;
static struct export_who *who;
static char *path;

static void
begin(char *home, bool all, size_t memory)
{
	buf_init(&body, 1 << 16);
	path = home_path(home, "out.pcapng", NULL);
	file = export_file_new(path, false, NULL);
	assert_non_null(file);
	who = export_who_new(&(struct export_who_options){
		.file = file, .all = all, .memory_limit = memory });
}

static uint32_t
word(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/* What a block of the file is, in a word: "p1:web" a process and its number,
 * "s1:80" the local port of a process's socket, "." a packet. */
static void
tell_block(uint32_t type, struct bytes in)
{
	size_t used = strlen(seen);
	struct identity_block block;
	char *at = seen + used;
	size_t room = sizeof(seen) - used;

	assert_true(room > 32);
	if (type == PCAPNG_ENHANCED_PACKET)
		snprintf(at, room, " .");
	if (type != PCAPNG_CUSTOM)
		return;
	assert_true(identity_decode(in, &block));
	if (block.kind == IDENTITY_PROCESS)
		snprintf(at, room, " p%d:%.*s", (int)block.process.id,
			 (int)block.process.name.size,
			 (const char *)block.process.name.data);
	else
		snprintf(at, room, " s%d:%d%s", (int)block.socket.process,
			 block.socket.local_port,
			 block.socket.to_ns ? "x" : "");
}

/* Ends the file; the words for its blocks. */
static const char *
blocks(void)
{
	struct buf data;
	uint64_t size;

	export_who_finish(who);
	assert_int_equal(export_file_publish(file, &size, NULL), 0);
	export_file_free(file);
	buf_init(&data, 1 << 20);
	assert_int_equal(file_read(path, &data, NULL), 0);
	seen[0] = '\0';
	for (size_t at = 0; at < data.size;) {
		uint32_t length = word(data.data + at + 4);

		assert_int_equal(length % 4, 0);
		assert_true(length >= 12 && length <= data.size - at);
		tell_block(word(data.data + at),
			   bytes_make(data.data + at + 8, length - 12));
		at += length;
	}
	buf_free(&data);
	return seen;
}

static void
end(void)
{
	export_who_free(who);
	buf_free(&body);
	free(path);
}

static void
process(uint32_t stream, uint64_t id, const char *name)
{
	identities_process(&body, &(struct given_process){
					  .id = id, .pid = 7, .name = name });
	export_who_block(who, stream, buf_view(&body));
}

static void
socket_in(uint32_t stream, struct given_socket s)
{
	s.ip_protocol = 17;
	identities_socket(&body, &s);
	export_who_block(who, stream, buf_view(&body));
}

/* A datagram from 10.0.0.1. */
static void
send(uint16_t from, const char *to, uint16_t port)
{
	struct packet_record r;

	frame_start(&frame, "payload", 7);
	frame_udp(&frame, from, port);
	frame_ipv4(&frame, &(struct frame_ipv4){ .source = "10.0.0.1",
						 .target = to,
						 .protocol = 17,
						 .ttl = 64 });
	r = frame_record(&frame, RAW, SCRATCH_NS);
	export_who_packet(who, &r);
	assert_int_equal(
		export_file_packet(file, &r, bytes_make(NULL, 0), false, NULL),
		0);
}

/* The socket of 10.0.0.1 and a port, to 10.0.0.2 and port 53. */
static struct given_socket
client(uint64_t of, uint16_t port)
{
	return (struct given_socket){ .cookie = port,
				      .process = of,
				      .local = "10.0.0.1",
				      .local_port = port,
				      .remote = "10.0.0.2",
				      .remote_port = 53 };
}

static struct given_socket
listener(uint64_t of, uint16_t port)
{
	return (struct given_socket){ .cookie = port,
				      .process = of,
				      .local = "0.0.0.0",
				      .local_port = port };
}

static void
only_what_packets_need_stands_before_them(void **state)
{
	begin(*state, false, PLENTY);
	process(0, 5, "other");
	process(0, 9, "dig");
	process(0, 4, "named");
	socket_in(0, client(5, 1111));
	socket_in(0, client(9, 2222));
	socket_in(0, listener(4, 53));
	socket_in(0, listener(5, 80));
	send(2222, "10.0.0.2", 53);
	send(2222, "10.0.0.2", 53);
	assert_string_equal(blocks(), " p2:dig s2:2222 p3:named s3:53 . .");
	end();
}

static void
everything_is_kept_once(void **state)
{
	struct given_socket s = client(9, 2222);

	begin(*state, true, PLENTY);
	for (int segment = 0; segment < 3; segment++) {
		process(0, 9, "dig");
		socket_in(0, s);
	}
	send(1, "10.0.0.9", 1);
	process(0, 9, "dug");
	s.to_ns = SCRATCH_NS;
	socket_in(0, s);
	assert_string_equal(blocks(), " p1:dig s1:2222 . p1:dug s1:2222x");
	end();
}

static void
processes_of_two_captures_are_two(void **state)
{
	begin(*state, false, PLENTY);
	process(0, 1, "dig");
	socket_in(0, client(1, 1111));
	process(1, 1, "named");
	socket_in(1, (struct given_socket){ .cookie = 1,
					    .process = 1,
					    .local = "10.0.0.2",
					    .local_port = 53,
					    .remote = "10.0.0.1",
					    .remote_port = 1111 });
	send(1111, "10.0.0.2", 53);
	assert_string_equal(blocks(), " p1:dig s1:1111 p2:named s2:53 .");
	end();
}

static void
what_comes_late_or_changes_is_written_then(void **state)
{
	struct given_socket s = client(1, 1111);

	begin(*state, false, PLENTY);
	send(1111, "10.0.0.2", 53);
	socket_in(0, s); /* its process is not known yet */
	send(1111, "10.0.0.2", 53);
	process(0, 1, "dig");
	socket_in(0, client(1, 4444)); /* of no packet */
	s.to_ns = SCRATCH_NS;
	socket_in(0, s);
	send(1111, "10.0.0.2", 53);
	assert_string_equal(blocks(), " . . p1:dig s1:1111x .");
	end();
}

static void
a_socket_without_its_process_is_nobody(void **state)
{
	begin(*state, false, PLENTY);
	socket_in(0, client(1, 1111));
	send(1111, "10.0.0.2", 53);
	process(0, 2, "dig");
	assert_string_equal(blocks(), " .");
	end();
}

static void
foreign_blocks_are_not_ours_to_copy(void **state)
{
	begin(*state, true, PLENTY);
	export_who_block(who, 0, bytes_of("\x01\x02\x03\x04 somebody's"));
	process(0, 1, "dig");
	export_who_block(who, 0, bytes_first(buf_view(&body), 40));
	assert_string_equal(blocks(), " p1:dig");
	end();
}

/* Ten thousand sockets where there is room for a few: the wanted ones come
 * through, of the others it is counted what did not fit. */
static void
memory_is_bounded(void **state)
{
	begin(*state, false, 16 << 10);
	process(0, 1, "dig");
	send(60000, "10.0.0.2", 53);
	for (uint16_t port = 1; port <= 10000; port++)
		socket_in(0, client(1, port));
	assert_true(export_who_left_out(who) > 9000);
	socket_in(0, client(1, 60000));
	for (uint64_t id = 2; id <= 10000; id++)
		process(0, id, "dig");
	assert_true(export_who_left_out(who) > 18000);
	assert_string_equal(blocks(), " . p1:dig s1:60000");
	end();
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_what_packets_need_stands_before_them),
		TEST(everything_is_kept_once),
		TEST(processes_of_two_captures_are_two),
		TEST(what_comes_late_or_changes_is_written_then),
		TEST(a_socket_without_its_process_is_nobody),
		TEST(foreign_blocks_are_not_ours_to_copy),
		TEST(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
