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
#include "capture/source/netlink.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define NAMED_NAMESPACES "/run/netns/"

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
namespace_inode(void)
{
	struct stat about;

	return stat("/proc/thread-self/ns/net", &about) == 0 ? about.st_ino : 0;
}

uint64_t
namespace_cookie(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;

	if (fd >= 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		cookie = 0;
	if (fd >= 0)
		close(fd);
	return cookie ? cookie : namespace_inode();
}

struct link_list {
	struct link *links;
	size_t count;
};

static void
link_attributes(struct link *link, struct bytes list)
{
	struct netlink_attribute each;
	struct rtnl_link_stats64 stats = { 0 };

	while (netlink_attribute_next(&list, &each)) {
		struct bytes value = each.value;

		if (each.type == IFLA_IFNAME) {
			value = bytes_first(value, sizeof link->name - 1);
			memcpy(link->name, value.data, value.size);
		} else if (each.type == IFLA_STATS64) {
			value = bytes_first(value, sizeof stats);
			memcpy(&stats, value.data, value.size);
			link->packets = stats.rx_packets + stats.tx_packets;
		}
	}
}

static bool
link_take(void *context, const struct netlink_message *message)
{
	struct link_list *list = context;
	struct ifinfomsg info;
	struct link *link;

	if (message->type != RTM_NEWLINK || message->body.size < sizeof info)
		return true;
	if (list->count == LINKS_MAX)
		return false;
	memcpy(&info, message->body.data, sizeof info);
	list->links = alloc_resize(list->links, list->count + 1,
				   sizeof *list->links);
	link = &list->links[list->count++];
	memset(link, 0, sizeof *link);
	link->ifindex = (uint32_t)info.ifi_index;
	link->hardware = info.ifi_type;
	link->flags = info.ifi_flags;
	link_attributes(link, bytes_from(message->body, sizeof info));
	return true;
}

int
namespace_links(struct link **links, size_t *count, struct error *e)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} question = {
		.header = { .nlmsg_len = sizeof question,
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	struct link_list list = { NULL, 0 };
	int status = netlink_ask(&question, sizeof question, link_take, &list,
				 e);

	if (status < 0) {
		free(list.links);
		list = (struct link_list){ NULL, 0 };
	}
	*links = list.links;
	*count = list.count;
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

bool
namespace_drain(int watch)
{
	char answer[8192];
	bool some = false;

	/* ENOBUFS: some were lost, and the ones behind them are still there. */
	while (recv(watch, answer, sizeof answer, 0) > 0 || errno == ENOBUFS)
		some = true;
	return some;
}
