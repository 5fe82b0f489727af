/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT 3.1, 3.1.1 and 5.0 over TCP.  See mqtt.md. */
#include "dissect/proto/mqtt_parts.h"
#include "dissect/registry.h"

/* Packets that are waited for as a whole: all but the payload of PUBLISH. */
#define PACKET_HELD (192u << 10)
#define PINGS 16

/* Channels: messages that are not answered, by who sends them; what the broker
 * says unasked; what has no number; pings one by one; the others by who began
 * and the packet's number. */
#define CHANNEL_SINGLE 1
#define CHANNEL_ALONE 3
#define CHANNEL_CONNECT 5
#define CHANNEL_EXCHANGE (UINT64_C(1) << 20)
#define CHANNEL_PING (UINT64_C(1) << 32)

/* State of a channel: what waits for an answer. */
struct asked {
	uint8_t type;      /* enum mqtt_type; 0: nothing was seen */
	uint8_t qos;
	uint32_t holes[2]; /* of the sides when it began */
};

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	(void)transport;
	return mqtt_probe(client, server);
}

static enum verdict
resync(enum side side, struct bytes in)
{
	return mqtt_resync(in, side);
}

/* Exchanges. */

static uint64_t
exchange_id(enum side asks, uint16_t id)
{
	return CHANNEL_EXCHANGE + ((uint64_t)asks << 16) + id;
}

static size_t
size_of(const struct mqtt_frame *f)
{
	return f->packet.head + (size_t)f->packet.size;
}

/* Opens the request of a channel, in which nothing waits any more. */
static void
ask(struct mqtt_frame *f, uint64_t id)
{
	struct asked *asked = sink_channel(f->sink, id, SIDE_CLIENT, false);

	if (asked && id >= CHANNEL_CONNECT)
		sink_channel_close(f->sink, false);
	asked = sink_channel(f->sink, id, SIDE_CLIENT, true);
	*asked = (struct asked){
		.type = f->packet.type,
		.qos = (uint8_t)mqtt_qos(&f->packet),
		.holes = { f->conn->sides[0].holes, f->conn->sides[1].holes },
	};
	sink_begin(f->sink);
	sink_wire(f->sink, size_of(f));
}

/* Whether what waits may be something else, of which both the beginning and
 * the answer to the one before are missing. */
static bool
is_stale(const struct mqtt_frame *f, const struct asked *asked)
{
	return asked->holes[0] != f->conn->sides[0].holes &&
	       asked->holes[1] != f->conn->sides[1].holes;
}

/*
 * Opens the answer in a channel, which is asked `type` with that `qos`; what
 * waits for another is left alone.  The method is that of `type`, when nothing
 * waits.
 */
static void
answer(struct mqtt_frame *f, uint64_t id, uint8_t type, const char *method)
{
	struct asked *asked = sink_channel(f->sink, id, SIDE_SERVER, false);
	bool publish = type == MQTT_PUBLISH;
	unsigned qos = f->packet.type == MQTT_PUBACK ? 1 : 2;

	if (asked && (asked->type != type || is_stale(f, asked) ||
		      (publish && asked->qos != qos))) {
		sink_channel_close(f->sink, false);
		asked = NULL;
	}
	if (!asked) {
		asked = sink_channel(f->sink, id, SIDE_SERVER, true);
		*asked = (struct asked){
			.type = type,
			.qos = (uint8_t)qos,
			.holes = { f->conn->sides[0].holes,
				   f->conn->sides[1].holes },
		};
		sink_begin(f->sink);
		mqtt_say_method(f, method);
	} else if (!sink_is_open(f->sink)) {
		sink_begin(f->sink);
	}
	sink_wire(f->sink, size_of(f));
}

static void
end_answer(struct mqtt_frame *f)
{
	sink_end(f->sink, size_of(f));
	sink_channel_close(f->sink, false);
}

