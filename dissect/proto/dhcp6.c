/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP for IPv6 (RFC 8415).  See dhcp.md. */
#include "dissect/proto/dhcp_parts.h"
#include "dissect/registry.h"

#define RELAY_HOPS 8
#define RELAY_SIZE 34
#define DEPTH 4
#define TEXT_LIMIT (16u << 10)

enum type {
	TYPE_SOLICIT = 1,
	TYPE_ADVERTISE = 2,
	TYPE_REPLY = 7,
	TYPE_RECONFIGURE = 10,
	TYPE_INFORMATION_REQUEST = 11,
	TYPE_RELAY_FORWARD = 12,
	TYPE_RELAY_REPLY = 13,
};

enum option {
	OPTION_CLIENT = 1,
	OPTION_SERVER = 2,
	OPTION_IA_NA = 3,
	OPTION_IA_TA = 4,
	OPTION_ADDRESS = 5,
	OPTION_REQUEST = 6,
	OPTION_RELAY = 9,
	OPTION_STATUS = 13,
	OPTION_IA_PD = 25,
	OPTION_PREFIX = 26,
};

static const struct attribute_name types[] = {
	{ TYPE_SOLICIT, "SOLICIT" },
	{ TYPE_ADVERTISE, "ADVERTISE" },
	{ 3, "REQUEST" },
	{ 4, "CONFIRM" },
	{ 5, "RENEW" },
	{ 6, "REBIND" },
	{ TYPE_REPLY, "REPLY" },
	{ 8, "RELEASE" },
	{ 9, "DECLINE" },
	{ TYPE_RECONFIGURE, "RECONFIGURE" },
	{ TYPE_INFORMATION_REQUEST, "INFORMATION-REQUEST" },
	{ 0, NULL }
};

static const struct attribute_name statuses[] = {
	{ 0, "Success" },	 { 1, "UnspecFail" },
	{ 2, "NoAddrsAvail" },	 { 3, "NoBinding" },
	{ 4, "NotOnLink" },	 { 5, "UseMulticast" },
	{ 6, "NoPrefixAvail" },	 { 0, NULL }
};

struct message {
	struct bytes all;    /* with relays around it */
	uint8_t type;
	uint32_t number;
	struct bytes options;
	unsigned relays;
	struct bytes links[RELAY_HOPS], peers[RELAY_HOPS];
	/* What was found in the options. */
	bool named;          /* client or server, by a DUID */
	bool has_status;
	uint16_t status;
	struct bytes status_text;
};

static bool
next_option(struct reader *r, uint16_t *code, struct bytes *value)
{
	if (!reader_left(r))
		return false;
	*code = reader_be16(r);
	*value = reader_take(r, reader_be16(r));
	return !r->failed;
}

/* The value of the first option of that code; false when the options are
 * malformed. */
static bool
find_option(struct bytes options, uint16_t wanted, struct bytes *found)
{
	struct reader r = reader_make(options);
	struct bytes value;
	uint16_t code;

	*found = bytes_make(NULL, 0);
	while (next_option(&r, &code, &value))
		if (code == wanted && !found->data)
			*found = value;
	return !r.failed;
}

