/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, links and deliveries of an AMQP 1.0 connection. */
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/proto/amqp1_parts.h"

/* Links grow in steps of this. */
#define STEP 8
/* Ids of sessions whose beginning was not seen are above those of others. */
#define UNSEEN_SESSION (1u << 31)

/* Sessions. */

static struct amqp1_session *
find_session(struct amqp1_conn *conn, enum side side, uint16_t channel)
{
	for (int i = 0; i < AMQP1_SESSIONS; i++) {
		struct amqp1_session *s = &conn->sessions[i];

		if (s->id && s->begun[side] && !s->ended[side] &&
		    s->channels[side] == channel)
			return s;
	}
	return NULL;
}

uint32_t
amqp1_session_of(const struct amqp1_frame *f)
{
	const struct amqp1_session *s =
		find_session(f->conn, f->side, f->channel);

	return s ? s->id : UNSEEN_SESSION + f->channel;
}

uint32_t
amqp1_session_begin(struct amqp1_frame *f, int32_t remote)
{
	struct amqp1_conn *conn = f->conn;
	struct amqp1_session *s = find_session(conn, f->side, f->channel);

	if (s)
		*s = (struct amqp1_session){ .id = 0 };
	s = remote < 0 ? NULL
		       : find_session(conn, side_other(f->side),
				      (uint16_t)remote);
	if (!s) {
		s = &conn->sessions[conn->next_session++ % AMQP1_SESSIONS];
		*s = (struct amqp1_session){ .id = ++conn->serial };
		if (remote >= 0) {
			s->begun[side_other(f->side)] = true;
			s->channels[side_other(f->side)] = (uint16_t)remote;
		}
	}
	s->begun[f->side] = true;
	s->channels[f->side] = f->channel;
	return s->id;
}

void
amqp1_session_end(struct amqp1_frame *f)
{
	struct amqp1_session *s = find_session(f->conn, f->side, f->channel);

	if (!s)
		return;
	s->ended[f->side] = true;
	if (s->ended[side_other(f->side)])
		s->id = 0;
}

/* Links. */

static struct amqp1_link *
free_link(struct amqp1_frame *f)
{
	struct amqp1_conn *conn = f->conn;
	size_t size = STEP * sizeof(*conn->links);

	for (uint32_t i = 0; i < conn->link_count; i++)
		if (!conn->links[i].used)
			return &conn->links[i];
	if (conn->link_count < AMQP1_LINKS && sink_keep(f->sink, size)) {
		conn->links = alloc_resize(conn->links, conn->link_count + STEP,
					   sizeof(*conn->links));
		memset(conn->links + conn->link_count, 0, size);
		conn->link_count += STEP;
		return &conn->links[conn->link_count - STEP];
	}
	if (conn->link_count) {
		struct amqp1_link *oldest =
			&conn->links[conn->next_link++ % conn->link_count];

		amqp1_link_forget(f, oldest);
		return oldest;
	}
	return NULL;
}

struct amqp1_link *
amqp1_link_of(struct amqp1_frame *f, uint32_t handle)
{
	struct amqp1_conn *conn = f->conn;
	uint32_t session = amqp1_session_of(f);
	struct amqp1_link *link;

	for (uint32_t i = 0; i < conn->link_count; i++) {
		link = &conn->links[i];
		if (link->used && link->side == f->side &&
		    link->handle == handle && link->session == session)
			return link;
	}
	link = free_link(f);
	if (link)
		*link = (struct amqp1_link){
			.used = true,
			.side = f->side,
			.session = session,
			.handle = handle,
			.from_server = f->side == SIDE_SERVER,
		};
	return link;
}

struct amqp1_link *
amqp1_link_peer(struct amqp1_frame *f, const struct amqp1_link *link)
{
	for (uint32_t i = 0; link->name && i < f->conn->link_count; i++) {
		struct amqp1_link *peer = &f->conn->links[i];

		if (peer->used && peer->side != link->side &&
		    peer->name == link->name &&
		    peer->session == link->session &&
		    peer->from_server == link->from_server)
			return peer;
	}
	return NULL;
}

void
amqp1_link_address(struct amqp1_frame *f, struct amqp1_link *link,
		   struct bytes address)
{
	address = bytes_first(address, AMQP1_ADDRESS);
	sink_give_back(f->sink, link->address_size);
	free(link->address);
	link->address = NULL;
	link->address_size = 0;
	if (!address.size || !sink_keep(f->sink, address.size))
		return;
	link->address = alloc_resize(NULL, address.size, 1);
	memcpy(link->address, address.data, address.size);
	link->address_size = address.size;
}

void
amqp1_content_free(struct amqp1_content *content, struct sink *sink)
{
	sink_give_back(sink, content->held_size);
	free(content->held);
	content->held = NULL;
	content->held_size = 0;
}

void
amqp1_link_forget(struct amqp1_frame *f, struct amqp1_link *link)
{
	amqp1_content_free(&link->content, f->sink);
	amqp1_link_address(f, link, bytes_make(NULL, 0));
	*link = (struct amqp1_link){ .used = false };
}

/* Deliveries. */

/* Forgets the oldest, which stays without its state. */
static void
drop_oldest(struct amqp1_frame *f)
{
	uint64_t exchange = f->conn->unsettled[0].exchange;

	sink_channel(f->sink, exchange, SIDE_CLIENT, false);
	sink_channel_close(f->sink, false);
	amqp1_unsettled_remove(f->conn, exchange);
}

void
amqp1_unsettled_add(struct amqp1_frame *f, uint64_t exchange, uint32_t delivery)
{
	struct amqp1_conn *conn = f->conn;
	uint32_t room = conn->unsettled_room;
	uint32_t grown = room ? room * 2 : 16;

	if (conn->unsettled_count == room) {
		if (grown <= AMQP1_UNSETTLED &&
		    sink_keep(f->sink,
			      (grown - room) * sizeof(*conn->unsettled))) {
			conn->unsettled =
				alloc_resize(conn->unsettled, grown,
					     sizeof(*conn->unsettled));
			conn->unsettled_room = grown;
		} else if (room) {
			drop_oldest(f);
		} else {
			return;
		}
	}
	conn->unsettled[conn->unsettled_count++] = (struct amqp1_unsettled){
		.exchange = exchange,
		.session = amqp1_session_of(f),
		.delivery = delivery,
		.side = f->side,
		.holes = { conn->sides[0].holes, conn->sides[1].holes },
	};
}

bool
amqp1_unsettled_has(const struct amqp1_conn *conn, uint64_t exchange)
{
	for (uint32_t i = conn->unsettled_count; i-- > 0;)
		if (conn->unsettled[i].exchange == exchange)
			return true;
	return false;
}

void
amqp1_unsettled_remove(struct amqp1_conn *conn, uint64_t exchange)
{
	for (uint32_t i = 0; i < conn->unsettled_count; i++) {
		if (conn->unsettled[i].exchange != exchange)
			continue;
		conn->unsettled_count--;
		memmove(conn->unsettled + i, conn->unsettled + i + 1,
			(conn->unsettled_count - i) *
				sizeof(*conn->unsettled));
		return;
	}
}
