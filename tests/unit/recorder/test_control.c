/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: who is answered, and what comes of any message. */
#include "capture/recorder/control.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/home.h"
#include "capture/recorder_client.h"
#include "scratch.h"

#define NOBODY 65534

static int
dial(const char *directory)
{
	struct sockaddr_un address;
	int at = recorder_client_address(directory, &address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = 10 };

	assert_true(at >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
				    sizeof(patience)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address,
				 sizeof(address)), 0);
	close(at);
	return fd;
}

/* Says the command back; "later" is answered later. */
static json_t *
echo(void *context, const char *command, struct control_client *client)
{
	++*(int *)context;
	if (strcmp(command, "long") == 0) {
		char *text = calloc(1, CONTROL_ANSWER_MAX + 1);
		json_t *answer;

		assert_non_null(text);
		memset(text, 'x', CONTROL_ANSWER_MAX);
		answer = json_pack("{s:b,s:s}", "ok", 1, "text", text);
		free(text);
		return answer;
	}
	if (strcmp(command, "later") != 0)
		return json_pack("{s:b,s:s}", "ok", 1, "command", command);
	client->waiting = true;
	return NULL;
}

/* Waits for what one message brings: its answer (to be freed), or NULL when
 * the peer was hung up on. */
static json_t *
answer_of(int fd)
{
	char text[4096];
	ssize_t n = recv(fd, text, sizeof(text), 0);
	json_t *answer;

	assert_true(n >= 0 || errno == ECONNRESET);
	if (n <= 0)
		return NULL;
	answer = json_loadb(text, (size_t)n, 0, NULL);
	assert_non_null(answer);
	return answer;
}

static void
expect_error(int fd, const char *part)
{
	json_t *answer = answer_of(fd);

	assert_non_null(answer);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_non_null(strstr(scratch_string(answer, "error"), part));
	json_decref(answer);
}

static void
say(struct control *c, int fd, struct bytes message, int *handled)
{
	assert_int_equal(send(fd, message.data, message.size, 0),
			 message.size);
	control_dispatch(c, echo, handled);
	control_dispatch(c, echo, handled); /* accepted by then */
}

static void
commands_are_answered(void **state)
{
	struct control *c = NULL;
	int handled = 0, fd;
	json_t *answer;
	struct stat info;
	char *path = home_path(*state, RECORDER_SOCKET, NULL);

	assert_int_equal(control_open(*state, &c, NULL), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	fd = dial(*state);
	say(c, fd, bytes_of("{\"command\":\"status\"}"), &handled);
	answer = answer_of(fd);
	assert_string_equal(scratch_string(answer, "command"), "status");
	json_decref(answer);
	assert_int_equal(handled, 1);
	close(fd);
	control_close(c);
	assert_int_equal(stat(path, &info), -1);
	free(path);
}

static void
nonsense_is_refused(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "{\"command\":3}",
					   ("{\"command\":\"a\","
					    "\"command\":\"b\"}"),
					   "\xff\xfe", "null" };
	struct control *c = NULL;
	char huge[CONTROL_REQUEST_MAX + 1];
	int handled = 0, fd;

	assert_int_equal(control_open(*state, &c, NULL), 0);
	fd = dial(*state);
	for (size_t i = 1; i < sizeof(bad) / sizeof(*bad); i++) {
		say(c, fd, bytes_of(bad[i]), &handled);
		expect_error(fd, "command");
	}
	memset(huge, ' ', sizeof(huge));
	say(c, fd, bytes_make(huge, sizeof(huge)), &handled);
	expect_error(fd, "too long");
	say(c, fd, bytes_of("{\"command\":\"long\"}"), &handled);
	expect_error(fd, "too long");
	assert_int_equal(handled, 1);
	/* An empty message looks like an end, and is one. */
	say(c, fd, bytes_of(bad[0]), &handled);
	assert_null(answer_of(fd));
	close(fd);
	control_close(c);
}

static void
answers_may_come_later(void **state)
{
	struct control *c = NULL;
	struct control_client *client;
	int handled = 0, fd, gone;
	json_t *answer;

	assert_int_equal(control_open(*state, &c, NULL), 0);
	assert_null(control_waiting(c, NULL));
	gone = dial(*state);
	say(c, gone, bytes_of("{\"command\":\"later\"}"), &handled);
	fd = dial(*state);
	say(c, fd, bytes_of("{\"command\":\"later\"}"), &handled);
	client = control_waiting(c, control_waiting(c, NULL));
	assert_non_null(client);
	assert_null(control_waiting(c, client));
	control_answer(client, json_pack("{s:b}", "ok", 1));
	answer = answer_of(fd);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	/* Who says more before it was answered is hung up on. */
	say(c, gone, bytes_of("{\"command\":\"status\"}"), &handled);
	assert_null(answer_of(gone));
	assert_null(control_waiting(c, NULL));
	/* Who is gone does not hurt. */
	say(c, fd, bytes_of("{\"command\":\"later\"}"), &handled);
	close(fd);
	client = control_waiting(c, NULL);
	assert_non_null(client);
	control_answer(client, json_pack("{s:b}", "ok", 1));
	assert_null(control_waiting(c, NULL));
	assert_int_equal(handled, 3);
	close(gone);
	control_close(c);
}