/* Takes the relays off; false when it is no message. */
static bool
read_message(struct message *m, struct bytes in)
{
	struct bytes client, server;

	m->all = in;
	while (in.size && (in.data[0] == TYPE_RELAY_FORWARD ||
			   in.data[0] == TYPE_RELAY_REPLY)) {
		if (in.size < RELAY_SIZE || m->relays == RELAY_HOPS)
			return false;
		m->links[m->relays] = bytes_make(in.data + 2, 16);
		m->peers[m->relays++] = bytes_make(in.data + 18, 16);
		if (!find_option(bytes_from(in, RELAY_SIZE), OPTION_RELAY, &in))
			return false;
	}
	if (in.size < 4 || !attribute_find(types, in.data[0]))
		return false;
	m->type = in.data[0];
	m->number = (uint32_t)in.data[1] << 16 | (uint32_t)in.data[2] << 8 |
		    in.data[3];
	m->options = bytes_from(in, 4);
	if (!find_option(m->options, OPTION_CLIENT, &client) ||
	    !find_option(m->options, OPTION_SERVER, &server))
		return false;
	/* Who is meant, by a DUID of one of four kinds (§11); only a question
	 * for settings may go without. */
	if (!client.size)
		client = server;
	m->named = client.size >= 4;
	if (!m->named)
		return m->type == TYPE_INFORMATION_REQUEST &&
		       m->options.size >= 4;
	return client.data[0] == 0 && client.data[1] >= 1 &&
	       client.data[1] <= 4;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct message m = { .type = 0 };

	(void)transport;
	if (!read_message(&m, client.size ? client : server))
		return VERDICT_NO;
	/* Zeros behind the type would be options, too. */
	return m.named && m.options.size >= 10 ? VERDICT_YES : VERDICT_MAYBE;
}

/* Reading. */

static void
say_text(struct sink *sink, const char *name, struct buf *text)
{
	sink_header(sink, bytes_of(name), buf_view(text));
	buf_reset(text);
}

static void
say_lifetimes(struct sink *sink, const char *name, struct reader *r,
	      struct buf *text)
{
	uint32_t preferred = reader_be32(r), valid = reader_be32(r);

	buf_format(text, ", preferred %u s, valid %u s", preferred, valid);
	say_text(sink, name, text);
}

static void
say_address(struct sink *sink, struct bytes value, struct buf *text)
{
	struct reader r = reader_make(value);

	attribute_put_address(text, reader_take(&r, 16));
	say_lifetimes(sink, "ia-address", &r, text);
}

static void
say_prefix(struct sink *sink, struct bytes value, struct buf *text)
{
	struct reader r = reader_make(value), end = r;
	unsigned width;

	reader_skip(&end, 8);
	width = reader_u8(&end);
	attribute_put_address(text, reader_take(&end, 16));
	buf_format(text, "/%u", width);
	say_lifetimes(sink, "ia-prefix", &r, text);
}

static void
say_request(struct sink *sink, struct bytes value, struct buf *text)
{
	struct reader r = reader_make(value);

	while (reader_left(&r) >= 2) {
		uint16_t code = reader_be16(&r);
		const struct attribute_kind *kind =
			attribute_kind_find(dhcp6_options, code);

		if (text->size)
			buf_u8(text, ' ');
		if (kind)
			buf_text(text, kind->name);
		else
			buf_format(text, "%u", code);
	}
	say_text(sink, "option-request", text);
}

static void
say_status(struct message *m, struct sink *sink, struct bytes value)
{
	char room[ATTRIBUTE_NAME];
	struct reader r = reader_make(value);
	uint16_t status = reader_be16(&r);
	struct bytes text = bytes_first(bytes_from(value, 2), 256);

	if (!m->has_status || status) {
		m->has_status = true;
		m->status = status;
		m->status_text = text;
	}
	attribute_header(sink, "status", "%s%s%.*s",
			 attribute_name(statuses, status, "status", room),
			 text.size ? ": " : "", (int)text.size,
			 text.size ? (const char *)text.data : "");
}

/* An option, and where the options within it begin; SIZE_MAX: none. */
static size_t
say_option(struct message *m, struct sink *sink, uint16_t code,
	   struct bytes value, struct buf *text)
{
	struct reader r = reader_make(value);

	switch (code) {
	case OPTION_IA_NA:
	case OPTION_IA_PD:
		attribute_header(sink, code == OPTION_IA_NA ? "ia-na" : "ia-pd",
				 "0x%08x", reader_be32(&r));
		return 12;
	case OPTION_IA_TA:
		attribute_header(sink, "ia-ta", "0x%08x", reader_be32(&r));
		return 4;
	case OPTION_ADDRESS:
		say_address(sink, value, text);
		return 24;
	case OPTION_PREFIX:
		say_prefix(sink, value, text);
		return 25;
	case OPTION_REQUEST:
		say_request(sink, value, text);
		return SIZE_MAX;
	case OPTION_STATUS:
		say_status(m, sink, value);
		return SIZE_MAX;
	default:
		attribute_say(sink, attribute_kind_find(dhcp6_options, code),
			      "option", code, value);
		return SIZE_MAX;
	}
}

