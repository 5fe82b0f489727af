/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "base/alloc.h"

/* One piece of an answer is at most this long. */
#define ANSWER_SIZE (64u << 10)

/* Both messages and attributes begin at multiples of four. */
static size_t
padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

static bool
message_next(struct bytes *answer, struct nlmsghdr *header,
	     struct netlink_message *message)
{
	if (answer->size < sizeof *header)
		return false;
	memcpy(header, answer->data, sizeof *header);
	if (header->nlmsg_len < sizeof *header ||
	    header->nlmsg_len > answer->size)
		return false;
	message->type = header->nlmsg_type;
	message->body = bytes_make(answer->data + sizeof *header,
				   header->nlmsg_len - sizeof *header);
	*answer = bytes_from(*answer, padded(header->nlmsg_len));
	return true;
}

bool
netlink_attribute_next(struct bytes *list, struct netlink_attribute *attribute)
{
	struct rtattr header;

	if (list->size < sizeof header)
		return false;
	memcpy(&header, list->data, sizeof header);
	if (header.rta_len < sizeof header || header.rta_len > list->size)
		return false;
	attribute->type = header.rta_type;
	attribute->value = bytes_make(list->data + sizeof header,
				      header.rta_len - sizeof header);
	*list = bytes_from(*list, padded(header.rta_len));
	return true;
}

/* 1: there is more to come, 0: that was all, or a negative error. */
static int
answer_take(struct bytes answer,
	    bool (*take)(void *context, const struct netlink_message *message),
	    void *context, struct error *e)
{
	struct netlink_message message;
	struct nlmsghdr header;

	while (message_next(&answer, &header, &message)) {
		int reason = 0;

		if (message.type == NLMSG_DONE)
			return 0;
		if (message.type == NLMSG_ERROR) {
			if (message.body.size >= sizeof reason)
				memcpy(&reason, message.body.data,
				       sizeof reason);
			return error_set_errno(e, -reason,
					       "asking the kernel about "
					       "interfaces");
		}
		if (!take(context, &message))
			return 0;
	}
	return 1;
}

int
netlink_ask(const void *question, size_t size,
	    bool (*take)(void *context, const struct netlink_message *message),
	    void *context, struct error *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	uint8_t *answer = alloc_zero(1, ANSWER_SIZE);
	int status = 1;

	if (fd < 0 || send(fd, question, size, 0) < 0)
		status = error_set_errno(e, errno,
					 "asking the kernel about interfaces");
	while (status == 1) {
		ssize_t got = recv(fd, answer, ANSWER_SIZE, 0);

		if (got < 0 && errno == EINTR)
			continue;
		status = got < 0 ? error_set_errno(e, errno,
						   "asking the kernel about "
						   "interfaces") :
				   answer_take(bytes_make(answer, (size_t)got),
					       take, context, e);
	}
	free(answer);
	if (fd >= 0)
		close(fd);
	return status;
}
