/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/attachment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/link_types.h"
#include "capture/source/clsact.h"
#include "capture/source/degraded.h"
#include "capture/source/kernel.h"

/* Loopback shows every packet at egress and again at ingress.  Egress knows
 * the socket. */
static bool
wants_direction(const struct attachment *one, bool egress)
{
	return egress || !one->loopback;
}

static int
program_of(const struct attachments *a, const struct attachment *one,
	   bool egress)
{
	return a->programs[one->link_type == LINK_TYPE_RAW][egress];
}

/* Before all others on the way in, after all others on the way out: what was
 * on the wire. */
static int
attach_tcx(const struct attachments *a, struct attachment *one, bool egress)
{
	struct bpf_link_create_opts options;

	memset(&options, 0, sizeof options); /* padding too: libbpf looks */
	options.sz = sizeof options;
	options.flags = egress ? 0 : KERNEL_LINK_BEFORE;
	one->links[egress] = bpf_link_create(
		program_of(a, one, egress), (int)one->ifindex,
		(enum bpf_attach_type)(egress ? KERNEL_TCX_EGRESS :
						KERNEL_TCX_INGRESS),
		&options);
	return one->links[egress] < 0 ? -errno : 0;
}

static void
detach(const struct attachments *a, struct attachment *one)
{
	for (int egress = 0; egress < 2; egress++) {
		if (one->links[egress] >= 0)
			close(one->links[egress]);
		else if (one->attached && a->way == ATTACH_CLSACT &&
			 wants_direction(one, egress))
			clsact_detach(one->ifindex, !egress);
		one->links[egress] = -1;
	}
	one->attached = false;
}

static int
attach_one(struct attachments *a, struct attachment *one, struct error *e)
{
	int status = 0;

	for (int egress = 0; egress < 2 && status == 0; egress++) {
		int failed;

		if (!wants_direction(one, egress))
			continue;
		if (a->way == ATTACH_CLSACT) {
			if (egress == 0 || one->loopback)
				a->cleaned += clsact_clean(one->ifindex);
			status = clsact_attach(one->ifindex, !egress,
					       program_of(a, one, egress), e);
			continue;
		}
		failed = attach_tcx(a, one, egress);
		/* Not known to this kernel: the older way, from now on. */
		if (failed == -EINVAL || failed == -EOPNOTSUPP) {
			a->way = ATTACH_CLSACT;
			degraded_add(a->degraded, "TCX",
				     "this kernel has none (before 6.6); by "
				     "clsact, programs stay behind after a "
				     "crash until the next start");
			detach(a, one);
			return attach_one(a, one, e);
		}
		if (failed)
			status = kernel_explain(e, -failed, "",
						"a packet program on an "
						"interface");
	}
	one->attached = status == 0;
	return status;
}

static bool
wants(const struct attachments *a, const char *name)
{
	if (!a->names)
		return true;
	for (size_t i = 0; i < a->name_count; i++)
		if (strcmp(a->names[i], name) == 0)
			return true;
	return false;
}

static struct attachment *
attachment_find(struct attachments *a, uint32_t ifindex)
{
	for (size_t i = a->count; i > 0; i--)
		if (a->list[i - 1].ifindex == ifindex &&
		    a->list[i - 1].gone_ns == 0)
			return &a->list[i - 1];
	return NULL;
}

/* Forgets the one that has been gone longest when there are many. */
static void
forget_gone(struct attachments *a)
{
	size_t oldest = a->count, gone = 0;

	for (size_t i = 0; i < a->count; i++) {
		if (a->list[i].gone_ns == 0)
			continue;
		gone++;
		if (oldest == a->count ||
		    a->list[i].gone_ns < a->list[oldest].gone_ns)
			oldest = i;
	}
	if (gone < ATTACHMENTS_GONE_MAX)
		return;
	a->count--;
	memmove(a->list + oldest, a->list + oldest + 1,
		(a->count - oldest) * sizeof *a->list);
}

static void
add_link(struct attachments *a, const struct link *link, int64_t now,
	 struct error *e)
{
	struct error own = { 0 };
	struct attachment *one;

	forget_gone(a);
	if (a->count == ATTACHMENTS_MAX) {
		degraded_add(a->degraded, "an interface",
			     "%s: there are too many", link->name);
		return;
	}
	a->list = alloc_resize(a->list, a->count + 1, sizeof *a->list);
	one = &a->list[a->count++];
	memset(one, 0, sizeof *one);
	memcpy(one->name, link->name, sizeof one->name);
	one->ifindex = link->ifindex;
	one->link_type = link_type_of_hardware(link->hardware);
	one->loopback = link->flags & IFF_LOOPBACK;
	one->links[0] = one->links[1] = -1;
	if (one->link_type < 0) {
		degraded_add(a->degraded, "an interface",
			     "%s is of a kind whose packets are not "
			     "understood (ARPHRD %u); it is left out",
			     one->name, link->hardware);
		return;
	}
	if (attach_one(a, one, &own) < 0) {
		detach(a, one);
		degraded_add(a->degraded, "an interface", "%s: %s", one->name,
			     own.text);
		if (e && e->code == 0)
			*e = own;
		return;
	}
	if (a->looked_ns) {
		one->unseen_ns = now - a->looked_ns;
		one->unseen_packets = link->packets;
	}
}

/* An interface may go and another take its number between two looks. */
static bool
is_there(const struct attachment *one, const struct link *links, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (links[i].ifindex == one->ifindex)
			return true;
	return false;
}

int
attachments_refresh(struct attachments *a, struct error *e)
{
	struct error first = { 0 };
	struct link *links;
	size_t count;
	int64_t now;
	int status = namespace_links(&links, &count, e);

	if (status < 0)
		return status;
	now = clock_monotonic_ns();
	for (size_t i = 0; i < a->count; i++) {
		struct attachment *one = &a->list[i];

		if (one->gone_ns || is_there(one, links, count))
			continue;
		detach(a, one);
		one->gone_ns = now;
	}
	for (size_t i = 0; i < count; i++) {
		struct attachment *known = attachment_find(a, links[i].ifindex);

		if (known) /* it may have been renamed */
			memcpy(known->name, links[i].name, sizeof known->name);
		else if (wants(a, links[i].name))
			add_link(a, &links[i], clock_monotonic_ns(), &first);
	}
	free(links);
	a->looked_ns = now;
	if (first.code && e)
		*e = first;
	return first.code;
}

void
attachments_end(struct attachments *a)
{
	for (size_t i = 0; i < a->count; i++)
		detach(a, &a->list[i]);
	free(a->list);
	memset(a, 0, sizeof *a);
}
