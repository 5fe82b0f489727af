/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNMP versions 1 (RFC 1157), 2c (RFC 1901, RFC 3416) and 3 (RFC 3412, RFC
 * 3414).  See snmp.md.
 */
#include "dissect/proto/attribute.h"
#include "dissect/proto/ber.h"
#include "dissect/registry.h"

#define BINDINGS_SHOWN 1024
#define TEXT_LIMIT (16u << 10)
/* Numbers of requests, and of messages of version 3, are apart. */
#define ID_OF_MESSAGE (UINT64_C(1) << 32)

enum pdu {
	PDU_GET = 0xa0,
	PDU_GET_NEXT = 0xa1,
	PDU_RESPONSE = 0xa2,
	PDU_SET = 0xa3,
	PDU_TRAP_1 = 0xa4,
	PDU_GET_BULK = 0xa5,
	PDU_INFORM = 0xa6,
	PDU_TRAP_2 = 0xa7,
	PDU_REPORT = 0xa8,
};

static const struct attribute_name pdus[] = {
	{ PDU_GET, "GetRequest" },	 { PDU_GET_NEXT, "GetNextRequest" },
	{ PDU_RESPONSE, "Response" },	 { PDU_SET, "SetRequest" },
	{ PDU_TRAP_1, "Trap" },		 { PDU_GET_BULK, "GetBulkRequest" },
	{ PDU_INFORM, "InformRequest" }, { PDU_TRAP_2, "SNMPv2-Trap" },
	{ PDU_REPORT, "Report" },	 { 0, NULL }
};

static const struct attribute_name errors[] = {
	{ 0, "noError" },	      { 1, "tooBig" },
	{ 2, "noSuchName" },	      { 3, "badValue" },
	{ 4, "readOnly" },	      { 5, "genErr" },
	{ 6, "noAccess" },	      { 7, "wrongType" },
	{ 8, "wrongLength" },	      { 9, "wrongEncoding" },
	{ 10, "wrongValue" },	      { 11, "noCreation" },
	{ 12, "inconsistentValue" },  { 13, "resourceUnavailable" },
	{ 14, "commitFailed" },	      { 15, "undoFailed" },
	{ 16, "authorizationError" }, { 17, "notWritable" },
	{ 18, "inconsistentName" },   { 0, NULL }
};

static const struct attribute_name traps[] = {
	{ 0, "coldStart" },
	{ 1, "warmStart" },
	{ 2, "linkDown" },
	{ 3, "linkUp" },
	{ 4, "authenticationFailure" },
	{ 5, "egpNeighborLoss" },
	{ 6, "enterpriseSpecific" },
	{ 0, NULL }
};

static const struct attribute_name types[] = {
	{ BER_INTEGER, "INTEGER" },  { BER_OCTETS, "OCTET STRING" },
	{ BER_NULL, "NULL" },	     { BER_OID, "OBJECT IDENTIFIER" },
	{ 0x40, "IpAddress" },	     { 0x41, "Counter32" },
	{ 0x42, "Gauge32" },	     { 0x43, "TimeTicks" },
	{ 0x44, "Opaque" },	     { 0x46, "Counter64" },
	{ 0x80, "noSuchObject" },    { 0x81, "noSuchInstance" },
	{ 0x82, "endOfMibView" },    { 0, NULL }
};

/* What a report counts (RFC 3414 §5, RFC 3412 §5). */
static const struct {
	const char *oid, *meaning;
} reports[] = {
	{ "1.3.6.1.6.3.15.1.1.1.0", "unsupportedSecLevels" },
	{ "1.3.6.1.6.3.15.1.1.2.0", "notInTimeWindows" },
	{ "1.3.6.1.6.3.15.1.1.3.0", "unknownUserNames" },
	{ "1.3.6.1.6.3.15.1.1.4.0", "unknownEngineIDs" },
	{ "1.3.6.1.6.3.15.1.1.5.0", "wrongDigests" },
	{ "1.3.6.1.6.3.15.1.1.6.0", "decryptionErrors" },
	{ "1.3.6.1.6.3.11.2.1.1.0", "unknownSecurityModels" },
	{ "1.3.6.1.6.3.11.2.1.2.0", "invalidMsgs" },
	{ "1.3.6.1.6.3.11.2.1.3.0", "unknownPDUHandlers" },
	{ "1.3.6.1.6.3.12.1.5.0", "unknownContexts" },
};

