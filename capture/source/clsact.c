/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/clsact.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "capture/source/netlink.h"

/* Ours among the filters of an interface; before what others usually take. */
#define PRIORITY 41
#define FILTERS_MAX 64

/* Padding too is set: libbpf looks at it, here and in the options below. */
static void
hook_init(struct bpf_tc_hook *hook, uint32_t ifindex, bool ingress)
{
	memset(hook, 0, sizeof *hook);
	hook->sz = sizeof *hook;
	hook->ifindex = (int)ifindex;
	hook->attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

int
clsact_attach(uint32_t ifindex, bool ingress, int program, struct error *e)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts options;
	int failed;

	hook_init(&hook, ifindex, ingress);
	memset(&options, 0, sizeof options);
	options.sz = sizeof options;
	options.prog_fd = program;
	options.handle = (uint32_t)getpid();
	options.priority = PRIORITY;
	failed = bpf_tc_hook_create(&hook);
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
	struct bpf_tc_hook hook;
	struct bpf_tc_opts options;

	hook_init(&hook, ifindex, ingress);
	memset(&options, 0, sizeof options);
	options.sz = sizeof options;
	options.handle = handle;
	options.priority = PRIORITY;
	return bpf_tc_detach(&hook, &options);
}

void
clsact_detach(uint32_t ifindex, bool ingress)
{
	(void)detach_handle(ifindex, ingress, (uint32_t)getpid());
}

struct handle_list {
	uint32_t handles[FILTERS_MAX];
	unsigned count;
};

/* Adds the handle of a BPF filter at our priority. */
static bool
filter_take(void *context, const struct netlink_message *message)
{
	struct handle_list *list = context;
	struct netlink_attribute each;
	struct bytes attributes;
	struct tcmsg filter;

	if (message->type != RTM_NEWTFILTER ||
	    message->body.size < sizeof filter)
		return true;
	memcpy(&filter, message->body.data, sizeof filter);
	if (TC_H_MAJ(filter.tcm_info) >> 16 != PRIORITY ||
	    filter.tcm_handle == 0)
		return true;
	attributes = bytes_from(message->body, sizeof filter);
	while (netlink_attribute_next(&attributes, &each))
		if (each.type == TCA_KIND &&
		    bytes_starts_with(each.value, "bpf") &&
		    list->count < FILTERS_MAX)
			list->handles[list->count++] = filter.tcm_handle;
	return true;
}

/* The handles of the filters at our priority. */
static void
filters_list(uint32_t ifindex, bool ingress, struct handle_list *list)
{
	const struct {
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

	list->count = 0;
	(void)netlink_ask(&question, sizeof question, filter_take, list, NULL);
}

unsigned
clsact_clean(uint32_t ifindex)
{
	struct handle_list list;
	unsigned removed = 0;

	for (int ingress = 0; ingress < 2; ingress++) {
		filters_list(ifindex, ingress, &list);
		for (unsigned i = 0; i < list.count; i++)
			if (kill((pid_t)list.handles[i], 0) < 0 &&
			    errno == ESRCH &&
			    detach_handle(ifindex, ingress, list.handles[i]) ==
				    0)
				removed++;
	}
	return removed;
}
