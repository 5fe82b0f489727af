/* SPDX-License-Identifier: Apache-2.0 */
/* QUIC (RFC 9000): its Initial packets, whose keys anybody can know, tell who
 * asks whom for what.  See quic.md. */
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/proto/quic_parts.h"
#include "dissect/proto/quic_segment.h"
#include "dissect/registry.h"

#define CHANNEL_STATE 1
/* Packets of a datagram that are looked at, and datagrams that may be captured
 * as one (UDP_MAX_SEGMENTS of Linux). */
#define PACKETS 16
#define SEGMENTS 64
/* How often the keys of another version are made for a datagram, which takes
 * longer than to open a packet: once for each session that there may be. */
#define TRIES QUIC_SESSIONS

/* Detection: an Initial packet of a client proves itself. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct quic_packet packet;
	struct quic_protection keys[2];
	struct quic_unmasked head;
	enum verdict verdict = VERDICT_NO;
	uint8_t *plain;

	(void)transport;
	(void)server;
	if (client.size > QUIC_PLAIN_MAX ||
	    !quic_packet_read(client, &packet) ||
	    packet.type != QUIC_INITIAL ||
	    !quic_protection_initial(packet.version, packet.to, keys) ||
	    !quic_protection_unmask(&keys[SIDE_CLIENT], &packet, 0, &head))
		return VERDICT_NO;
	plain = alloc_resize(NULL, packet.whole.size, 1);
	if (quic_protection_open(&keys[SIDE_CLIENT], &packet, &head, plain)
		    .size)
		verdict = VERDICT_YES;
	free(plain);
	return verdict;
}

/* Initial packets. */

static struct bytes
open_with(struct quic_feed *f, const struct quic_protection *keys,
	  const struct quic_packet *packet, uint64_t *expected, uint8_t *out)
{
	struct bytes plain = bytes_make(NULL, 0);
	struct quic_unmasked head;

	if (!quic_protection_unmask(&keys[f->side], packet, *expected, &head))
		return plain;
	plain = quic_protection_open(&keys[f->side], packet, &head, out);
	if (plain.size && head.full >= *expected)
		*expected = head.full + 1;
	return plain;
}

/* Of a session that is known; when it has another version (RFC 9368), it is
 * the one that the two have agreed on. */
static struct bytes
open_known(struct quic_feed *f, const struct quic_packet *packet, uint8_t *out)
{
	struct quic_session *s = f->session;
	struct quic_protection keys[2];
	struct bytes plain;

	if (packet->number == s->number)
		return open_with(f, s->initial, packet, &s->expected[f->side],
				 out);
	if (s->negotiated || f->tries++ >= TRIES ||
	    !quic_protection_initial(packet->version,
				     bytes_make(s->original.data,
						s->original.size),
				     keys))
		return bytes_make(NULL, 0);
	plain = open_with(f, keys, packet, &s->expected[f->side], out);
	if (plain.size)
		quic_session_rekey(s, packet->version, packet->number,
				   &s->original);
	return plain;
}

/* Of a session that begins: the keys follow from the packet's own id. */
static struct bytes
open_new(struct quic_feed *f, const struct quic_packet *packet, uint8_t *out)
{
	struct bytes plain = bytes_make(NULL, 0);
	struct quic_protection keys[2];
	uint64_t expected = 0;

	if (f->side != SIDE_CLIENT ||
	    !quic_protection_initial(packet->version, packet->to, keys))
		return plain;
	plain = open_with(f, keys, packet, &expected, out);
	if (!plain.size)
		return plain;
	f->session = quic_session_add(f->conn, packet, keys, f->sink);
	if (!f->session)
		return bytes_make(NULL, 0);
	f->session->expected[SIDE_CLIENT] = expected;
	return plain;
}

static bool
initial(struct quic_feed *f, const struct quic_packet *packet)
{
	uint8_t *out = alloc_resize(NULL, packet->whole.size, 1);
	struct bytes plain = bytes_make(NULL, 0);

	f->session = NULL;
	while (!plain.size &&
	       (f->session = quic_session_find(f->conn, f->session, f->side,
					       packet)))
		plain = open_known(f, packet, out);
	if (!plain.size)
		plain = open_new(f, packet, out);
	if (plain.size) {
		f->session->ends[f->side] = quic_id_make(packet->from);
		if (quic_say_begin(f))
			sink_wire(f->sink, packet->whole.size);
		quic_frames(f, QUIC_INITIAL, plain);
	}
	free(out);
	return plain.size > 0;
}

/* Other packets. */

/* The client comes again, with the id that the server chose. */
static bool
retry(struct quic_feed *f, const struct quic_packet *packet)
{
	struct quic_id chosen = quic_id_make(packet->from);
	struct quic_session *s = NULL;

	if (f->side == SIDE_SERVER)
		s = quic_session_find(f->conn, NULL, f->side, packet);
	while (s && packet->version->has_tag &&
	       !quic_protection_retry(packet, &s->original))
		s = quic_session_find(f->conn, s, f->side, packet);
	f->session = s;
	if (!s || s->handshake.chosen || !quic_say_begin(f))
		return false;
	sink_wire(f->sink, packet->whole.size);
	sink_header(f->sink, bytes_of("retry"), bytes_of("Retry"));
	return quic_session_rekey(s, s->version, s->number, &chosen);
}

