/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/segment_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

/* Answers that came before they were asked for: one a stream, mostly. */
#define EARLY_MAX 32
#define SERVE_MAX 16 /* requests answered in one call */

enum { NOT_ASKED = -1, ASKED = -2 };

struct segment_channel {
	int fd;
	const struct packet_segment *segments;
	uint32_t count;
	struct packet_window window;
	uint32_t early; /* descriptors asked for or held ahead of need */
	int *held;      /* per segment: a descriptor, or one of the above */
};

int
segment_channel_pair(int fds[2], struct error *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set_errno(e, errno, "cannot make a socket");
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		int rc = error_set_errno(e, errno, "cannot set up a socket");

		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	return 0;
}

struct segment_channel *
segment_channel_new(int fd, const struct packet_segment *segments,
		    uint32_t count, struct packet_window window)
{
	struct segment_channel *c = alloc_zero(1, sizeof(*c));

	c->fd = fd;
	c->segments = segments;
	c->count = count;
	c->window = window;
	c->held = alloc_zero(count ? count : 1, sizeof(*c->held));
	for (uint32_t i = 0; i < count; i++)
		c->held[i] = NOT_ASKED;
	return c;
}

void
segment_channel_free(struct segment_channel *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->count; i++)
		if (c->held[i] >= 0)
			close(c->held[i]);
	close(c->fd);
	free(c->held);
	free(c);
}

/* Sends one request; true when the writer has it. */
static bool
ask(struct segment_channel *c, uint32_t index)
{
	ssize_t n;

	if (c->held[index] != NOT_ASKED)
		return true;
	do {
		n = write(c->fd, &index, sizeof(index));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(index))
		return false;
	c->held[index] = ASKED;
	return true;
}

/* The descriptor that came with a message, or -1. */
static int
passed_descriptor(struct msghdr *message)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (control && control->cmsg_level == SOL_SOCKET &&
	    control->cmsg_type == SCM_RIGHTS &&
	    control->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(control), sizeof(fd));
	return fd;
}

/* Receives one answer: `*index` and its descriptor, -1 when there is none. */
static int
receive(int from, uint32_t *index, int *fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { index, sizeof(*index) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*index))
		return ERR_IO;
	*fd = passed_descriptor(&message);
	return 0;
}

/* The segment that will be wanted after this one in its stream. */
static uint32_t
successor(const struct segment_channel *c, uint32_t index)
{
	for (uint32_t i = index + 1; i < c->count; i++) {
		const struct packet_segment *s = &c->segments[i];

		if (s->stream == c->segments[index].stream &&
		    s->last_ns >= c->window.from_ns &&
		    s->first_ns < c->window.to_ns)
			return i;
	}
	return c->count;
}

static void
ask_ahead(struct segment_channel *c, uint32_t index)
{
	uint32_t next = successor(c, index);

	if (next < c->count && c->held[next] == NOT_ASKED &&
	    c->early < EARLY_MAX && ask(c, next))
		c->early++;
}

static int
channel_open(void *context, uint32_t index)
{
	struct segment_channel *c = context;
	bool early;
	int fd;

	if (index >= c->count)
		return ERR_INVALID;
	early = c->held[index] != NOT_ASKED;
	if (!ask(c, index))
		return ERR_IO;
	ask_ahead(c, index);
	while (c->held[index] == ASKED) {
		uint32_t got;

		if (receive(c->fd, &got, &fd) < 0 || got >= c->count)
			return ERR_IO;
		c->held[got] = fd >= 0 ? fd : NOT_ASKED;
		if (fd < 0 && got != index)
			c->early--; /* asked for ahead, in vain */
	}
	fd = c->held[index];
	c->held[index] = NOT_ASKED;
	if (early)
		c->early--;
	return fd >= 0 ? fd : ERR_IO;
}

struct packet_segment_source
segment_channel_source(struct segment_channel *c)
{
	return (struct packet_segment_source){ c, channel_open };
}

/* Sends an answer; 1, or why it did not go out. */
static int
answer(int to, uint32_t index, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { &index, sizeof(index) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *header = &control.header;

		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	if (sendmsg(to, &message, MSG_NOSIGNAL) >= 0)
		return 1;
	return errno == EPIPE || errno == ECONNRESET ? ERR_EMPTY : ERR_CORRUPT;
}

/* Answers one request; 1, 0 when there is none, or a negative error. */
static int
serve_one(int channel, char *const *paths, uint32_t count)
{
	uint32_t index;
	ssize_t n = recv(channel, &index, sizeof(index), MSG_TRUNC);
	int fd, rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return ERR_EMPTY;
	if (n != (ssize_t)sizeof(index) || index >= count)
		return ERR_CORRUPT;
	fd = open(paths[index], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	rc = answer(channel, index, fd);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
segment_channel_serve(int fd, char *const *paths, uint32_t count)
{
	int answered = 0;

	while (answered < SERVE_MAX) {
		int rc = serve_one(fd, paths, count);

		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		answered++;
	}
	return answered;
}
