/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer against a process that was taken over by the descriptors it read:
 * a real process, a real socket, but its body is ours.  None may change a call
 * that is not to be named, nor make the writer wait.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/frame.h"
#include "dissect/event_wire.h"
#include "dissect/job/naming_process.h"
#include "naming_fixture.h"

#define NUMBERED "{\"size\":5,\"message\":{\"1\":\"mug\"}}\n"
#define REFUSED  "sent what it may not"

static void (*attack)(int channel, uint64_t block);

/* Takes the place of dissect/job/naming_process.c. */
_Noreturn void
naming_process_run(const struct naming_setup *setup, int channel, pid_t parent)
{
	(void)parent;
	signal(SIGPIPE, SIG_IGN);
	attack(channel, setup->first_block);
	_exit(0);
}

static void
send_all(int channel, struct buf *wire)
{
	if (file_write_all(channel, wire->data, wire->size) < 0)
		_exit(1);
	buf_reset(wire);
}

static void
put_frame(struct buf *wire, uint8_t type, const uint64_t *numbers, size_t count)
{
	size_t start = frame_begin(wire, type);

	for (size_t i = 0; i < count; i++)
		buf_varint(wire, numbers[i]);
	frame_end(wire, start);
}

/* Asks, and waits for the answer as a whole. */
static void
ask(int channel, uint8_t type, uint64_t which)
{
	uint8_t answer[4096];
	struct buf wire;

	buf_init(&wire, 4096);
	put_frame(&wire, type, &which, 1);
	send_all(channel, &wire);
	if (recv(channel, answer, sizeof(answer), 0) <= 0)
		_exit(1);
	buf_free(&wire);
}

static void
put_block(struct buf *wire, uint64_t id, bool bodies)
{
	struct payload_block block = { .block = id,
				       .bodies = bodies,
				       .raw_size = 10,
				       .compressed = bytes_of("no zstd") };

	event_encode_block(wire, &block);
}

static void
name(int channel, uint64_t call, uint64_t size, uint64_t block, uint64_t offset)
{
	const uint64_t numbers[] = { call, size, block, offset, 0, 0, 0 };
	struct buf wire;

	buf_init(&wire, 4096);
	put_frame(&wire, NAMING_NAMED, numbers, 7);
	send_all(channel, &wire);
	buf_free(&wire);
}

/* What is refused is the last thing that it sends: it waits to be ended. */

static void
calls_never_asked_for(int channel, uint64_t block)
{
	struct buf wire;

	buf_init(&wire, 4096);
	put_block(&wire, block, true);
	send_all(channel, &wire);
	name(channel, 1, 5, block, 0);
	pause();
}

static void
blocks_never_sent(int channel, uint64_t block)
{
	ask(channel, NAMING_CALLS, 0);
	name(channel, 1, 5, block, 0);
	pause();
}

static void
blocks_of_others(int channel, uint64_t block)
{
	ask(channel, NAMING_CALLS, 0);
	name(channel, 1, 5, block - 1, 0);
	pause();
}

static void
beyond_the_largest_block(int channel, uint64_t block)
{
	struct buf wire;

	buf_init(&wire, 4096);
	ask(channel, NAMING_CALLS, 0);
	put_block(&wire, block, true);
	send_all(channel, &wire);
	name(channel, 1, UINT32_MAX, block, UINT32_MAX);
	pause();
}

static void
a_call_twice(int channel, uint64_t block)
{
	ask(channel, NAMING_CALLS, 0);
	name(channel, 2, 0, block, 0);
	name(channel, 2, 0, block, 0);
	pause();
}

static void
heads(int channel, uint64_t block)
{
	struct buf wire;

	buf_init(&wire, 4096);
	put_block(&wire, block, false);
	send_all(channel, &wire);
	pause();
}

static void
a_block_that_is_there(int channel, uint64_t block)
{
	struct buf wire;

	buf_init(&wire, 4096);
	put_block(&wire, block - 1, true);
	send_all(channel, &wire);
	pause();
}

static void
events_of_parsers(int channel, uint64_t block)
{
	struct name_event event = { .name = bytes_of("evil.example") };
	struct buf wire;

	(void)block;
	buf_init(&wire, 4096);
	event_encode_name(&wire, &event);
	send_all(channel, &wire);
	pause();
}

static void
half_a_number(int channel, uint64_t block)
{
	struct buf wire;
	size_t start;

	(void)block;
	buf_init(&wire, 4096);
	ask(channel, NAMING_CALLS, 0);
	start = frame_begin(&wire, NAMING_NAMED);
	buf_varint(&wire, 1);
	buf_u8(&wire, 0x80);
	frame_end(&wire, start);
	send_all(channel, &wire);
	pause();
}

static void
a_block_beyond_all(int channel, uint64_t block)
{
	struct buf wire;
	const uint64_t most = UINT64_MAX;

	(void)block;
	buf_init(&wire, 4096);
	put_frame(&wire, NAMING_BLOCK, &most, 1);
	send_all(channel, &wire);
	pause();
}

/* An answer without calls ends it: nothing is left to be asked. */
static void
ask_behind_the_end(int channel, uint8_t type, uint64_t which)
{
	struct buf wire;

	buf_init(&wire, 4096);
	ask(channel, NAMING_CALLS, 0);
	ask(channel, NAMING_CALLS, NAMING_CALL_COUNT);
	put_frame(&wire, type, &which, 1);
	send_all(channel, &wire);
	pause();
}

