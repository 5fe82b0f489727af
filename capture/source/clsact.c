/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/clsact.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "base/alloc.h"

/* Ours among the filters of an interface; before what others usually take. */
#define PRIORITY 41
#define ANSWER_SIZE (64u << 10)
#define FILTERS_MAX 64

static struct bpf_tc_hook
hook_of(uint32_t ifindex, bool ingress)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS,
	};
}

int
clsact_attach(uint32_t ifindex, bool ingress, int program, struct error *e)
{
	struct bpf_tc_hook hook = hook_of(ifindex, ingress);
	struct bpf_tc_opts options = {
		.sz = sizeof options,
		.prog_fd = program,
		.handle = (uint32_t)getpid(),
		.priority = PRIORITY,
	};
	int failed = bpf_tc_hook_create(&hook);

	if (failed == 0 || failed == -EEXIST)
		failed = bpf_tc_attach(&hook, &options);
	if (failed)
		return error_set_errno(e, -failed,
				       "a packet program on interface %u by "
				       "clsact (it needs CAP_NET_ADMIN and "
				       "the kernel's sch_ingress and cls_bpf)",
				       ifindex);
	return 0;
}

static int
detach_handle(uint32_t ifindex, bool ingress, uint32_t handle)
{
	struct bpf_tc_hook hook = hook_of(ifindex, ingress);
	struct bpf_tc_opts options = {
		.sz = sizeof options,
		.handle = handle,
		.priority = PRIORITY,
	};

	return bpf_tc_detach(&hook, &options);
}

void
clsact_detach(uint32_t ifindex, bool ingress)
{
	(void)detach_handle(ifindex, ingress, (uint32_t)getpid());
}

/* Adds the handles of BPF filters at our priority; false at the end. */
static bool
filters_take(const struct nlmsghdr *message, size_t size, uint32_t *handles,
	     unsigned *count)
{
	for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		const struct tcmsg *filter = NLMSG_DATA(message);
		long left = (long)message->nlmsg_len -
			    (long)NLMSG_LENGTH(sizeof *filter);
		const struct rtattr *each = TCA_RTA(filter);

		if (message->nlmsg_type != RTM_NEWTFILTER || left < 0)
			return false;
		if (TC_H_MAJ(filter->tcm_info) >> 16 != PRIORITY ||
		    filter->tcm_handle == 0 || *count == FILTERS_MAX)
			continue;
		for (; RTA_OK(each, left); each = RTA_NEXT(each, left))
			if (each->rta_type == TCA_KIND &&
			    RTA_PAYLOAD(each) >= 4 &&
			    memcmp(RTA_DATA(each), "bpf", 4) == 0)
				handles[(*count)++] = filter->tcm_handle;
	}
	return true;
}

/* The handles of the filters at our priority. */
static unsigned
filters_list(uint32_t ifindex, bool ingress, uint32_t handles[FILTERS_MAX])
{
	struct {
		struct nlmsghdr header;
		struct tcmsg filter;
	} question = {
		.header = { .nlmsg_len = sizeof question,
			    .nlmsg_type = RTM_GETTFILTER,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.filter = { .tcm_ifindex = (int)ifindex,
			    .tcm_parent = TC_H_MAKE(TC_H_CLSACT,
						    ingress ?
							    TC_H_MIN_INGRESS :
							    TC_H_MIN_EGRESS) },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct nlmsghdr *answer = alloc_zero(1, ANSWER_SIZE);
	unsigned count = 0;
	bool more = fd >= 0 && send(fd, &question, sizeof question, 0) > 0;

	while (more) {
		ssize_t size = recv(fd, answer, ANSWER_SIZE, 0);

		more = size > 0 && filters_take(answer, (size_t)size, handles,
						&count);
	}
	if (fd >= 0)
		close(fd);
	free(answer);
	return count;
}

unsigned
clsact_clean(uint32_t ifindex)
{
	uint32_t handles[FILTERS_MAX];
	unsigned removed = 0;

	for (int ingress = 0; ingress < 2; ingress++) {
		unsigned count = filters_list(ifindex, ingress, handles);

		for (unsigned i = 0; i < count; i++)
			if (kill((pid_t)handles[i], 0) < 0 && errno == ESRCH &&
			    detach_handle(ifindex, ingress, handles[i]) == 0)
				removed++;
	}
	return removed;
}
