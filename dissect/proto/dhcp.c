/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP for IPv4 (RFC 2131, RFC 2132).  See dhcp.md. */
#include <stdio.h>

#include "dissect/proto/dhcp_parts.h"
#include "dissect/registry.h"

#define FIXED_SIZE 236
#define COOKIE 0x63825363u
#define HARDWARE_LIMIT 16
#define TEXT_LIMIT (16u << 10)

enum option {
	OPTION_PAD = 0,
	OPTION_OVERLOAD = 52,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_PARAMETERS = 55,
	OPTION_MESSAGE = 56,
	OPTION_ROUTES = 121,
	OPTION_END = 255,
};

enum type {
	TYPE_DISCOVER = 1,
	TYPE_OFFER = 2,
	TYPE_REQUEST = 3,
	TYPE_DECLINE = 4,
	TYPE_ACK = 5,
	TYPE_NAK = 6,
	TYPE_RELEASE = 7,
	TYPE_INFORM = 8,
};

static const struct attribute_name types[] = {
	{ TYPE_DISCOVER, "DHCPDISCOVER" }, { TYPE_OFFER, "DHCPOFFER" },
	{ TYPE_REQUEST, "DHCPREQUEST" },   { TYPE_DECLINE, "DHCPDECLINE" },
	{ TYPE_ACK, "DHCPACK" },	   { TYPE_NAK, "DHCPNAK" },
	{ TYPE_RELEASE, "DHCPRELEASE" },   { TYPE_INFORM, "DHCPINFORM" },
	{ 9, "DHCPFORCERENEW" },	   { 10, "DHCPLEASEQUERY" },
	{ 11, "DHCPLEASEUNASSIGNED" },	   { 12, "DHCPLEASEUNKNOWN" },
	{ 13, "DHCPLEASEACTIVE" },	   { 0, NULL }
};

struct message {
	uint8_t operation, hardware_size;
	uint32_t number;
	struct bytes client, yours, server, relay, hardware, sname, file;
	struct bytes options;
	/* Options that the rest depends on. */
	uint8_t type, overload;
	struct bytes identifier, text;
};

/* The next option; false at the end, or where it is cut. */
static bool
next_option(struct reader *r, uint8_t *code, struct bytes *value)
{
	do {
		*code = reader_u8(r);
	} while (*code == OPTION_PAD && !r->failed && reader_left(r));
	if (r->failed || *code == OPTION_PAD || *code == OPTION_END)
		return false;
	*value = reader_take(r, reader_u8(r));
	return !r->failed;
}

static bool
read_fixed(struct message *m, struct bytes in)
{
	struct reader r = reader_make(in);
	uint8_t hardware_type;

	m->operation = reader_u8(&r);
	hardware_type = reader_u8(&r);
	m->hardware_size = reader_u8(&r);
	reader_skip(&r, 1);
	m->number = reader_be32(&r);
	reader_skip(&r, 4);
	m->client = reader_take(&r, 4);
	m->yours = reader_take(&r, 4);
	m->server = reader_take(&r, 4);
	m->relay = reader_take(&r, 4);
	m->hardware = bytes_first(reader_take(&r, HARDWARE_LIMIT),
				  m->hardware_size);
	m->sname = reader_take(&r, 64);
	m->file = reader_take(&r, 128);
	if (reader_be32(&r) != COOKIE || r.failed)
		return false;
	m->options = bytes_make(r.at, reader_left(&r));
	return (m->operation == 1 || m->operation == 2) && hardware_type &&
	       m->hardware_size <= HARDWARE_LIMIT;
}

static void
read_options(struct message *m)
{
	struct reader r = reader_make(m->options);
	struct bytes value;
	uint8_t code;

	for (unsigned i = 0; i < DHCP_OPTIONS_SHOWN; i++) {
		if (!next_option(&r, &code, &value))
			return;
		if (code == OPTION_TYPE && value.size == 1)
			m->type = value.data[0];
		else if (code == OPTION_OVERLOAD && value.size == 1)
			m->overload = value.data[0];
		else if (code == OPTION_SERVER && value.size == 4)
			m->identifier = value;
		else if (code == OPTION_MESSAGE)
			m->text = value;
	}
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct message m = { .type = 0 };

	(void)transport;
	return read_fixed(&m, client.size ? client : server) ? VERDICT_YES
							     : VERDICT_NO;
}

/* Reading. */

static void
say_text(struct sink *sink, const char *name, struct buf *text)
{
	sink_header(sink, bytes_of(name), buf_view(text));
	buf_reset(text);
}

static void
say_address(struct sink *sink, const char *name, struct bytes address,
	    struct buf *text)
{
	static const uint8_t none[4];

	if (address.size != 4 || memcmp(address.data, none, 4) == 0)
		return;
	attribute_put_address(text, address);
	say_text(sink, name, text);
}

/* RFC 3442: width, as many octets of the network as it has, router. */
static void
put_routes(struct buf *out, struct bytes value)
{
	struct reader r = reader_make(value);

	while (reader_left(&r)) {
		uint8_t width = reader_u8(&r), network[4] = { 0 };
		struct bytes part = reader_take(&r, (width + 7u) / 8);
		struct bytes router = reader_take(&r, 4);

		if (r.failed || width > 32)
			return;
		if (part.size)
			memcpy(network, part.data, part.size);
		buf_text(out, out->size ? ", " : "");
		attribute_put_address(out, bytes_make(network, 4));
		buf_format(out, "/%u via ", width);
		attribute_put_address(out, router);
	}
}