struct message {
	int64_t version;
	struct bytes community;
	/* Version 3. */
	int64_t number;
	uint8_t flags;
	struct bytes engine, user, context;
	bool encrypted;
	/* The PDU; its tag is 0 when nobody can read it. */
	struct ber pdu;
};

/* The security parameters of the user-based model (RFC 3414 §2.4). */
static void
read_user(struct message *m, struct bytes parameters)
{
	struct reader r = reader_make(parameters), inner;

	inner = reader_make(ber_take(&r, BER_SEQUENCE));
	m->engine = ber_take(&inner, BER_OCTETS);
	ber_take_integer(&inner, BER_INTEGER);
	ber_take_integer(&inner, BER_INTEGER);
	m->user = ber_take(&inner, BER_OCTETS);
}

static bool
read_version_3(struct message *m, struct reader *r)
{
	struct reader head = reader_make(ber_take(r, BER_SEQUENCE)), scoped;
	struct bytes flags, parameters;
	struct ber data;
	int64_t model;

	m->number = ber_take_integer(&head, BER_INTEGER);
	ber_take_integer(&head, BER_INTEGER);
	flags = ber_take(&head, BER_OCTETS);
	model = ber_take_integer(&head, BER_INTEGER);
	parameters = ber_take(r, BER_OCTETS);
	data = ber_next(r);
	if (r->failed || head.failed || flags.size != 1 || model < 0 ||
	    m->number < 0 || m->number > INT32_MAX)
		return false;
	m->flags = flags.data[0];
	if (model == 3)
		read_user(m, parameters);
	if (data.tag == BER_OCTETS) {
		m->encrypted = true;
		return true;
	}
	scoped = reader_make(data.value);
	ber_take(&scoped, BER_OCTETS);
	m->context = ber_take(&scoped, BER_OCTETS);
	m->pdu = ber_next(&scoped);
	return data.tag == BER_SEQUENCE && !scoped.failed;
}

/* All of the datagram must be one message. */
static bool
read_message(struct message *m, struct bytes in)
{
	struct reader outer = reader_make(in), r;

	r = reader_make(ber_take(&outer, BER_SEQUENCE));
	if (outer.failed || reader_left(&outer))
		return false;
	m->version = ber_take_integer(&r, BER_INTEGER);
	if (r.failed)
		return false;
	if (m->version == 3) {
		if (!read_version_3(m, &r))
			return false;
	} else if (m->version == 0 || m->version == 1) {
		m->community = ber_take(&r, BER_OCTETS);
		m->pdu = ber_next(&r);
	} else {
		return false;
	}
	if (r.failed || reader_left(&r))
		return false;
	return m->encrypted || attribute_find(pdus, m->pdu.tag);
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct message m = { .version = -1 };

	(void)transport;
	return read_message(&m, client.size ? client : server) ? VERDICT_YES
							       : VERDICT_NO;
}

/* Reading. */

static void
put_integer(struct buf *out, struct bytes value, bool sign)
{
	uint64_t number = 0;
	int64_t signed_number;

	if (sign && ber_integer(value, &signed_number)) {
		buf_format(out, "%lld", (long long)signed_number);
		return;
	}
	/* Some senders leave out the octet that keeps it from being negative. */
	if (value.size == 9 && !value.data[0])
		value = bytes_from(value, 1);
	if (sign || !value.size || value.size > 8) {
		attribute_put_hex(out, value, 0);
		return;
	}
	for (size_t i = 0; i < value.size; i++)
		number = number << 8 | value.data[i];
	buf_format(out, "%llu", (unsigned long long)number);
}

static void
put_value(struct buf *out, struct ber value)
{
	char room[ATTRIBUTE_NAME];

	buf_text(out, attribute_name(types, value.tag, "type", room));
	switch (value.tag) {
	case BER_NULL:
	case 0x80:
	case 0x81:
	case 0x82:
		return;
	default:
		break;
	}
	buf_text(out, ": ");
	if (value.tag == BER_OID)
		ber_put_oid(out, value.value);
	else if (value.tag == BER_INTEGER)
		put_integer(out, value.value, true);
	else if (value.tag == 0x40)
		attribute_put_address(out, value.value);
	else if (value.tag == 0x41 || value.tag == 0x42 || value.tag == 0x43 ||
		 value.tag == 0x46)
		put_integer(out, value.value, false);
	else
		attribute_put_text(out, value.value);
}

struct bindings {
	struct buf text;
	struct buf first; /* the OID of the first, or of that in error */
	unsigned count;
};