static void
single(struct mqtt_frame *f)
{
	if (f->side == SIDE_SERVER) {
		sink_channel(f->sink, CHANNEL_ALONE, SIDE_SERVER, true);
		sink_begin_alone(f->sink);
		sink_wire(f->sink, size_of(f));
	} else {
		ask(f, CHANNEL_SINGLE);
		sink_flags(f->sink, MESSAGE_NO_RESPONSE);
	}
	mqtt_say_disconnect(f);
	sink_end(f->sink, size_of(f));
}

/* Pings, answered in order. */

static void
ping(struct mqtt_frame *f)
{
	struct mqtt_conn *conn = f->conn;

	if (conn->pings - conn->answered == PINGS) {
		sink_channel(f->sink, CHANNEL_PING + conn->answered++,
			     SIDE_CLIENT, false);
		sink_channel_close(f->sink, false);
	}
	ask(f, CHANNEL_PING + conn->pings++);
	mqtt_say_method(f, "PING");
	sink_end(f->sink, size_of(f));
}

/* The ping that the next answer is to: behind a hole of the server that may be
 * any, and is taken for the latest. */
static void
skip_pings(struct mqtt_frame *f)
{
	struct mqtt_conn *conn = f->conn;

	while (conn->answered != conn->pings) {
		const struct asked *asked =
			sink_channel(f->sink, CHANNEL_PING + conn->answered,
				     SIDE_SERVER, false);
		bool lost = asked && asked->holes[SIDE_SERVER] !=
					     conn->sides[SIDE_SERVER].holes;

		if (asked && !is_stale(f, asked) &&
		    (!lost || conn->answered + 1 == conn->pings))
			return;
		sink_channel_close(f->sink, false);
		conn->answered++;
	}
}

static void
pong(struct mqtt_frame *f)
{
	struct mqtt_conn *conn = f->conn;

	skip_pings(f);
	answer(f, CHANNEL_PING + conn->answered, MQTT_PINGREQ, "PING");
	if (conn->answered == conn->pings)
		conn->pings++;
	conn->answered++;
	end_answer(f);
}

/* PUBLISH. */

/* Whether more must be seen of what may be properties; of the packet `missing`
 * bytes are not there yet. */
static bool
is_cut(struct reader r, size_t missing)
{
	size_t here = reader_left(&r);
	uint32_t size = mqtt_number(&r);

	if (r.failed)
		return missing && here < 4;
	return size > reader_left(&r) && size <= reader_left(&r) + missing &&
	       size <= PACKET_HELD;
}

/* Which version the packet has; a connection of an unknown one is of a version
 * before 5 when what follows the topic cannot be properties. */
static uint8_t
publish_version(struct mqtt_frame *f, struct reader r)
{
	if (f->conn->version)
		return f->conn->version;
	if (mqtt_properties_are_good(&r, 0))
		return MQTT_VERSION_5;
	f->conn->version = 4;
	return 0;
}

/* How many bytes come before the payload; 0: more than `want` are needed. */
static size_t
publish_head(struct mqtt_frame *f, struct bytes in, size_t *want,
	     uint8_t *version)
{
	struct bytes whole = bytes_first(in, size_of(f));
	struct reader r = reader_make(bytes_from(whole, f->packet.head));
	uint32_t size;

	mqtt_string(&r);
	if (mqtt_qos(&f->packet))
		reader_be16(&r);
	if (r.failed ||
	    (!f->conn->version && is_cut(r, size_of(f) - whole.size)))
		return 0;
	*version = publish_version(f, r);
	if (*version == MQTT_VERSION_5) {
		size = mqtt_number(&r);
		*want = (size_t)(r.at - in.data) + size;
		reader_take(&r, size);
	}
	return r.failed ? 0 : (size_t)(r.at - in.data);
}

static void
end_publish(struct mqtt_frame *f, struct mqtt_side *side, size_t consumed)
{
	side->state = MQTT_AT_PACKET;
	if (sink_channel(f->sink, side->channel, SIDE_CLIENT, false) &&
	    sink_is_open(f->sink))
		sink_end(f->sink, consumed);
}

