/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/alloc.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define NAMED_NAMESPACES "/run/netns/"
/* One answer of rtnetlink is at most this long. */
#define ANSWER_SIZE (64u << 10)

struct errand {
	int descriptor;
	int (*work)(void *context);
	void *context;
	int status;
	int entered; /* 0 or an errno */
};

int
namespace_open(const char *name, struct error *e)
{
	char *path = strchr(name, '/') ?
			     alloc_string(name) :
			     alloc_format(NAMED_NAMESPACES "%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		error_set_errno(e, errno, "the network namespace %s", path);
	free(path);
	return fd < 0 ? (errno == ENOENT ? ERR_NOTFOUND : ERR_DENIED) : fd;
}

static void *
errand_run(void *argument)
{
	struct errand *errand = argument;

	if (setns(errand->descriptor, CLONE_NEWNET) < 0)
		errand->entered = errno;
	else
		errand->status = errand->work(errand->context);
	return NULL;
}

int
namespace_run(int descriptor, int (*work)(void *context), void *context,
	      struct error *e)
{
	struct errand errand = { descriptor, work, context, 0, 0 };
	pthread_t thread;
	int failed;

	if (descriptor == NAMESPACE_OWN)
		return work(context);
	failed = pthread_create(&thread, NULL, errand_run, &errand);
	if (failed)
		return error_set_errno(e, failed, "starting a thread");
	pthread_join(thread, NULL);
	if (errand.entered)
		return error_set_errno(e, errand.entered,
				       "entering a network namespace (it "
				       "needs CAP_SYS_ADMIN)");
	return errand.status;
}

uint64_t
namespace_cookie(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;
	struct stat about;

	if (fd >= 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		cookie = 0;
	if (fd >= 0)
		close(fd);
	if (cookie == 0 && stat("/proc/thread-self/ns/net", &about) == 0)
		cookie = about.st_ino;
	return cookie;
}

/* One RTM_NEWLINK message. */
static bool
link_read(const struct nlmsghdr *message, struct link *link)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	long left = (long)message->nlmsg_len -
		    (long)NLMSG_LENGTH(sizeof *info);
	const struct rtattr *each = IFLA_RTA(info);

	if (left < 0)
		return false;
	memset(link, 0, sizeof *link);
	link->ifindex = (uint32_t)info->ifi_index;
	link->hardware = info->ifi_type;
	link->flags = info->ifi_flags;
	for (; RTA_OK(each, left); each = RTA_NEXT(each, left)) {
		struct rtnl_link_stats64 stats;
		size_t size = RTA_PAYLOAD(each);

		if (each->rta_type == IFLA_IFNAME) {
			snprintf(link->name, sizeof link->name, "%.*s",
				 (int)size, (const char *)RTA_DATA(each));
		} else if (each->rta_type == IFLA_STATS64) {
			memset(&stats, 0, sizeof stats);
			memcpy(&stats, RTA_DATA(each),
			       size < sizeof stats ? size : sizeof stats);
			link->packets = stats.rx_packets + stats.tx_packets;
		}
	}
	return true;
}

/* Takes the links out of one answer; 1: more answers come, 0: that was all. */
static int
links_take(const struct nlmsghdr *message, size_t size, struct link **links,
	   size_t *count)
{
	for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 0;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ERR_IO;
		if (message->nlmsg_type != RTM_NEWLINK || *count == LINKS_MAX)
			continue;
		*links = alloc_resize(*links, *count + 1, sizeof **links);
		if (link_read(message, &(*links)[*count]))
			++*count;
	}
	return 1;
}

static int
links_ask(int fd)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} question = {
		.header = { .nlmsg_len = sizeof question,
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = 1 },
	};

	return send(fd, &question, sizeof question, 0) < 0 ? -1 : 0;
}

int
namespace_links(struct link **links, size_t *count, struct error *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct nlmsghdr *answer = alloc_zero(1, ANSWER_SIZE);
	int status = 1;

	*links = NULL;
	*count = 0;
	if (fd < 0 || links_ask(fd) < 0)
		status = error_set_errno(e, errno, "listing the interfaces");
	while (status == 1) {
		ssize_t size = recv(fd, answer, ANSWER_SIZE, 0);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			status = error_set_errno(e, errno,
						 "listing the interfaces");
		else
			status = links_take(answer, (size_t)size, links,
					    count);
		if (status == ERR_IO)
			error_set(e, ERR_IO,
				  "the kernel does not list the interfaces");
	}
	free(answer);
	if (fd >= 0)
		close(fd);
	if (status < 0) {
		free(*links);
		*links = NULL;
		*count = 0;
	}
	return status;
}

int
namespace_watch(struct error *e)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
				       .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_ROUTE);
	const void *where = &address;

	if (fd >= 0 && bind(fd, where, sizeof address) == 0)
		return fd;
	error_set_errno(e, errno, "watching for new interfaces");
	if (fd >= 0)
		close(fd);
	return ERR_IO;
}

void
namespace_drain(int watch)
{
	char answer[8192];

	/* ENOBUFS: some were lost, and the ones behind them are still there. */
	while (recv(watch, answer, sizeof answer, 0) > 0 || errno == ENOBUFS)
		;
}