static void
read_bindings(struct sink *sink, struct bytes list, int64_t wanted,
	      struct bindings *b)
{
	struct reader r = reader_make(list);

	for (; reader_left(&r); b->count++) {
		struct reader one = reader_make(ber_take(&r, BER_SEQUENCE));
		struct bytes oid = ber_take(&one, BER_OID);
		struct ber value = ber_next(&one);

		if (one.failed)
			break;
		if (b->count == 0 || b->count + 1 == wanted) {
			buf_reset(&b->first);
			ber_put_oid(&b->first, oid);
		}
		if (b->count >= BINDINGS_SHOWN)
			continue;
		buf_reset(&b->text);
		ber_put_oid(&b->text, oid);
		buf_text(&b->text, " = ");
		put_value(&b->text, value);
		sink_header(sink, bytes_of("binding"), buf_view(&b->text));
	}
	if (reader_left(&r) || r.failed)
		sink_field(sink, FIELD_ERROR,
			   bytes_of("a binding is malformed"));
	if (b->count > BINDINGS_SHOWN)
		sink_truncated(sink);
}

static void
say_error(struct sink *sink, int64_t error, int64_t index,
	  const struct bindings *b)
{
	char room[ATTRIBUTE_NAME];
	const char *name = attribute_name(errors, (uint32_t)error, "error",
					  room);

	sink_status(sink, (int32_t)error);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (!error)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	if (index > 0 && b->first.size)
		attribute_field(sink, FIELD_ERROR, "%s: %.*s", name,
				(int)b->first.size,
				(const char *)b->first.data);
	else
		sink_field(sink, FIELD_ERROR, bytes_of(name));
}

static void
say_report(struct sink *sink, const struct bindings *b)
{
	struct bytes oid = buf_view(&b->first);
	const char *meaning = "report";

	for (size_t i = 0; i < sizeof(reports) / sizeof(*reports); i++)
		if (bytes_equal(oid, bytes_of(reports[i].oid)))
			meaning = reports[i].meaning;
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(meaning));
	/* Who does not know an engine yet asks for its name like that. */
	if (strcmp(meaning, "unknownEngineIDs") == 0)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	sink_field(sink, FIELD_ERROR, bytes_of(meaning));
}

static void
say_malformed(struct sink *sink)
{
	sink_field(sink, FIELD_ERROR, bytes_of("the PDU is malformed"));
}

/* RFC 1157 §4.1.6. */
static void
read_trap_1(struct sink *sink, struct reader *r, struct bindings *b)
{
	char room[ATTRIBUTE_NAME];
	int64_t generic, specific;

	buf_reset(&b->text);
	ber_put_oid(&b->text, ber_take(r, BER_OID));
	sink_header(sink, bytes_of("enterprise"), buf_view(&b->text));
	sink_field(sink, FIELD_PATH, buf_view(&b->text));
	buf_reset(&b->text);
	attribute_put_address(&b->text, ber_take(r, 0x40));
	sink_header(sink, bytes_of("agent"), buf_view(&b->text));
	generic = ber_take_integer(r, BER_INTEGER);
	specific = ber_take_integer(r, BER_INTEGER);
	attribute_header(sink, "generic-trap", "%s",
			 attribute_name(traps, (uint32_t)generic, "trap",
					room));
	attribute_header(sink, "specific-trap", "%lld", (long long)specific);
	attribute_header(sink, "uptime", "%lld",
			 (long long)ber_take_integer(r, 0x43));
	read_bindings(sink, ber_take(r, BER_SEQUENCE), 0, b);
	if (r->failed)
		say_malformed(sink);
}

static void
read_pdu(struct sink *sink, const struct message *m, struct bindings *b)
{
	struct reader r = reader_make(m->pdu.value);
	int64_t number, second, third;
	bool bulk = m->pdu.tag == PDU_GET_BULK;

	if (m->pdu.tag == PDU_TRAP_1) {
		read_trap_1(sink, &r, b);
		return;
	}
	number = ber_take_integer(&r, BER_INTEGER);
	second = ber_take_integer(&r, BER_INTEGER);
	third = ber_take_integer(&r, BER_INTEGER);
	if (r.failed) {
		say_malformed(sink);
		return;
	}
	attribute_header(sink, "request-id", "%lld", (long long)number);
	if (bulk) {
		attribute_header(sink, "non-repeaters", "%lld",
				 (long long)second);
		attribute_header(sink, "max-repetitions", "%lld",
				 (long long)third);
	}
	read_bindings(sink, ber_take(&r, BER_SEQUENCE), bulk ? 0 : third, b);
	if (m->pdu.tag == PDU_RESPONSE)
		say_error(sink, second, third, b);
	else if (m->pdu.tag == PDU_REPORT)
		say_report(sink, b);
	else if (b->first.size)
		sink_field(sink, FIELD_PATH, buf_view(&b->first));
	if (r.failed)
		say_malformed(sink);
}