static struct step
publish(struct mqtt_frame *f, struct bytes in)
{
	struct mqtt_side *side = &f->conn->sides[f->side];
	unsigned qos = mqtt_qos(&f->packet);
	uint8_t version = 0;
	size_t want = in.size + 1;
	size_t head = publish_head(f, in, &want, &version);
	struct bytes topic;
	uint16_t id = 0;

	if (!head) /* what is whole and does not fit is malformed */
		return in.size >= size_of(f) || want > PACKET_HELD
			       ? step_bad()
			       : step_more(want);
	f->in = reader_make(bytes_from(bytes_first(in, head), f->packet.head));
	f->payload = (uint32_t)(size_of(f) - head);
	topic = mqtt_string(&f->in);
	if (qos)
		id = reader_be16(&f->in);
	side->channel = qos ? exchange_id(f->side, id)
			    : CHANNEL_SINGLE + (uint64_t)f->side;
	ask(f, side->channel);
	if (!qos || qos == 3)
		sink_flags(f->sink, MESSAGE_NO_RESPONSE);
	mqtt_say_publish(f, topic, id, version);
	side->left = f->payload;
	side->state = MQTT_AT_PAYLOAD;
	if (!side->left)
		end_publish(f, side, head);
	return step_done(head);
}

/* At the payload, and behind it. */
static struct step
payload(struct mqtt_frame *f)
{
	struct mqtt_side *side = &f->conn->sides[f->side];

	sink_channel(f->sink, side->channel, SIDE_CLIENT, false);
	side->state = MQTT_IN_PAYLOAD;
	return step_skip(side->left);
}

/* PUBACK, PUBREC and PUBCOMP, of who got the message; a PUBREC that says it is
 * taken is followed by the others. */
static void
acknowledge(struct mqtt_frame *f, uint16_t id)
{
	enum side asks = side_other(f->side);
	const char *method = asks == SIDE_CLIENT ? "PUBLISH" : "DELIVER";
	uint64_t channel = exchange_id(asks, id);
	struct asked *asked = sink_channel(f->sink, channel, SIDE_SERVER, false);
	bool release = f->packet.type == MQTT_PUBCOMP &&
		       (!asked || asked->type != MQTT_PUBLISH);
	bool failed;

	if (release)
		answer(f, channel, MQTT_PUBREL, "PUBREL");
	else
		answer(f, channel, MQTT_PUBLISH, method);
	mqtt_say_acknowledgement(f);
	failed = sink_value(f->sink, FIELD_ERROR).size > 0;
	if (f->packet.type != MQTT_PUBREC || failed)
		end_answer(f);
}

/* Part of an exchange that goes on; else its beginning was not seen. */
static void
release_message(struct mqtt_frame *f, uint16_t id)
{
	uint64_t channel = exchange_id(f->side, id);
	struct asked *asked = sink_channel(f->sink, channel, SIDE_CLIENT, false);

	if (asked && asked->type == MQTT_PUBLISH && asked->qos == 2 &&
	    !is_stale(f, asked))
		return;
	ask(f, channel);
	mqtt_say_method(f, "PUBREL");
	sink_end(f->sink, size_of(f));
}

/* Packets. */

static void
connect(struct mqtt_frame *f)
{
	ask(f, CHANNEL_CONNECT);
	mqtt_say_connect(f);
	sink_end(f->sink, size_of(f));
}

static void
connected(struct mqtt_frame *f)
{
	answer(f, CHANNEL_CONNECT, MQTT_CONNECT, "CONNECT");
	mqtt_say_connack(f);
	end_answer(f);
}

static void
subscribe(struct mqtt_frame *f)
{
	ask(f, exchange_id(SIDE_CLIENT, reader_be16(&f->in)));
	mqtt_say_subscribe(f);
	sink_end(f->sink, size_of(f));
}

