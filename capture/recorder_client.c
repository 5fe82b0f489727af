/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "capture/home.h"

#define ANSWER_MAX ((size_t)256 << 10)
#define LOOK_MS    100

int
recorder_client_address(const char *directory, struct sockaddr_un *address)
{
	int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (at >= 0)
		snprintf(address->sun_path, sizeof(address->sun_path),
			 "/proc/self/fd/%d/" RECORDER_SOCKET, at);
	return at;
}

int
recorder_client_holder(const char *home, const char *name)
{
	char *path = home_path(home, "captures", name, RECORDER_LOCK, NULL);
	pid_t holder = file_lock_holder(path);

	free(path);
	return (int)holder;
}

static int
client_connect(const struct recorder_question *q, struct error *e)
{
	char *directory = home_path(q->home, "captures", q->name, NULL);
	struct sockaddr_un address;
	int at = recorder_client_address(directory, &address);
	/* A recorder that hangs does not hang whoever asks it: connecting waits
	 * for room in the queue of a socket that blocks. */
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int failed = at < 0 || fd < 0 ||
		     connect(fd, (const struct sockaddr *)&address,
			     sizeof(address)) < 0;

	if (failed && (errno == ENOENT || errno == ECONNREFUSED))
		error_set(e, ERR_NOTFOUND, "nothing records capture \"%s\"",
			  q->name);
	else if (failed && errno == EAGAIN)
		error_set(e, ERR_TIMEOUT,
			  "the recorder of capture \"%s\" does not take "
			  "questions", q->name);
	else if (failed)
		error_set_errno(e, errno,
				"cannot ask the recorder of capture \"%s\"",
				q->name);
	if (at >= 0)
		close(at);
	free(directory);
	if (!failed)
		return fd;
	if (fd >= 0)
		close(fd);
	return e->code;
}

/* Waits in steps, so that a cancelled call ends. */
static int
client_wait(int fd, const struct recorder_question *q, struct error *e)
{
	int64_t until = clock_monotonic_ns() +
			q->timeout_ms * CLOCK_NS_PER_MS;
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	for (;;) {
		if (poll(&polled, 1, LOOK_MS) > 0)
			return 0;
		if (q->cancelled && atomic_load(q->cancelled))
			return error_set(e, ERR_CANCELLED, "cancelled");
		if (clock_monotonic_ns() > until)
			return error_set(e, ERR_TIMEOUT,
					 "the recorder of capture \"%s\" did "
					 "not answer in time", q->name);
	}
}

static int
client_parse(const char *text, size_t size, const struct recorder_question *q,
	     json_t **answer, struct error *e)
{
	json_t *object = json_loadb(text, size, 0, NULL);
	const char *why = json_string_value(json_object_get(object, "error"));

	if (json_is_true(json_object_get(object, "ok"))) {
		*answer = object;
		return 0;
	}
	error_set(e, ERR_STATE, "the recorder of capture \"%s\": %s", q->name,
		  why ? why : "its answer is not understood");
	json_decref(object);
	return ERR_STATE;
}

int
recorder_client_ask(const struct recorder_question *q, json_t **answer,
		    struct error *e)
{
	struct error ignored;
	char *text, request[128];
	ssize_t n = 0;
	int fd, status = 0;

	*answer = NULL;
	e = e ? e : &ignored;
	fd = client_connect(q, e);
	if (fd < 0)
		return fd;
	snprintf(request, sizeof(request), "{\"command\":\"%s\"}", q->command);
	text = alloc_zero(1, ANSWER_MAX);
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		status = error_set_errno(e, errno, "cannot ask the recorder");
	if (status == 0)
		status = client_wait(fd, q, e);
	if (status == 0) {
		n = recv(fd, text, ANSWER_MAX, 0);
		status = n > 0 ? client_parse(text, (size_t)n, q, answer, e)
			       : error_set(e, ERR_NOTFOUND,
					   "the recorder of capture \"%s\" "
					   "ended", q->name);
	}
	free(text);
	close(fd);
	return status;
}
