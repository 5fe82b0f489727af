/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/mqtt_packet.h"

#include "base/reader.h"
#include "base/text.h"
#include "dissect/proto/mqtt_property.h"

#define SIZE_BYTES 4
/* Whole packets in a row that are proof where none of them is by itself. */
#define ENOUGH 3
/* Packets are not longer, where they must be seen whole. */
#define WAITED 4096

/* What each type demands, by its number. */
static const struct {
	bool client, server; /* who may send it */
	uint8_t flags;
	uint8_t least;       /* bytes behind the fixed header */
} types[16] = {
	[MQTT_CONNECT] = { true, false, 0, 10 },
	[MQTT_CONNACK] = { false, true, 0, 2 },
	[MQTT_PUBLISH] = { true, true, 0, 2 },
	[MQTT_PUBACK] = { true, true, 0, 2 },
	[MQTT_PUBREC] = { true, true, 0, 2 },
	[MQTT_PUBREL] = { true, true, 2, 2 },
	[MQTT_PUBCOMP] = { true, true, 0, 2 },
	[MQTT_SUBSCRIBE] = { true, false, 2, 5 },
	[MQTT_SUBACK] = { false, true, 0, 3 },
	[MQTT_UNSUBSCRIBE] = { true, false, 2, 4 },
	[MQTT_UNSUBACK] = { false, true, 0, 2 },
	[MQTT_PINGREQ] = { true, false, 0, 0 },
	[MQTT_PINGRESP] = { false, true, 0, 0 },
	[MQTT_DISCONNECT] = { true, true, 0, 0 },
	[MQTT_AUTH] = { true, true, 0, 0 },
};

static bool
is_of_type(const struct mqtt_packet *p, enum side side)
{
	uint8_t flags = p->flags;

	if (side == SIDE_CLIENT ? !types[p->type].client
				: !types[p->type].server)
		return false;
	/* MQTT 3.1 repeats SUBSCRIBE and the like with DUP set. */
	if (types[p->type].flags)
		flags &= 7;
	return p->type == MQTT_PUBLISH || flags == types[p->type].flags;
}

enum verdict
mqtt_packet_read(struct bytes in, enum side side, struct mqtt_packet *out)
{
	uint32_t size = 0;

	*out = (struct mqtt_packet){ .head = 1 };
	if (!in.size)
		return VERDICT_MAYBE;
	out->type = in.data[0] >> 4;
	out->flags = in.data[0] & 15;
	if (!is_of_type(out, side))
		return VERDICT_NO;
	for (;;) {
		uint8_t byte;

		if (out->head == in.size)
			return VERDICT_MAYBE;
		byte = in.data[out->head];
		size |= (uint32_t)(byte & 0x7f) << (7 * (out->head - 1));
		out->head++;
		if (!(byte & 0x80))
			break;
		if (out->head > SIZE_BYTES)
			return VERDICT_NO;
	}
	out->size = size;
	if (size < types[out->type].least ||
	    (size && (out->type == MQTT_PINGREQ || out->type == MQTT_PINGRESP)))
		return VERDICT_NO;
	return VERDICT_YES;
}

/* Detection. */

/* "MQTT" and its version, at the front of CONNECT. */
static enum verdict
judge_connect(struct bytes in)
{
	static const struct {
		const char *name;
		uint8_t size, first, last;
	} names[] = { { "\0\4MQTT", 6, 4, 5 }, { "\0\6MQIsdp", 8, 3, 3 } };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct bytes head = bytes_first(in, names[i].size);
		uint8_t level;

		if (head.size && memcmp(head.data, names[i].name, head.size) != 0)
			continue;
		if (in.size <= names[i].size)
			return VERDICT_MAYBE;
		/* Bridges of mosquitto set the highest bit. */
		level = in.data[names[i].size] & 0x7f;
		return level >= names[i].first && level <= names[i].last
			       ? VERDICT_YES
			       : VERDICT_NO;
	}
	return VERDICT_NO;
}

static bool
is_topic(struct bytes topic)
{
	for (size_t i = 0; i < topic.size; i++)
		if (topic.data[i] < ' ' || topic.data[i] == '#' ||
		    topic.data[i] == '+' || topic.data[i] == 0x7f)
			return false;
	return text_is_utf8(topic);
}

/* Of a PUBLISH: the topic must be one, and be there. */
static enum verdict
judge_publish(const struct mqtt_packet *p, struct bytes in)
{
	struct reader r = reader_make(in);
	uint16_t size = reader_be16(&r);
	struct bytes topic;

	if (mqtt_qos(p) == 3 || (p->flags & 8 && !mqtt_qos(p)))
		return VERDICT_NO;
	if (r.failed)
		return VERDICT_MAYBE;
	if (!size || size + 2u + (mqtt_qos(p) ? 2u : 0u) > p->size)
		return VERDICT_NO;
	topic = reader_take(&r, size);
	if (r.failed)
		return is_topic(bytes_from(in, 2)) ? VERDICT_MAYBE
						   : VERDICT_NO;
	return is_topic(topic) ? VERDICT_YES : VERDICT_NO;
}

/* A reason code (v5, §2.4) or return code (v3.1.1, §3.2.2.3). */
static bool
is_reason(uint8_t code)
{
	return mqtt_reason(code) || mqtt_return_code(code);
}

/* Of the other types, which have a packet identifier that is not 0, a reason,
 * or both at the front; never proof. */