static void
subscribed(struct mqtt_frame *f)
{
	bool off = f->packet.type == MQTT_UNSUBACK;

	answer(f, exchange_id(SIDE_CLIENT, reader_be16(&f->in)),
	       off ? MQTT_UNSUBSCRIBE : MQTT_SUBSCRIBE,
	       off ? "UNSUBSCRIBE" : "SUBSCRIBE");
	mqtt_say_acknowledgement(f);
	end_answer(f);
}

static void
take_packet(struct mqtt_frame *f)
{
	switch (f->packet.type) {
	case MQTT_CONNECT:
		connect(f);
		break;
	case MQTT_CONNACK:
		connected(f);
		break;
	case MQTT_PUBREL:
		release_message(f, reader_be16(&f->in));
		break;
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		subscribe(f);
		break;
	case MQTT_SUBACK:
	case MQTT_UNSUBACK:
		subscribed(f);
		break;
	case MQTT_PINGREQ:
		ping(f);
		break;
	case MQTT_PINGRESP:
		pong(f);
		break;
	case MQTT_DISCONNECT:
	case MQTT_AUTH:
		single(f);
		break;
	default:
		acknowledge(f, reader_be16(&f->in));
		break;
	}
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct mqtt_conn *conn = state;
	struct mqtt_frame f = { .conn = conn, .sink = sink, .side = side };
	enum verdict verdict;

	/* What was asked until here may have been answered unread. */
	conn->sides[side].holes += conn->sides[side].lost;
	conn->sides[side].lost = false;
	if (conn->sides[side].state == MQTT_IN_PAYLOAD)
		end_publish(&f, &conn->sides[side], 0);
	if (!in.size)
		return step_more(1);
	if (conn->sides[side].state == MQTT_AT_PAYLOAD)
		return payload(&f);
	verdict = mqtt_packet_read(in, side, &f.packet);
	if (verdict == VERDICT_NO)
		return step_bad();
	if (verdict == VERDICT_MAYBE)
		return step_more(in.size + 1);
	if (f.packet.type == MQTT_PUBLISH)
		return publish(&f, in);
	if (f.packet.size > PACKET_HELD)
		return step_bad();
	if (in.size < size_of(&f))
		return step_more(size_of(&f));
	f.in = reader_make(bytes_from(bytes_first(in, size_of(&f)),
				      f.packet.head));
	take_packet(&f);
	return step_done(size_of(&f));
}

static bool
gap(void *state, enum side which, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct mqtt_conn *conn = state;
	struct mqtt_side *side = &conn->sides[which];
	struct mqtt_frame f = { .conn = conn, .sink = sink, .side = which };

	(void)pending;
	side->holes++;
	if (side->state == MQTT_AT_PAYLOAD && missing && missing <= side->left) {
		side->left -= (uint32_t)missing;
		if (sink_channel(sink, side->channel, SIDE_CLIENT, false) &&
		    sink_is_open(sink))
			sink_incomplete(sink);
		if (!side->left)
			end_publish(&f, side, 0);
		return true;
	}
	if (side->state != MQTT_AT_PACKET &&
	    sink_channel(sink, side->channel, SIDE_CLIENT, false) &&
	    sink_is_open(sink)) {
		sink_incomplete(sink);
		sink_end(sink, 0);
	}
	side->state = MQTT_AT_PACKET;
	side->lost = true;
	mqtt_aliases_free(side, sink);
	return false;
}

static void
release(void *state, struct sink *sink)
{
	struct mqtt_conn *conn = state;

	mqtt_aliases_free(&conn->sides[SIDE_CLIENT], sink);
	mqtt_aliases_free(&conn->sides[SIDE_SERVER], sink);
}

static const uint16_t ports[] = { 1883, 8883, 0 };

const struct dissector dissector_mqtt = {
	.name = "mqtt",
	.title = "MQTT",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct mqtt_conn),
	.channel_size = sizeof(struct asked),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.release = release,
};