/* More than there is room for are hung up on, and those who came stay. */
static void
clients_are_bounded(void **state)
{
	struct pollfd polled[1 + CONTROL_CLIENTS];
	struct control *c = NULL;
	int fds[CONTROL_CLIENTS + 1], handled = 0;
	json_t *answer;

	assert_int_equal(control_open(*state, &c, NULL), 0);
	assert_int_equal(control_poll(c, polled), 1);
	for (size_t i = 0; i <= CONTROL_CLIENTS; i++) {
		fds[i] = dial(*state);
		control_dispatch(c, echo, &handled);
	}
	assert_int_equal(control_poll(c, polled), 1 + CONTROL_CLIENTS);
	assert_null(answer_of(fds[CONTROL_CLIENTS]));
	say(c, fds[0], bytes_of("{\"command\":\"x\"}"), &handled);
	answer = answer_of(fds[0]);
	assert_string_equal(scratch_string(answer, "command"), "x");
	json_decref(answer);
	for (size_t i = 0; i <= CONTROL_CLIENTS; i++)
		close(fds[i]);
	control_dispatch(c, echo, &handled);
	assert_int_equal(control_poll(c, polled), 1);
	control_close(c);
}

/* As another user, in a process of its own: 0 when it is hung up on without
 * an answer. */
static int
stranger(const char *directory, struct control *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = RECORDER_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), handled = 0;
	char text[64];

	if (chdir(directory) < 0 || setresuid(NOBODY, NOBODY, 0) < 0 ||
	    connect(fd, (const struct sockaddr *)&address,
		    sizeof(address)) < 0 ||
	    send(fd, "{\"command\":\"stop\"}", 18, 0) != 18)
		return 1;
	if (setresuid(0, 0, 0) < 0) /* the recorder is root again */
		return 2;
	control_dispatch(c, echo, &handled);
	control_dispatch(c, echo, &handled);
	if (handled != 0)
		return 3;
	return recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0 ? 4 : 0;
}

/* Root asks a recorder that is another user: 0 when it is answered. */
static int
administrator(const char *directory, struct control *c)
{
	int fd = dial(directory), handled = 0;
	char text[64];

	if (seteuid(NOBODY) < 0 ||
	    send(fd, "{\"command\":\"stop\"}", 18, 0) != 18)
		return 1;
	control_dispatch(c, echo, &handled);
	control_dispatch(c, echo, &handled);
	return handled == 1 && recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0
		       ? 0
		       : 2;
}

static int
in_child(int (*run)(const char *directory, struct control *c),
	 const char *directory, struct control *c)
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(run(directory, c));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
other_users_are_not_answered(void **state)
{
	struct control *c = NULL;
	char *path = home_path(*state, RECORDER_SOCKET, NULL);

	if (geteuid() != 0) {
		print_message("another user is had by root only\n");
		free(path);
		skip();
	}
	assert_int_equal(control_open(*state, &c, NULL), 0);
	/* Even if the file's mode let it: it is who asks that counts. */
	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(in_child(stranger, *state, c), 0);
	assert_int_equal(in_child(administrator, *state, c), 0);
	control_close(c);
	free(path);
}

static void
what_is_left_is_replaced(void **state)
{
	struct control *c = NULL;
	struct error error = { 0 };
	char *nowhere = home_path(*state, "nowhere", NULL);
	int fd;

	free(scratch_file(*state, RECORDER_SOCKET, bytes_of("left")));
	assert_int_equal(control_open(*state, &c, NULL), 0);
	fd = dial(*state);
	close(fd);
	control_close(c);
	assert_true(control_open(nowhere, &c, &error) < 0);
	assert_non_null(strstr(error.text, "nowhere"));
	free(nowhere);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(commands_are_answered),
		TEST(nonsense_is_refused),
		TEST(answers_may_come_later),
		TEST(clients_are_bounded),
		TEST(other_users_are_not_answered),
		TEST(what_is_left_is_replaced),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