static enum verdict
judge_other(const struct mqtt_packet *p, struct bytes in)
{
	size_t reason = 0;

	if (p->size > WAITED)
		return VERDICT_NO;
	if (p->type == MQTT_CONNACK) {
		if (in.size && in.data[0] > 1) /* session present */
			return VERDICT_NO;
		reason = 1;
	} else if (p->type != MQTT_DISCONNECT && p->type != MQTT_AUTH) {
		if (in.size >= 2 && !in.data[0] && !in.data[1])
			return VERDICT_NO;
		reason = 2;
	}
	if (p->type >= MQTT_SUBSCRIBE && p->type <= MQTT_UNSUBACK)
		return VERDICT_MAYBE;
	return in.size <= reason || is_reason(in.data[reason]) ? VERDICT_MAYBE
							       : VERDICT_NO;
}

/* A packet is judged; YES where it is proof without others. */
struct judgement {
	enum verdict verdict;
	bool whole;
	bool ping;
	bool last; /* nothing may follow (§3.14.4) */
	size_t size;
};

static struct judgement
judge(struct bytes in, enum side side)
{
	struct mqtt_packet p;
	struct judgement j = { .verdict = mqtt_packet_read(in, side, &p) };
	struct bytes rest;

	if (j.verdict != VERDICT_YES)
		return j;
	rest = bytes_first(bytes_from(in, p.head), p.size);
	j.size = (size_t)p.head + p.size;
	j.whole = in.size >= j.size;
	j.ping = p.type == MQTT_PINGREQ || p.type == MQTT_PINGRESP;
	j.last = p.type == MQTT_DISCONNECT;
	if (p.type == MQTT_CONNECT)
		j.verdict = judge_connect(rest);
	else if (p.type == MQTT_PUBLISH)
		j.verdict = judge_publish(&p, rest);
	else
		j.verdict = judge_other(&p, rest);
	/* A topic of one level may be any text with a length. */
	if (p.type == MQTT_PUBLISH && j.verdict == VERDICT_YES &&
	    (!j.whole || !memchr(rest.data + 2, '/', rest.data[1])))
		j.verdict = VERDICT_MAYBE;
	return j;
}

/* What a row of packets says. */
struct row {
	enum verdict verdict;
	unsigned whole;  /* packets seen to their end */
	bool pings;      /* they are pings alone, and nothing is left over */
};

static struct row
judge_row(struct bytes in, enum side side)
{
	struct row row = { .verdict = VERDICT_MAYBE, .pings = true };

	while (in.size && row.whole < ENOUGH) {
		struct judgement j = judge(in, side);

		if (j.verdict != VERDICT_MAYBE) {
			row.verdict = j.verdict;
			return row;
		}
		row.pings &= j.ping;
		if (!j.whole)
			return row;
		row.whole++;
		in = bytes_from(in, j.size);
		if (j.last && in.size)
			row.verdict = VERDICT_NO;
		if (j.last)
			return row;
	}
	return row;
}

enum verdict
mqtt_probe(struct bytes client, struct bytes server)
{
	struct row asks = judge_row(client, SIDE_CLIENT);
	struct row answers = judge_row(server, SIDE_SERVER);

	if (asks.verdict != VERDICT_MAYBE)
		return asks.verdict;
	if (answers.verdict != VERDICT_MAYBE)
		return answers.verdict;
	if (asks.whole + answers.whole >= ENOUGH ||
	    (asks.whole && answers.whole && asks.pings && answers.pings))
		return VERDICT_YES;
	return VERDICT_MAYBE;
}

/* Of a PUBLISH; a number may stand for the topic, which is empty then. */
static enum verdict
judge_again(const struct mqtt_packet *p, struct bytes in)
{
	struct reader r = reader_make(in);
	uint16_t size = reader_be16(&r);

	if (r.failed || size)
		return judge_publish(p, in);
	if (in.size < p->size)
		return p->size <= WAITED ? VERDICT_MAYBE : VERDICT_NO;
	if (mqtt_qos(p))
		reader_be16(&r);
	return mqtt_properties_are_good(&r, MQTT_PROPERTY_ALIAS) ? VERDICT_YES
								 : VERDICT_NO;
}

enum verdict
mqtt_resync(struct bytes in, enum side side)
{
	struct mqtt_packet p, next;
	enum verdict verdict = mqtt_packet_read(in, side, &p);
	struct bytes rest;

	if (verdict != VERDICT_YES)
		return verdict;
	rest = bytes_from(in, p.head);
	if (p.type == MQTT_PUBLISH)
		verdict = judge_again(&p, bytes_first(rest, p.size));
	else if (p.type == MQTT_CONNECT)
		verdict = judge_connect(bytes_first(rest, p.size));
	else if (judge_other(&p, bytes_first(rest, p.size)) == VERDICT_NO)
		verdict = VERDICT_NO;
	if (verdict != VERDICT_YES)
		return verdict;
	if (rest.size < p.size)
		return p.type == MQTT_PUBLISH ? VERDICT_YES
		       : p.size > WAITED      ? VERDICT_NO
					      : VERDICT_MAYBE;
	if (rest.size > p.size &&
	    mqtt_packet_read(bytes_from(rest, p.size), side, &next) ==
		    VERDICT_NO)
		return VERDICT_NO;
	return VERDICT_YES;
}