static void
say_security(struct sink *sink, const struct message *m)
{
	static const char *const levels[] = { "noAuthNoPriv", "authNoPriv",
					      "reserved", "authPriv" };
	struct buf text;

	attribute_field(sink, FIELD_VERSION, "%s",
			m->version == 3	  ? "3"
			: m->version == 1 ? "2c"
					  : "1");
	buf_init(&text, TEXT_LIMIT);
	if (m->version != 3) {
		attribute_put_text(&text, bytes_first(m->community, 256));
		sink_header(sink, bytes_of("snmp-community"), buf_view(&text));
		buf_free(&text);
		return;
	}
	attribute_header(sink, "message-id", "%lld", (long long)m->number);
	sink_header(sink, bytes_of("security-level"),
		    bytes_of(levels[m->flags & 3]));
	attribute_put_hex(&text, bytes_first(m->engine, 32), 0);
	if (text.size)
		sink_header(sink, bytes_of("engine-id"), buf_view(&text));
	buf_reset(&text);
	attribute_put_text(&text, bytes_first(m->user, 256));
	if (m->user.size)
		sink_header(sink, bytes_of("user"), buf_view(&text));
	buf_reset(&text);
	attribute_put_text(&text, bytes_first(m->context, 256));
	if (m->context.size)
		sink_header(sink, bytes_of("context"), buf_view(&text));
	buf_free(&text);
}

/* Request and response have one number: of the PDU, or of version 3's
 * messages, whose PDU may be encrypted. */
static void
begin(const struct message *m, enum side side, struct sink *sink)
{
	struct reader r = reader_make(m->pdu.value);
	bool answer = m->pdu.tag == PDU_RESPONSE || m->pdu.tag == PDU_REPORT ||
		      (!m->pdu.tag && side == SIDE_SERVER);
	int64_t number;

	if (m->pdu.tag == PDU_TRAP_1 || m->pdu.tag == PDU_TRAP_2) {
		sink_begin(sink);
		sink_flags(sink, MESSAGE_NO_RESPONSE |
					 (side == SIDE_SERVER
						  ? MESSAGE_REVERSED
						  : 0u));
		return;
	}
	sink_begin(sink);
	number = ber_take_integer(&r, BER_INTEGER);
	if (m->version == 3)
		sink_id(sink, ID_OF_MESSAGE | (uint64_t)m->number);
	else if (!r.failed)
		sink_id(sink, (uint32_t)number);
	if (answer != (side == SIDE_SERVER))
		sink_flags(sink, MESSAGE_REVERSED);
}

static struct step
feed(void *conn, enum side side, struct bytes in, struct sink *sink)
{
	struct message m = { .version = -1 };
	struct bindings b = { .count = 0 };
	const char *method;

	(void)conn;
	if (!read_message(&m, in))
		return step_bad();
	buf_init(&b.text, TEXT_LIMIT);
	buf_init(&b.first, TEXT_LIMIT);
	begin(&m, side, sink);
	method = m.pdu.tag ? attribute_find(pdus, m.pdu.tag) : "Encrypted";
	sink_field(sink, FIELD_METHOD, bytes_of(method));
	say_security(sink, &m);
	if (m.pdu.tag)
		read_pdu(sink, &m, &b);
	attribute_field(sink, FIELD_SUMMARY, "%s%s%.*s%s", method,
			b.first.size ? " " : "", (int)b.first.size,
			b.first.size ? (const char *)b.first.data : "",
			b.count > 1 ? " and others" : "");
	sink_end(sink, in.size);
	buf_free(&b.text);
	buf_free(&b.first);
	return step_done(in.size);
}

static const uint16_t ports[] = { 161, 162, 0 };

const struct dissector dissector_snmp = {
	.name = "snmp",
	.title = "SNMP",
	.ports = ports,
	.transport = TRANSPORT_UDP,
	.pairing = PAIR_BY_ID,
	.probe = probe,
	.feed = feed,
};