static bool
negotiation(struct quic_feed *f, const struct quic_packet *packet)
{
	if (f->side != SIDE_SERVER)
		return false;
	f->session = quic_session_find(f->conn, NULL, f->side, packet);
	while (f->session && !quic_id_is(&f->session->original, packet->from))
		f->session = quic_session_find(f->conn, f->session, f->side,
					       packet);
	if (!f->session || f->session->answered)
		return false;
	if (quic_say_begin(f))
		sink_wire(f->sink, packet->whole.size);
	quic_say_versions(f, packet->versions);
	return true;
}

/* Opens a packet with the secrets of the session that it belongs to. */
static struct bytes
open_secret(struct quic_feed *f, struct quic_packet *packet, uint8_t *out)
{
	struct bytes plain = bytes_make(NULL, 0);
	bool named = false;

	f->session = NULL;
	while (!plain.size &&
	       (f->session = quic_session_find(f->conn, f->session, f->side,
					       packet))) {
		named = true;
		plain = quic_segment_open(f->session, f->side, packet, out);
	}
	/* An id that was given to the peer out of sight. */
	if (named || packet->type != QUIC_SHORT)
		return plain;
	for (struct quic_session *s = f->conn->sessions;
	     s && !plain.size && f->tries < TRIES; s = s->next) {
		f->tries++;
		f->session = s;
		plain = quic_segment_open(s, f->side, packet, out);
	}
	return plain;
}

/* How far they are: a client that sends 1-RTT packets has verified the
 * server's Finished. */
static void
progress(struct quic_feed *f, const struct quic_packet *packet)
{
	if (f->side == SIDE_CLIENT && packet->type == QUIC_SHORT) {
		f->session->handshake.sent[SIDE_CLIENT] = true;
		quic_say_end(f);
	} else if (f->side == SIDE_SERVER && packet->type == QUIC_HANDSHAKE &&
		   quic_say_begin(f)) {
		sink_wire(f->sink, packet->whole.size);
		sink_seen(f->sink);
	}
}

/* What cannot be opened tells the same. */
static void
unreadable(struct quic_feed *f, const struct quic_packet *packet)
{
	struct quic_session *s = quic_session_find(f->conn, NULL, f->side,
						   packet);

	sink_undissected(f->sink, packet->whole.size);
	while (s && (!s->handshake.chosen || s->ended[SIDE_SERVER]))
		s = quic_session_find(f->conn, s, f->side, packet);
	/* An id that was given to the peer out of sight. */
	if (!s && f->conn->count == 1)
		s = f->conn->sessions;
	if (!s || !s->handshake.chosen)
		return;
	f->session = s;
	progress(f, packet);
}

static void
encrypted(struct quic_feed *f, struct quic_packet *packet)
{
	struct bytes plain = bytes_make(NULL, 0);
	uint8_t *out = NULL;

	if (sink_context(f->sink)->keys) {
		out = alloc_resize(NULL, packet->whole.size, 1);
		plain = open_secret(f, packet, out);
	}
	if (!plain.size) {
		unreadable(f, packet);
	} else {
		if (packet->type != QUIC_SHORT)
			f->session->ends[f->side] = quic_id_make(packet->from);
		progress(f, packet);
		quic_frames(f, packet->type, plain);
		if (f->session->streams)
			quic_streams_tick(f->session->streams, f->sink);
	}
	free(out);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct quic_feed f = { .conn = state, .sink = sink, .side = side,
			       .size = in.size };
	struct quic_packet packet;
	struct bytes rest = in;

	for (int i = 0, segments = 0; i < PACKETS && segments < SEGMENTS &&
				      quic_packet_read(rest, &packet);) {
		bool known = true;

		*(packet.type == QUIC_SHORT ? &segments : &i) += 1;

		if (packet.type == QUIC_INITIAL)
			known = initial(&f, &packet);
		else if (packet.type == QUIC_RETRY)
			known = retry(&f, &packet);
		else if (packet.type == QUIC_NEGOTIATION)
			known = negotiation(&f, &packet);
		else
			encrypted(&f, &packet);
		if (!known)
			sink_undissected(sink, packet.whole.size);
		rest = bytes_from(rest, packet.whole.size);
	}
	sink_undissected(sink, rest.size);
	/* What was read of streams has said when it came. */
	if (f.session && f.session->streams)
		sink_channel(sink, 0, side, false);
	return step_done(in.size);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	(void)state; /* datagrams have none */
	(void)side;
	(void)pending;
	(void)missing;
	(void)sink;
	return false;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	struct quic_feed f = { .conn = state, .sink = sink, .side = side };

	(void)pending;
	(void)clean;
	for (f.session = f.conn->sessions; f.session;
	     f.session = f.session->next) {
		/* Of both sides, before the first is told that it ends. */
		if (side == SIDE_CLIENT && f.session->streams)
			quic_streams_flush(f.session->streams, sink);
		if (side == SIDE_SERVER && f.session->answered &&
		    !f.session->ended[SIDE_SERVER])
			quic_say_end(&f);
	}
}

static void
release(void *state, struct sink *sink)
{
	(void)sink;
	quic_session_free_all(state);
}

static const uint16_t ports[] = { 443, 8443, 853, 0 };

const struct dissector dissector_quic = {
	.name = "quic",
	.title = "QUIC",
	.ports = ports,
	.transport = TRANSPORT_UDP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct quic_conn),
	.channel_size = CHANNEL_STATE,
	.strict = true,
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.finish = finish,
	.release = release,
};
