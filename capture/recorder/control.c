/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "capture/home.h"
#include "capture/recorder_client.h"

struct control {
	int listener;
	char *path;
	struct control_client clients[CONTROL_CLIENTS];
};

json_t *
control_refusal(const char *text)
{
	return json_pack("{s:b,s:s}", "ok", 0, "error", text);
}

static int
control_bind(const char *directory, struct error *e)
{
	struct sockaddr_un address;
	int at = recorder_client_address(directory, &address);
	int fd = socket(AF_UNIX,
			SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0177);

	if (at < 0 || fd < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, CONTROL_CLIENTS) < 0) {
		error_set_errno(e, errno, "cannot listen in %s", directory);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	(void)umask(mask);
	if (at >= 0)
		close(at);
	return fd;
}

int
control_open(const char *directory, struct control **out, struct error *e)
{
	struct control *c = alloc_zero(1, sizeof(*c));

	c->path = home_path(directory, RECORDER_SOCKET, NULL);
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		c->clients[i].fd = -1;
	/* The lock is ours: whoever made this one is gone. */
	(void)unlink(c->path);
	c->listener = control_bind(directory, e);
	if (c->listener < 0) {
		free(c->path);
		free(c);
		return e ? e->code : ERR_IO;
	}
	*out = c;
	return 0;
}

static void
client_close(struct control_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	*client = (struct control_client){ .fd = -1 };
}

void
control_close(struct control *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		client_close(&c->clients[i]);
	close(c->listener);
	(void)unlink(c->path);
	free(c->path);
	free(c);
}

size_t
control_poll(const struct control *c, struct pollfd *polled)
{
	size_t count = 0;

	polled[count++] = (struct pollfd){ c->listener, POLLIN, 0 };
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i].fd >= 0)
			polled[count++] = (struct pollfd){ c->clients[i].fd,
							   POLLIN, 0 };
	return count;
}

static bool
control_may_ask(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void
control_accept(struct control *c)
{
	int fd = accept4(c->listener, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS && control_may_ask(fd); i++)
		if (c->clients[i].fd < 0) {
			c->clients[i] = (struct control_client){ .fd = fd };
			return;
		}
	close(fd);
}

void
control_answer(struct control_client *client, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);
	size_t size = text ? strlen(text) : 0;

	client->waiting = false;
	json_decref(answer);
	if (size == 0 || size > CONTROL_ANSWER_MAX) {
		free(text);
		text = alloc_string("{\"ok\":false,\"error\":"
				    "\"the answer is too long\"}");
		size = strlen(text);
	}
	/* Who does not read its answer in time does not get it. */
	if (send(client->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		client_close(client);
	free(text);
}

static void
client_handle(struct control_client *client, char *text,
	      json_t *(*handle)(void *context, const char *command,
				struct control_client *client),
	      void *context)
{
	json_t *request = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *command =
		json_string_value(json_object_get(request, "command"));
	json_t *answer;

	if (command)
		answer = handle(context, command, client);
	else
		answer = control_refusal("a request is an object with a "
					 "\"command\"");
	json_decref(request);
	if (answer)
		control_answer(client, answer);
}

static void
client_read(struct control_client *client,
	    json_t *(*handle)(void *context, const char *command,
			      struct control_client *client),
	    void *context)
{
	char text[CONTROL_REQUEST_MAX + 1];
	ssize_t n = recv(client->fd, text, sizeof(text), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || client->waiting) {
		client_close(client);
		return;
	}
	if ((size_t)n > CONTROL_REQUEST_MAX) {
		control_answer(client, control_refusal("the request is too "
						       "long"));
		return;
	}
	text[n] = '\0';
	client_handle(client, text, handle, context);
}

void
control_dispatch(struct control *c,
		 json_t *(*handle)(void *context, const char *command,
				   struct control_client *client),
		 void *context)
{
	control_accept(c);
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i].fd >= 0)
			client_read(&c->clients[i], handle, context);
}

struct control_client *
control_waiting(struct control *c, struct control_client *after)
{
	size_t i = after ? (size_t)(after - c->clients) + 1 : 0;

	for (; i < CONTROL_CLIENTS; i++)
		if (c->clients[i].fd >= 0 && c->clients[i].waiting)
			return &c->clients[i];
	return NULL;
}
