/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_segment.h"

/* Datagrams of full size are no smaller (RFC 9000 §14), and fit Ethernet. */
#define SEGMENT_MIN 1200
#define SEGMENT_MAX 1500
/* Ids that do not occur by chance. */
#define ID_MIN 4
/* Places with the id, and sizes, that are tried: for a datagram, and for a
 * connection. */
#define PLACES_MAX 4
#define GUESSES_MAX 1024

static struct bytes
open_first(struct quic_session *s, enum side side, struct quic_packet *packet,
	   size_t size, uint8_t *out)
{
	struct quic_packet first = *packet;
	struct bytes plain;

	first.whole = bytes_first(packet->whole, size);
	plain = quic_session_open(s, side, &first, out);
	if (plain.size) {
		packet->whole = first.whole;
		s->segment[side] = first.whole.size;
	}
	return plain;
}

/* By where the id of the next one may be. */
static struct bytes
open_by_id(struct quic_session *s, enum side side, struct quic_packet *packet,
	   size_t id_size, uint8_t *out)
{
	struct bytes whole = packet->whole, plain = bytes_make(NULL, 0);
	const uint8_t *id = whole.data + 1;
	size_t from = SEGMENT_MIN / 2;

	for (int i = 0; i < PLACES_MAX && !plain.size; i++) {
		struct bytes rest = bytes_from(whole, from);
		const uint8_t *at = rest.size ? memmem(rest.data, rest.size,
						       id, id_size)
					      : NULL;

		if (!at)
			break;
		from = (size_t)(at - whole.data);
		plain = open_first(s, side, packet, from - 1, out);
		from++;
	}
	return plain;
}

/* Without ids: by sizes, the usual ones first. */
static struct bytes
open_by_size(struct quic_session *s, enum side side,
	     struct quic_packet *packet, uint8_t *out)
{
	static const uint16_t usual[] = { 1200, 1252, 1232, 1250, 1280, 1350,
					  1357, 1370, 1392, 1400, 1440, 1452,
					  1472 };
	size_t count = sizeof(usual) / sizeof(*usual);
	struct bytes plain = bytes_make(NULL, 0);

	for (size_t i = 0; !plain.size && s->guesses < GUESSES_MAX; i++) {
		size_t size = i < count ? usual[i] : SEGMENT_MIN + i - count;

		if (size > SEGMENT_MAX || size >= packet->whole.size)
			break;
		s->guesses++;
		plain = open_first(s, side, packet, size, out);
	}
	return plain;
}

struct bytes
quic_segment_open(struct quic_session *s, enum side side,
		  struct quic_packet *packet, uint8_t *out)
{
	size_t size = packet->whole.size, id_size;
	struct bytes plain = bytes_make(NULL, 0);

	if (packet->type != QUIC_SHORT || !s->opened)
		return quic_session_open(s, side, packet, out);
	if (s->segment[side] && size > s->segment[side])
		plain = open_first(s, side, packet, s->segment[side], out);
	if (!plain.size)
		plain = quic_session_open(s, side, packet, out);
	if (plain.size || size <= SEGMENT_MIN)
		return plain;
	id_size = quic_session_id_size(s, side, packet->whole);
	if (id_size >= ID_MIN)
		return open_by_id(s, side, packet, id_size, out);
	if (!s->opened->keys.levels[side][SESSION_TRAFFIC].suite)
		return plain;
	return open_by_size(s, side, packet, out);
}