static void
say_options(struct message *m, struct sink *sink, struct buf *text)
{
	struct reader open[DEPTH] = { reader_make(m->options) };
	unsigned depth = 0;
	struct bytes value;
	uint16_t code;

	for (unsigned i = 0; i < DHCP_OPTIONS_SHOWN; i++) {
		size_t inside;

		while (!next_option(&open[depth], &code, &value))
			if (depth-- == 0)
				return;
		inside = say_option(m, sink, code, value, text);
		if (inside < value.size && depth + 1 < DEPTH)
			open[++depth] = reader_make(bytes_from(value, inside));
	}
	sink_truncated(sink);
}

static bool
is_answer(const struct message *m)
{
	return m->type == TYPE_ADVERTISE || m->type == TYPE_REPLY;
}

static void
say_outcome(const struct message *m, struct sink *sink)
{
	char room[ATTRIBUTE_NAME];
	const char *name = attribute_name(statuses, m->status, "status", room);

	if (!is_answer(m))
		return;
	sink_status(sink, m->status);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (!m->status)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	attribute_field(sink, FIELD_ERROR, "%s%s%.*s", name,
			m->status_text.size ? ": " : "",
			(int)m->status_text.size,
			m->status_text.size
				? (const char *)m->status_text.data
				: "");
}

static void
say_message(struct message *m, struct sink *sink)
{
	const char *name = attribute_find(types, m->type);
	struct bytes client;
	struct buf text;

	buf_init(&text, TEXT_LIMIT);
	find_option(m->options, OPTION_CLIENT, &client);
	attribute_put_hex(&text, bytes_first(client, 130), 0);
	if (!is_answer(m))
		sink_field(sink, FIELD_PATH, buf_view(&text));
	attribute_field(sink, FIELD_SUMMARY, "%s %.*s", name, (int)text.size,
			text.size ? (const char *)text.data : "");
	buf_reset(&text);
	sink_field(sink, FIELD_METHOD, bytes_of(name));
	attribute_header(sink, "transaction-id", "0x%06x", m->number);
	for (unsigned i = 0; i < m->relays; i++) {
		buf_text(&text, "link ");
		attribute_put_address(&text, m->links[i]);
		buf_text(&text, ", peer ");
		attribute_put_address(&text, m->peers[i]);
		say_text(sink, "relay", &text);
	}
	say_options(m, sink, &text);
	say_outcome(m, sink);
	buf_free(&text);
}

static struct step
feed(void *conn, enum side side, struct bytes in, struct sink *sink)
{
	struct message m = { .type = 0 };

	(void)conn;
	if (!read_message(&m, in))
		return step_bad();
	sink_begin(sink);
	sink_id(sink, m.number);
	if (m.type == TYPE_RECONFIGURE) {
		sink_flags(sink, MESSAGE_NO_RESPONSE |
					 (side == SIDE_SERVER
						  ? MESSAGE_REVERSED
						  : 0u));
	} else if (is_answer(&m) != (side == SIDE_SERVER)) {
		sink_flags(sink, MESSAGE_REVERSED);
	}
	say_message(&m, sink);
	sink_end(sink, in.size);
	return step_done(in.size);
}

static const uint16_t ports[] = { 546, 547, 0 };

const struct dissector dissector_dhcp6 = {
	.name = "dhcp6",
	.title = "DHCPv6",
	.ports = ports,
	.transport = TRANSPORT_UDP,
	.pairing = PAIR_BY_ID,
	.probe = probe,
	.feed = feed,
};
