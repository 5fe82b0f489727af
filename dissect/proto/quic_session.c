/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_session.h"

#include <stdlib.h>

#include "base/alloc.h"

static void
forget_oldest(struct quic_conn *conn, struct sink *sink)
{
	struct quic_session **at = &conn->sessions;
	struct quic_session *s;

	while ((*at)->next)
		at = &(*at)->next;
	s = *at;
	*at = NULL;
	conn->count--;
	if (sink_channel(sink, s->channel, SIDE_CLIENT, false))
		sink_channel_close(sink, false);
	quic_session_drop_crypto(s, SIDE_CLIENT, sink);
	quic_session_drop_crypto(s, SIDE_SERVER, sink);
	sink_give_back(sink, sizeof(*s));
	free(s);
}

struct quic_session *
quic_session_add(struct quic_conn *conn, const struct quic_packet *packet,
		 const struct quic_protection keys[2], struct sink *sink)
{
	struct quic_session *s;

	if (conn->count >= QUIC_SESSIONS)
		forget_oldest(conn, sink);
	if (!sink_keep(sink, sizeof(*s)))
		return NULL;
	s = alloc_zero(1, sizeof(*s));
	s->channel = ++conn->channels;
	s->version = packet->version;
	s->number = s->asked = packet->number;
	s->original = quic_id_make(packet->to);
	s->ends[SIDE_CLIENT] = quic_id_make(packet->from);
	s->initial[0] = keys[0];
	s->initial[1] = keys[1];
	s->next = conn->sessions;
	conn->sessions = s;
	conn->count++;
	return s;
}

static bool
is_for(const struct quic_session *s, enum side side, struct bytes to)
{
	if (side == SIDE_CLIENT && quic_id_is(&s->original, to))
		return true;
	return quic_id_is(&s->ends[side_other(side)], to);
}

/* The length of an id is not told by short headers. */
static bool
begins_with(struct bytes packet, const struct quic_id *id)
{
	return quic_id_is(id, bytes_first(bytes_from(packet, 1), id->size));
}

struct quic_session *
quic_session_find(const struct quic_conn *conn,
		  const struct quic_session *from, enum side side,
		  const struct quic_packet *packet)
{
	struct quic_session *s = from ? from->next : conn->sessions;

	for (; s; s = s->next)
		if (packet->type == QUIC_SHORT
			    ? begins_with(packet->whole,
					  &s->ends[side_other(side)])
			    : is_for(s, side, packet->to))
			return s;
	return NULL;
}

bool
quic_session_rekey(struct quic_session *s, const struct quic_version *v,
		   uint32_t number, const struct quic_id *original)
{
	s->version = v;
	s->number = number;
	s->original = *original;
	return quic_protection_initial(
		v, bytes_make(s->original.data, s->original.size),
		s->initial);
}

void
quic_session_crypto(struct quic_session *s, enum side side, uint64_t offset,
		    struct bytes data, struct sink *sink)
{
	struct quic_crypto *crypto = &s->crypto[side];

	if (crypto->data || sink_keep(sink, QUIC_CRYPTO_MEMORY))
		quic_crypto_add(crypto, offset, data);
}

void
quic_session_drop_crypto(struct quic_session *s, enum side side,
			 struct sink *sink)
{
	if (s->crypto[side].data)
		sink_give_back(sink, QUIC_CRYPTO_MEMORY);
	quic_crypto_reset(&s->crypto[side]);
}

void
quic_session_free_all(struct quic_conn *conn)
{
	while (conn->sessions) {
		struct quic_session *s = conn->sessions;

		conn->sessions = s->next;
		quic_crypto_reset(&s->crypto[SIDE_CLIENT]);
		quic_crypto_reset(&s->crypto[SIDE_SERVER]);
		free(s);
	}
}
