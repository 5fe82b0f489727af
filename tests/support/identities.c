/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/identities.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void
put(struct buf *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_u8(out, (uint8_t)(value >> 8 * i));
}

static void
put_text(struct buf *out, const char *text)
{
	size_t size = text ? strlen(text) : 0;

	put(out, size, 2);
	buf_append(out, text, size);
}

static void
put_head(struct buf *out, unsigned kind)
{
	buf_reset(out);
	put(out, 32473, 4);
	buf_append(out, "aftertap", 8);
	put(out, kind, 2);
	put(out, 1, 2);
}

void
identities_process(struct buf *out, const struct given_process *p)
{
	char executable[80];

	snprintf(executable, sizeof(executable), "/usr/bin/%s", p->name);
	put_head(out, 1);
	put(out, p->id, 8);
	put(out, p->pid, 4);
	put(out, 1, 4);    /* parent */
	put(out, 1000, 4); /* uid */
	put(out, (uint64_t)p->from_ns, 8);
	put(out, (uint64_t)p->to_ns, 8);
	put(out, 77, 8); /* cgroup */
	put(out, 0, 8);  /* netns */
	put(out, 1, 1);  /* tracepoint */
	put_text(out, p->name);
	put_text(out, executable);
	put_text(out, "/system.slice/test");
	put_text(out, p->container);
	put_text(out, p->pod);
	put_text(out, p->pod_namespace);
	put_text(out, NULL); /* pod's uid */
	put_text(out, p->pod ? "main" : NULL);
	put_text(out, p->pod ? "log directory" : NULL);
}

static void
put_address(struct buf *out, const char *text)
{
	uint8_t address[16] = { 0 };

	if (text && strchr(text, ':')) {
		inet_pton(AF_INET6, text, address);
	} else if (text) {
		memset(address + 10, 0xff, 2);
		inet_pton(AF_INET, text, address + 12);
	}
	buf_append(out, address, sizeof(address));
}

void
identities_socket(struct buf *out, const struct given_socket *s)
{
	put_head(out, 2);
	put(out, s->cookie, 8);
	put(out, s->process, 8);
	put(out, s->thread, 4);
	put(out, s->ip_protocol ? s->ip_protocol : 6, 1);
	put(out, s->listening, 1);
	put(out, s->mechanism, 1);
	put_address(out, s->local);
	put_address(out, s->remote);
	put(out, s->local_port, 2);
	put(out, s->remote_port, 2);
	put(out, s->netns, 8);
	put(out, (uint64_t)s->from_ns, 8);
	put(out, (uint64_t)s->to_ns, 8);
	put(out, 0, 8); /* the namespace's cookie */
}
