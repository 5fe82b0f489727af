/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/socket_diag.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/alloc.h"

#define ANSWER_BYTES ((size_t)64 << 10)
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* One namespace, asked in a thread of its own, since setns(2) is for good. */
struct diag {
	const char *namespace_path;
	struct socket_list *list;
	uint32_t netns;
	uint64_t netns_cookie;
	int rc;
	int problem; /* errno */
};

static void
diag_add(struct diag *d, const struct inet_diag_msg *message, uint8_t protocol)
{
	struct socket_list *list = d->list;
	struct owner_socket *s;

	if (message->idiag_inode == 0 || list->count >= SOCKET_LIST_MAX)
		return;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 256;
		list->at = alloc_resize(list->at, list->capacity,
					sizeof(*list->at));
	}
	s = &list->at[list->count++];
	*s = (struct owner_socket){
		.head.kind = OWNER_SOCKET,
		.cookie = (uint64_t)message->id.idiag_cookie[1] << 32 |
			  message->id.idiag_cookie[0],
		.netns_cookie = d->netns_cookie,
		.inode = message->idiag_inode,
		.netns = d->netns,
		.family = message->idiag_family,
		.local_port = ntohs(message->id.idiag_sport),
		.remote_port = ntohs(message->id.idiag_dport),
		.ip_protocol = protocol,
		.state = message->idiag_state,
	};
	memcpy(s->local, message->id.idiag_src, sizeof(s->local));
	memcpy(s->remote, message->id.idiag_dst, sizeof(s->remote));
}

/* True while more answers follow. */
static bool
diag_take(struct diag *d, const uint8_t *answer, size_t size,
	  uint8_t protocol)
{
	while (size >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr head;
		struct inet_diag_msg message;
		size_t step;

		memcpy(&head, answer, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > size ||
		    head.nlmsg_type == NLMSG_DONE)
			return false;
		if (head.nlmsg_type == NLMSG_ERROR) {
			d->rc = ERR_IO;
			return false;
		}
		if (head.nlmsg_len >= NLMSG_HDRLEN + sizeof(message)) {
			memcpy(&message, answer + NLMSG_HDRLEN,
			       sizeof(message));
			diag_add(d, &message, protocol);
		}
		step = NLMSG_ALIGN(head.nlmsg_len);
		if (step >= size)
			return true;
		answer += step;
		size -= step;
	}
	return true;
}

static void
diag_dump(struct diag *d, int fd, uint8_t family, uint8_t protocol)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = family,
			  .sdiag_protocol = protocol,
			  .idiag_states = UINT32_MAX },
	};
	uint8_t *answer = alloc_zero(ANSWER_BYTES, 1);
	ssize_t n = send(fd, &request, sizeof(request), 0);

	while (n > 0) {
		n = recv(fd, answer, ANSWER_BYTES, 0);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n > 0 && !diag_take(d, answer, (size_t)n, protocol))
			break;
	}
	if (n <= 0) {
		d->rc = ERR_IO;
		d->problem = errno;
	}
	free(answer);
}

static int
diag_enter(struct diag *d)
{
	const char *path = d->namespace_path;
	int fd = open(path ? path : "/proc/thread-self/ns/net",
		      O_RDONLY | O_CLOEXEC);
	struct stat info;
	int rc = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &info) < 0 || (path && setns(fd, CLONE_NEWNET) < 0))
		rc = -1;
	else
		d->netns = (uint32_t)info.st_ino;
	close(fd);
	return rc;
}

static void *
diag_run(void *context)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct diag *d = context;
	socklen_t size = sizeof(d->netns_cookie);
	int fd = -1;

	if (diag_enter(d) == 0)
		fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			    NETLINK_SOCK_DIAG);
	if (fd < 0) {
		d->problem = errno;
		d->rc = ERR_IO;
		return NULL;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &d->netns_cookie,
		       &size) < 0)
		d->netns_cookie = 0;
	for (size_t i = 0; i < 2; i++) {
		diag_dump(d, fd, families[i], IPPROTO_TCP);
		diag_dump(d, fd, families[i], IPPROTO_UDP);
	}
	close(fd);
	return NULL;
}

int
socket_diag_list(const char *namespace_path, struct socket_list *list,
		 struct error *e)
{
	struct diag d = { .namespace_path = namespace_path, .list = list };
	pthread_t thread;
	int problem = pthread_create(&thread, NULL, diag_run, &d);

	if (problem == 0)
		pthread_join(thread, NULL);
	else
		return error_set_errno(e, problem, "cannot make a thread");
	if (d.rc < 0)
		return error_set_errno(e, d.problem,
				       "cannot list the sockets of \"%s\"",
				       namespace_path ? namespace_path
						      : "the own namespace");
	return 0;
}