static void
say_option(struct sink *sink, uint8_t code, struct bytes value,
	   struct buf *text)
{
	char room[ATTRIBUTE_NAME];
	const struct attribute_kind *kind;

	switch (code) {
	case OPTION_TYPE:
		return;
	case OPTION_PARAMETERS:
		for (size_t i = 0; i < value.size; i++) {
			kind = attribute_kind_find(dhcp_options, value.data[i]);
			snprintf(room, sizeof(room), "%u", value.data[i]);
			buf_text(text, i ? " " : "");
			buf_text(text, kind ? kind->name : room);
		}
		say_text(sink, "parameter-request-list", text);
		return;
	case OPTION_ROUTES:
		put_routes(text, value);
		say_text(sink, "classless-static-route", text);
		return;
	default:
		attribute_say(sink, attribute_kind_find(dhcp_options, code),
			      "option", code, value);
		return;
	}
}

static void
say_options(struct sink *sink, struct bytes options, struct buf *text)
{
	struct reader r = reader_make(options);
	struct bytes value;
	uint8_t code;

	for (unsigned i = 0; i < DHCP_OPTIONS_SHOWN; i++) {
		if (!next_option(&r, &code, &value))
			break;
		say_option(sink, code, value, text);
	}
	if (r.failed && options.size)
		sink_field(sink, FIELD_ERROR,
			   bytes_of("the options are cut short"));
}

/* A text in a field of fixed size. */
static void
say_field(struct sink *sink, const char *name, struct bytes field)
{
	const void *end = memchr(field.data, 0, field.size);
	size_t size = end ? (size_t)((const uint8_t *)end - field.data)
			  : field.size;

	if (size)
		sink_header(sink, bytes_of(name), bytes_first(field, size));
}

static bool
is_answer(const struct message *m)
{
	return m->operation == 2;
}

/* A client may have two questions open under one number: for an offer, and for
 * what was offered. */
static uint64_t
identify(const struct message *m)
{
	uint64_t id = m->number;

	for (size_t i = 0; i < m->hardware.size; i++)
		id = id * 31 + m->hardware.data[i];
	return id << 1 |
	       (m->type == TYPE_DISCOVER || m->type == TYPE_OFFER);
}

static void
say_kind(struct sink *sink, const struct message *m, struct buf *text)
{
	char room[ATTRIBUTE_NAME];
	const char *name = m->type ? attribute_name(types, m->type, "type",
						    room)
				   : is_answer(m) ? "BOOTREPLY"
						  : "BOOTREQUEST";

	sink_field(sink, FIELD_METHOD, bytes_of(name));
	attribute_put_hex(text, m->hardware, ':');
	if (!is_answer(m)) {
		sink_field(sink, FIELD_PATH, buf_view(text));
		attribute_field(sink, FIELD_SUMMARY, "%s %.*s", name,
				(int)text->size, (const char *)text->data);
		buf_reset(text);
		return;
	}
	buf_reset(text);
	sink_status(sink, m->type);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (m->identifier.size) {
		attribute_put_address(text, m->identifier);
		sink_field(sink, FIELD_HOST, buf_view(text));
		buf_reset(text);
	}
	if (m->type != TYPE_NAK)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	attribute_field(sink, FIELD_ERROR, "refused%s%.*s",
			m->text.size ? ": " : "", (int)m->text.size,
			m->text.size ? (const char *)m->text.data : "");
}

static void
say_message(struct sink *sink, const struct message *m, struct buf *text)
{
	attribute_header(sink, "transaction-id", "0x%08x", m->number);
	attribute_put_hex(text, m->hardware, ':');
	if (text->size)
		say_text(sink, "hardware-address", text);
	say_address(sink, "client-address", m->client, text);
	say_address(sink, "your-address", m->yours, text);
	say_address(sink, "next-server", m->server, text);
	say_address(sink, "relay-address", m->relay, text);
	if (!(m->overload & 2))
		say_field(sink, "server-name", m->sname);
	if (!(m->overload & 1))
		say_field(sink, "boot-file", m->file);
	say_options(sink, m->options, text);
	if (m->overload & 1)
		say_options(sink, m->file, text);
	if (m->overload & 2)
		say_options(sink, m->sname, text);
}

static struct step
feed(void *conn, enum side side, struct bytes in, struct sink *sink)
{
	struct message m = { .type = 0 };
	struct buf text;

	(void)conn;
	if (!read_fixed(&m, in))
		return step_bad();
	read_options(&m);
	buf_init(&text, TEXT_LIMIT);
	sink_begin(sink);
	sink_id(sink, identify(&m));
	if (is_answer(&m) != (side == SIDE_SERVER))
		sink_flags(sink, MESSAGE_REVERSED);
	if (m.type == TYPE_RELEASE || m.type == TYPE_DECLINE)
		sink_flags(sink, MESSAGE_NO_RESPONSE);
	say_kind(sink, &m, &text);
	say_message(sink, &m, &text);
	sink_end(sink, in.size);
	buf_free(&text);
	return step_done(in.size);
}

static const uint16_t ports[] = { 67, 68, 0 };

const struct dissector dissector_dhcp = {
	.name = "dhcp",
	.title = "DHCP",
	.ports = ports,
	.transport = TRANSPORT_UDP,
	.pairing = PAIR_BY_ID,
	.probe = probe,
	.feed = feed,
};
