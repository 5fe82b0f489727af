/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_session.h"

#include <stdlib.h>

#include "base/alloc.h"

static void
free_opened(struct quic_session *s)
{
	if (!s->opened)
		return;
	quic_crypto_reset(&s->opened->crypto[SIDE_CLIENT]);
	quic_crypto_reset(&s->opened->crypto[SIDE_SERVER]);
	quic_keys_end(&s->opened->keys);
	free(s->opened);
	s->opened = NULL;
}

static void
drop_opened(struct quic_session *s, struct sink *sink)
{
	if (!s->opened)
		return;
	quic_session_drop_crypto(&s->opened->crypto[SIDE_CLIENT], sink);
	quic_session_drop_crypto(&s->opened->crypto[SIDE_SERVER], sink);
	sink_give_back(sink, sizeof(*s->opened));
	free_opened(s);
}

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
	quic_session_drop_crypto(&s->crypto[SIDE_CLIENT], sink);
	quic_session_drop_crypto(&s->crypto[SIDE_SERVER], sink);
	quic_streams_free(s->streams, sink);
	drop_opened(s, sink);
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

/* The id of the other end that a short header of `side` is sent to, or NULL. */
static const struct quic_id *
target_of(const struct quic_session *s, enum side side, struct bytes packet)
{
	enum side other = side_other(side);
	uint32_t count = s->other_count[other];

	if (begins_with(packet, &s->ends[other]))
		return &s->ends[other];
	for (uint32_t i = 0; i < count && i < QUIC_OTHER_IDS; i++)
		if (begins_with(packet, &s->others[other][i]))
			return &s->others[other][i];
	return NULL;
}

void
quic_session_add_id(struct quic_session *s, enum side side, struct bytes id)
{
	uint32_t at = s->other_count[side]++ % QUIC_OTHER_IDS;

	s->others[side][at] = quic_id_make(id);
}

size_t
quic_session_id_size(const struct quic_session *s, enum side side,
		     struct bytes packet)
{
	const struct quic_id *id = target_of(s, side, packet);

	return id ? id->size : s->ends[side_other(side)].size;
}

struct quic_session *
quic_session_find(const struct quic_conn *conn,
		  const struct quic_session *from, enum side side,
		  const struct quic_packet *packet)
{
	struct quic_session *s = from ? from->next : conn->sessions;

	for (; s; s = s->next)
		if (packet->type == QUIC_SHORT
			    ? target_of(s, side, packet->whole) != NULL
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
quic_session_has_hello(struct quic_session *s, struct sink *sink)
{
	const struct stream_identity *identity = sink_identity(sink);
	const struct key_store *store = sink_context(sink)->keys;
	struct key_query query = {
		.random = s->handshake.client_random,
		.time_ns = sink_moment(sink).time_ns,
		.client = identity->client,
		.server = identity->server,
	};

	if (!store || s->opened || !sink_keep(sink, sizeof(*s->opened)))
		return;
	s->opened = alloc_zero(1, sizeof(*s->opened));
	quic_keys_begin(&s->opened->keys, store, &query);
}

struct bytes
quic_session_open(struct quic_session *s, enum side side,
		  const struct quic_packet *packet, uint8_t *out)
{
	struct quic_packet whole = *packet;
	struct bytes plain;

	if (!s->opened)
		return bytes_make(NULL, 0);
	if (s->handshake.chosen)
		s->opened->keys.suite = suite_find(s->handshake.suite);
	if (packet->type == QUIC_SHORT)
		whole.number_at = 1 + quic_session_id_size(s, side,
							   packet->whole);
	plain = quic_keys_open(&s->opened->keys, side,
			       packet->version ? packet->version : s->version,
			       &whole, out);
	s->handshake.opened |= plain.size > 0;
	return plain;
}

struct quic_streams *
quic_session_streams(struct quic_conn *conn, struct quic_session *s,
		     enum side side, struct sink *sink)
{
	const struct suite *suite = NULL;
	struct buf label;

	if (s->streams || !s->is_http3 || !s->opened)
		return s->streams;
	for (int level = 0; level < SESSION_PHASES; level++)
		if (s->opened->keys.levels[side][level].suite)
			suite = s->opened->keys.levels[side][level].suite;
	buf_init(&label, INNER_LABEL_MAX);
	handshake_label(&s->handshake, suite, &label);
	s->streams = quic_streams_new(&conn->channels, buf_view(&label), sink);
	buf_free(&label);
	return s->streams;
}

void
quic_session_crypto(struct quic_crypto *crypto, uint64_t offset,
		    struct bytes data, struct sink *sink)
{
	if (crypto->data || sink_keep(sink, QUIC_CRYPTO_MEMORY))
		quic_crypto_add(crypto, offset, data);
}

void
quic_session_drop_crypto(struct quic_crypto *crypto, struct sink *sink)
{
	if (crypto->data)
		sink_give_back(sink, QUIC_CRYPTO_MEMORY);
	quic_crypto_reset(crypto);
}

void
quic_session_free_all(struct quic_conn *conn)
{
	while (conn->sessions) {
		struct quic_session *s = conn->sessions;

		conn->sessions = s->next;
		quic_crypto_reset(&s->crypto[SIDE_CLIENT]);
		quic_crypto_reset(&s->crypto[SIDE_SERVER]);
		quic_streams_free(s->streams, NULL);
		free_opened(s);
		free(s);
	}
}
