/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity_block.h"

#include <string.h>

#include "base/reader.h"

#define IDENTITY_MAGIC "aftertap"
#define IDENTITY_VERSION 1

static void
identity_put_string(struct buf *out, struct bytes text)
{
	struct bytes cut = bytes_first(text, text.size < IDENTITY_STRING_MAX
						     ? text.size
						     : IDENTITY_STRING_MAX);

	buf_le16(out, (uint16_t)cut.size);
	buf_bytes(out, cut);
}

static void
identity_put_head(struct buf *out, enum identity_kind kind)
{
	buf_le32(out, IDENTITY_ENTERPRISE);
	buf_bytes(out, bytes_of(IDENTITY_MAGIC));
	buf_le16(out, (uint16_t)kind);
	buf_le16(out, IDENTITY_VERSION);
}

void
identity_encode_process(struct buf *out, const struct identity_process *p)
{
	identity_put_head(out, IDENTITY_PROCESS);
	buf_le64(out, p->id);
	buf_le32(out, p->pid);
	buf_le32(out, p->parent);
	buf_le32(out, p->uid);
	buf_le64(out, (uint64_t)p->from_ns);
	buf_le64(out, (uint64_t)p->to_ns);
	buf_le64(out, p->cgroup);
	buf_le64(out, p->netns);
	buf_u8(out, p->mechanism);
	identity_put_string(out, p->name);
	identity_put_string(out, p->executable);
	identity_put_string(out, p->cgroup_path);
	identity_put_string(out, p->container);
	identity_put_string(out, p->pod);
	identity_put_string(out, p->pod_namespace);
	identity_put_string(out, p->pod_uid);
	identity_put_string(out, p->pod_container);
	identity_put_string(out, p->kubernetes_mechanism);
}

void
identity_encode_socket(struct buf *out, const struct identity_socket *s)
{
	identity_put_head(out, IDENTITY_SOCKET);
	buf_le64(out, s->cookie);
	buf_le64(out, s->process);
	buf_le32(out, s->thread);
	buf_u8(out, s->ip_protocol);
	buf_u8(out, s->listening);
	buf_u8(out, s->mechanism);
	buf_append(out, s->local, sizeof(s->local));
	buf_append(out, s->remote, sizeof(s->remote));
	buf_le16(out, s->local_port);
	buf_le16(out, s->remote_port);
	buf_le64(out, s->netns);
	buf_le64(out, (uint64_t)s->from_ns);
	buf_le64(out, (uint64_t)s->to_ns);
	buf_le64(out, s->netns_cookie);
}

static struct bytes
identity_take_string(struct reader *r)
{
	uint16_t size = reader_le16(r);

	r->failed |= size > IDENTITY_STRING_MAX;
	return reader_take(r, size);
}

static void
identity_take_process(struct reader *r, struct identity_process *p)
{
	p->id = reader_le64(r);
	p->pid = reader_le32(r);
	p->parent = reader_le32(r);
	p->uid = reader_le32(r);
	p->from_ns = (int64_t)reader_le64(r);
	p->to_ns = (int64_t)reader_le64(r);
	p->cgroup = reader_le64(r);
	p->netns = reader_le64(r);
	p->mechanism = reader_u8(r);
	p->name = identity_take_string(r);
	p->executable = identity_take_string(r);
	p->cgroup_path = identity_take_string(r);
	p->container = identity_take_string(r);
	p->pod = identity_take_string(r);
	p->pod_namespace = identity_take_string(r);
	p->pod_uid = identity_take_string(r);
	p->pod_container = identity_take_string(r);
	p->kubernetes_mechanism = identity_take_string(r);
	r->failed |= p->mechanism >= IDENTITY_MECHANISM_COUNT;
}

static void
identity_take_address(struct reader *r, uint8_t address[16])
{
	struct bytes in = reader_take(r, 16);

	if (in.data)
		memcpy(address, in.data, 16);
}

static void
identity_take_socket(struct reader *r, struct identity_socket *s)
{
	s->cookie = reader_le64(r);
	s->process = reader_le64(r);
	s->thread = reader_le32(r);
	s->ip_protocol = reader_u8(r);
	s->listening = reader_u8(r) != 0;
	s->mechanism = reader_u8(r);
	identity_take_address(r, s->local);
	identity_take_address(r, s->remote);
	s->local_port = reader_le16(r);
	s->remote_port = reader_le16(r);
	s->netns = reader_le64(r);
	s->from_ns = (int64_t)reader_le64(r);
	s->to_ns = (int64_t)reader_le64(r);
	s->netns_cookie = reader_le64(r);
	r->failed |= s->mechanism >= IDENTITY_MECHANISM_COUNT;
}

bool
identity_decode(struct bytes body, struct identity_block *block)
{
	struct reader r = reader_make(body);
	uint16_t kind, version;

	*block = (struct identity_block){ .kind = IDENTITY_PROCESS };
	if (reader_le32(&r) != IDENTITY_ENTERPRISE ||
	    !bytes_equal(reader_take(&r, strlen(IDENTITY_MAGIC)),
			 bytes_of(IDENTITY_MAGIC)))
		return false;
	kind = reader_le16(&r);
	version = reader_le16(&r);
	if (version < IDENTITY_VERSION)
		return false;
	if (kind == IDENTITY_PROCESS) {
		identity_take_process(&r, &block->process);
	} else if (kind == IDENTITY_SOCKET) {
		block->kind = IDENTITY_SOCKET;
		identity_take_socket(&r, &block->socket);
	} else {
		return false;
	}
	return !r.failed;
}

static void
place_address(uint8_t to[static 16], const uint8_t from[static 16])
{
	static const uint8_t any4[16] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(from, any4, sizeof(any4)) != 0)
		memcpy(to, from, sizeof(any4));
}

struct identity_place
identity_place_of(const struct identity_socket *socket)
{
	struct identity_place place = { .local_port = socket->local_port,
					.ip_protocol = socket->ip_protocol };

	place_address(place.local, socket->local);
	if (socket->listening || socket->remote_port == 0)
		return place;
	place_address(place.remote, socket->remote);
	place.remote_port = socket->remote_port;
	return place;
}