static void
calls_behind_the_last(int channel, uint64_t block)
{
	(void)block;
	ask_behind_the_end(channel, NAMING_CALLS, NAMING_CALL_COUNT);
}

static void
a_block_behind_the_last_call(int channel, uint64_t block)
{
	(void)block;
	ask_behind_the_end(channel, NAMING_BLOCK, NAMING_BLOCK_ID);
}

static void
a_frame_of_gigabytes(int channel, uint64_t block)
{
	static const uint8_t start[] = { 0xff, 0xff, 0xff, 0x7f, EVENT_BLOCK };

	(void)block;
	if (write(channel, start, sizeof(start)) == sizeof(start))
		pause();
}

static void
no_end(int channel, uint64_t block)
{
	struct buf wire;

	buf_init(&wire, 1 << 20);
	for (;; block++) {
		put_block(&wire, block, true);
		if (wire.size > 1 << 19)
			send_all(channel, &wire);
	}
}

static void
it_hangs_up(int channel, uint64_t block)
{
	(void)block;
	close(channel);
	pause();
}

static void
it_crashes(int channel, uint64_t block)
{
	(void)channel;
	(void)block;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void
it_says_so_itself(int channel, uint64_t block)
{
	struct buf wire;

	(void)block;
	buf_init(&wire, 4096);
	event_encode_fault(&wire, "no \033[2J room");
	send_all(channel, &wire);
	pause();
}

static void
fails(struct naming_fixture *f, void (*how)(int, uint64_t), const char *why)
{
	const char *fault;

	attack = how;
	fault = naming_run(f);
	if (!strstr(fault, why))
		fail_msg("\"%s\" is not \"%s\"", fault, why);
	for (int64_t id = 1; id <= NAMING_CALL_COUNT; id++)
		assert_string_equal(naming_messages(f, id), NUMBERED);
}

#define ATTACK(how, why)                      \
	static void test_##how(void **state)  \
	{                                     \
		fails(*state, how, why);      \
	}

ATTACK(calls_never_asked_for, REFUSED)
ATTACK(blocks_never_sent, REFUSED)
ATTACK(blocks_of_others, REFUSED)
ATTACK(beyond_the_largest_block, REFUSED)
ATTACK(a_call_twice, REFUSED)
ATTACK(heads, REFUSED)
ATTACK(a_block_that_is_there, REFUSED)
ATTACK(events_of_parsers, REFUSED)
ATTACK(half_a_number, REFUSED)
ATTACK(a_block_beyond_all, REFUSED)
ATTACK(calls_behind_the_last, REFUSED)
ATTACK(a_block_behind_the_last_call, REFUSED)
ATTACK(a_frame_of_gigabytes, REFUSED)
ATTACK(no_end, "sent more than its calls can give")
ATTACK(it_hangs_up, "was killed by signal 9")
ATTACK(it_crashes, "was killed by signal 11")
ATTACK(it_says_so_itself, "gave up: no \\x1b[2J room")

/* It asks again and again and reads nothing: the writer's answer waits, and
 * the writer does not. */
static void
ask_and_never_read(int channel, uint64_t block)
{
	const uint64_t which = NAMING_BLOCK_ID;
	struct buf wire;

	(void)block;
	buf_init(&wire, 1 << 20);
	for (;;) {
		put_frame(&wire, NAMING_BLOCK, &which, 1);
		if (wire.size > 1 << 18)
			send_all(channel, &wire);
	}
}

static void
test_ask_and_never_read(void **state)
{
	struct naming_fixture *f = *state;
	struct naming *n;
	struct pollfd fd;

	attack = ask_and_never_read;
	f->setup.receive_limit = UINT64_MAX;
	assert_int_equal(naming_start(&f->setup, f->store, &n, NULL), 0);
	for (;;) {
		fd = naming_poll(n);
		if (fd.events == POLLOUT && poll(&fd, 1, 0) == 0)
			break;
		assert_true(poll(&fd, 1, -1) > 0);
		assert_int_equal(naming_serve(n, fd.revents), 0);
	}
	assert_false(naming_ended(n));
	naming_free(n);
	assert_string_equal(naming_messages(f, 1), NUMBERED);
}

int
main(void)
{
#define TEST(name)                                                     \
	cmocka_unit_test_setup_teardown(test_##name,                   \
					naming_setup_fixture,          \
					naming_teardown)
	const struct CMUnitTest tests[] = {
		TEST(calls_never_asked_for),
		TEST(blocks_never_sent),
		TEST(blocks_of_others),
		TEST(beyond_the_largest_block),
		TEST(a_call_twice),
		TEST(heads),
		TEST(a_block_that_is_there),
		TEST(events_of_parsers),
		TEST(half_a_number),
		TEST(a_block_beyond_all),
		TEST(calls_behind_the_last),
		TEST(a_block_behind_the_last_call),
		TEST(a_frame_of_gigabytes),
		TEST(no_end),
		TEST(it_hangs_up),
		TEST(it_crashes),
		TEST(it_says_so_itself),
		TEST(ask_and_never_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
