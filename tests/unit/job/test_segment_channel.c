/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends live in this process; the writer's end is served by hand. */
#include "dissect/job/segment_channel.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

#define SEGMENTS 4

/* Two streams: 0 and 2, 1 and 3; one file each, holding its number. */
static const struct packet_segment segments[SEGMENTS] = {
	{ .stream = 0, .first_ns = 0, .last_ns = 9 },
	{ .stream = 1, .first_ns = 0, .last_ns = 9 },
	{ .stream = 0, .first_ns = 10, .last_ns = 19 },
	{ .stream = 1, .first_ns = 10, .last_ns = 19 },
};
static const struct packet_window everything = { INT64_MIN, INT64_MAX };

struct fixture {
	char folder[32];
	char *paths[SEGMENTS];
	int fds[2];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memcpy(f->folder, "/tmp/at-channel-XXXXXX", 23);
	assert_non_null(mkdtemp(f->folder));
	for (int i = 0; i < SEGMENTS; i++) {
		FILE *out;

		f->paths[i] = alloc_format("%s/%d", f->folder, i);
		out = fopen(f->paths[i], "w");
		fputc('0' + i, out);
		fclose(out);
	}
	assert_int_equal(segment_channel_pair(f->fds, NULL), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < SEGMENTS; i++) {
		unlink(f->paths[i]);
		free(f->paths[i]);
	}
	rmdir(f->folder);
	close(f->fds[0]);
	free(f);
	return 0;
}

/* A child that serves until the parser's end is closed. */
static pid_t
serve_in_child(struct fixture *f)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(f->fds[1]);
	for (;;) {
		if (segment_channel_serve(f->fds[0], f->paths, SEGMENTS) < 0)
			_exit(0);
		usleep(100);
	}
}

static int
opened(struct packet_segment_source source, uint32_t index)
{
	int fd = source.open(source.context, index);
	char number = '?';

	if (fd < 0)
		return fd;
	assert_int_equal(read(fd, &number, 1), 1);
	close(fd);
	return number - '0';
}

static void
each_segment_comes_as_asked_in_any_order(void **state)
{
	static const uint32_t order[] = { 0, 1, 3, 2, 2, 0, 1, 3 };
	struct fixture *f = *state;
	pid_t server = serve_in_child(f);
	struct segment_channel *c = segment_channel_new(
		f->fds[1], segments, SEGMENTS, everything);
	struct packet_segment_source source = segment_channel_source(c);
	int how;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		assert_int_equal(opened(source, order[i]), order[i]);
	segment_channel_free(c);
	assert_int_equal(waitpid(server, &how, 0), server);
	assert_int_equal(how, 0);
}

static void
a_segment_that_cannot_be_opened_is_an_error_and_the_rest_goes_on(void **state)
{
	struct fixture *f = *state;
	struct packet_segment_source source;
	struct segment_channel *c;
	pid_t server;

	unlink(f->paths[2]);
	server = serve_in_child(f);
	c = segment_channel_new(f->fds[1], segments, SEGMENTS, everything);
	source = segment_channel_source(c);
	assert_int_equal(opened(source, 0), 0);
	assert_true(opened(source, 2) < 0);
	assert_int_equal(opened(source, 3), 3);
	assert_true(opened(source, SEGMENTS) < 0);
	segment_channel_free(c);
	waitpid(server, NULL, 0);
}

static void
the_end_of_the_writer_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct segment_channel *c = segment_channel_new(
		f->fds[1], segments, SEGMENTS, everything);
	struct packet_segment_source source = segment_channel_source(c);

	signal(SIGPIPE, SIG_IGN);
	shutdown(f->fds[0], SHUT_RDWR);
	assert_true(source.open(source.context, 0) < 0);
	segment_channel_free(c);
}

static void
a_request_that_makes_no_sense_is_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t index = SEGMENTS;

	assert_int_equal(write(f->fds[1], &index, sizeof(index)), 4);
	assert_int_equal(segment_channel_serve(f->fds[0], f->paths, SEGMENTS),
			 ERR_CORRUPT);
	assert_int_equal(write(f->fds[1], "short", 3), 3);
	assert_int_equal(segment_channel_serve(f->fds[0], f->paths, SEGMENTS),
			 ERR_CORRUPT);
	assert_int_equal(write(f->fds[1], "too long for one", 16), 16);
	assert_int_equal(segment_channel_serve(f->fds[0], f->paths, SEGMENTS),
			 ERR_CORRUPT);
	close(f->fds[1]);
}

static void
who_asks_and_never_takes_is_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t index = 0;
	int rc = 0;

	for (int i = 0; i < 100000 && rc >= 0; i++) {
		if (send(f->fds[1], &index, sizeof(index), MSG_DONTWAIT) < 0)
			break;
		rc = segment_channel_serve(f->fds[0], f->paths, SEGMENTS);
	}
	assert_int_equal(rc, ERR_CORRUPT);
	close(f->fds[1]);
}

static void
the_end_of_the_parser_is_told(void **state)
{
	struct fixture *f = *state;

	close(f->fds[1]);
	assert_int_equal(segment_channel_serve(f->fds[0], f->paths, SEGMENTS),
			 ERR_EMPTY);
}

static void
nothing_asked_is_nothing_answered(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(segment_channel_serve(f->fds[0], f->paths, SEGMENTS),
			 0);
	close(f->fds[1]);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_segment_comes_as_asked_in_any_order),
		TEST(a_segment_that_cannot_be_opened_is_an_error_and_the_rest_goes_on),
		TEST(the_end_of_the_writer_is_an_error),
		TEST(a_request_that_makes_no_sense_is_refused),
		TEST(who_asks_and_never_takes_is_refused),
		TEST(the_end_of_the_parser_is_told),
		TEST(nothing_asked_is_nothing_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
