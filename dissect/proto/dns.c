/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over UDP and TCP (RFC 1035, 6891, 6762 and many more).  See dns.md.
 */
#include "dissect/proto/dns_name.h"
#include "dissect/proto/dns_record.h"
#include "dissect/registry.h"
#include "dissect/sink.h"

#define HEADER_SIZE 12
/* Values of one message as text; more is cut and said so. */
#define TEXT_LIMIT (256u << 10)
#define RECORD_LIMIT 4096

enum { FLAG_QR = 0x8000, FLAG_AA = 0x400, FLAG_TC = 0x200, FLAG_RD = 0x100,
       FLAG_RA = 0x80, FLAG_Z = 0x40, FLAG_AD = 0x20, FLAG_CD = 0x10 };

enum { SECTION_QUESTION, SECTION_ANSWER, SECTION_AUTHORITY,
       SECTION_ADDITIONAL, SECTION_COUNT };

struct header {
	uint16_t id, flags;
	uint16_t counts[SECTION_COUNT];
};

static uint8_t
opcode_of(const struct header *h)
{
	return h->flags >> 11 & 15;
}

static struct header
read_header(struct reader *r)
{
	struct header h = { .id = reader_be16(r), .flags = reader_be16(r) };

	for (int i = 0; i < SECTION_COUNT; i++)
		h.counts[i] = reader_be16(r);
	return h;
}

/* Is it DNS? */

static bool
is_plausible(const struct header *h)
{
	bool query = !(h->flags & FLAG_QR);
	unsigned rcode = h->flags & 15;

	if (opcode_of(h) > 6 || opcode_of(h) == 3 || h->flags & FLAG_Z ||
	    rcode > 11)
		return false;
	if (query && (rcode || h->flags & FLAG_RA))
		return false;
	return h->counts[0] <= 64 && h->counts[1] <= 2048 &&
	       h->counts[2] <= 512 && h->counts[3] <= 512;
}

static bool
is_usual_class(uint16_t class)
{
	class &= 0x7fff; /* mDNS has a flag there */
	return class == 1 || class == 3 || class == 4 || class == 254 ||
	       class == 255;
}

/* Walks over the questions; false when they are malformed or unusual. */
static bool
walk_questions(struct reader *r, struct bytes message, const struct header *h,
	       bool *usual)
{
	*usual = h->counts[0] > 0;
	for (unsigned i = 0; i < h->counts[0] && !r->failed; i++) {
		uint16_t type;

		dns_name(r, message, NULL);
		type = reader_be16(r);
		*usual &= dns_type_known(type);
		*usual &= is_usual_class(reader_be16(r));
	}
	return !r->failed;
}

static void
walk_records(struct reader *r, struct bytes message, const struct header *h)
{
	unsigned count = (unsigned)h->counts[1] + h->counts[2] + h->counts[3];

	while (count-- && !r->failed) {
		dns_name(r, message, NULL);
		reader_skip(r, 8);
		reader_skip(r, reader_be16(r));
	}
}

/* NetBIOS names look like DNS: one label of 32 letters A to P (RFC 1001 §14). */
static bool
is_netbios(struct bytes in)
{
	if (in.size < HEADER_SIZE + 33 || in.data[HEADER_SIZE] != 32)
		return false;
	for (size_t i = 1; i <= 32; i++)
		if (in.data[HEADER_SIZE + i] < 'A' ||
		    in.data[HEADER_SIZE + i] > 'P')
			return false;
	return true;
}

/* A query without any record is none; those of DSO have other contents (RFC
 * 8490 §5.4), and answers may leave out the question. */
static bool
asks_nothing(const struct header *h)
{
	return !(h->flags & FLAG_QR) && opcode_of(h) != 6 && !h->counts[0] &&
	       !h->counts[1] && !h->counts[2] && !h->counts[3];
}

/* A message, of which `in` may be only the beginning unless `whole`.  What is
 * odd about a datagram is left to its port. */
static enum verdict
probe_message(struct bytes in, bool whole, bool datagram)
{
	enum verdict odd = datagram ? VERDICT_MAYBE : VERDICT_NO;
	struct reader r = reader_make(in);
	struct header h = read_header(&r);
	bool usual = false, plausible = is_plausible(&h);

	if (is_netbios(in) || (in.size >= HEADER_SIZE && !plausible && !datagram))
		return VERDICT_NO;
	if (r.failed)
		return whole ? VERDICT_NO : VERDICT_MAYBE;
	if (asks_nothing(&h))
		return VERDICT_NO;
	if (!walk_questions(&r, in, &h, &usual)) {
		if (whole)
			return plausible ? odd : VERDICT_NO;
		return in.size > 1024 ? VERDICT_NO : VERDICT_MAYBE;
	}
	if (!plausible)
		return usual ? odd : VERDICT_NO;
	if (!whole)
		return usual ? VERDICT_YES : VERDICT_MAYBE;
	walk_records(&r, in, &h);
	if (r.failed || reader_left(&r))
		return VERDICT_MAYBE;
	return usual || h.counts[1] ? VERDICT_YES : VERDICT_MAYBE;
}

static enum verdict
probe_side(enum transport transport, struct bytes in)
{
	size_t size;

	if (transport == TRANSPORT_UDP)
		return probe_message(in, true, true);
	if (in.size < 2)
		return VERDICT_MAYBE;
	size = (size_t)in.data[0] << 8 | in.data[1];
	if (size < HEADER_SIZE)
		return VERDICT_NO;
	in = bytes_from(in, 2);
	return in.size < size
		       ? probe_message(in, false, false)
		       : probe_message(bytes_first(in, size), true, false);
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict = VERDICT_MAYBE;

	if (client.size)
		verdict = probe_side(transport, client);
	if (verdict == VERDICT_MAYBE && server.size)
		verdict = probe_side(transport, server);
	return verdict;
}

/* Reading. */

struct parse {
	struct bytes message;
	struct reader r;
	struct header h;
	struct sink *sink;
	struct buf name;     /* of the question */
	struct buf owner;    /* of the record being read */
	struct buf value;    /* header value being written */
	uint16_t question_type;
	unsigned rcode;      /* with the bits of EDNS */
	unsigned records;
	bool alias;          /* a CNAME led on from the question */
	bool malformed;
};

static void
emit_flags(struct parse *p)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = { { FLAG_QR, "qr" }, { FLAG_AA, "aa" }, { FLAG_TC, "tc" },
		      { FLAG_RD, "rd" }, { FLAG_RA, "ra" }, { FLAG_AD, "ad" },
		      { FLAG_CD, "cd" } };

	buf_reset(&p->value);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (p->h.flags & names[i].bit) {
			if (p->value.size)
				buf_u8(&p->value, ' ');
			buf_text(&p->value, names[i].name);
		}
	sink_header(p->sink, bytes_of("flags"), buf_view(&p->value));
}

/* The class, whose top bit is a flag in mDNS (RFC 6762 §5.4, §10.2). */
static void
put_class(struct buf *out, uint16_t class)
{
	char name[DNS_MNEMONIC];

	buf_text(out, dns_class_name(class == 0x8001 ? 1 : class, name));
}

static void
read_question(struct parse *p, unsigned index)
{
	char type_name[DNS_MNEMONIC];
	uint16_t type, class;

	buf_reset(&p->owner);
	dns_name(&p->r, p->message, &p->owner);
	type = reader_be16(&p->r);
	class = reader_be16(&p->r);
	if (p->r.failed)
		return;
	if (index == 0) {
		buf_bytes(&p->name, buf_view(&p->owner));
		p->question_type = type;
	}
	buf_reset(&p->value);
	buf_bytes(&p->value, buf_view(&p->owner));
	buf_u8(&p->value, ' ');
	put_class(&p->value, class);
	buf_format(&p->value, " %s%s", dns_type_name(type, type_name),
		   class == 0x8001 ? " (unicast response)" : "");
	sink_header(p->sink, bytes_of("question"), buf_view(&p->value));
}

/* The pseudo-record OPT (RFC 6891 §6.1). */
static void
read_options(struct parse *p, uint16_t class, uint32_t ttl, struct bytes data)
{
	struct reader r = reader_make(data);

	p->rcode |= ttl >> 20 & 0xff0;
	buf_reset(&p->value);
	buf_format(&p->value, "version %u, udp %u%s", ttl >> 16 & 0xff, class,
		   ttl & 0x8000 ? ", do" : "");
	sink_header(p->sink, bytes_of("edns"), buf_view(&p->value));
	while (reader_left(&r)) {
		uint16_t code = reader_be16(&r);
		struct bytes option = reader_take(&r, reader_be16(&r));

		if (r.failed)
			break;
		buf_reset(&p->value);
		dns_edns_option(&p->value, code, option);
		sink_header(p->sink, bytes_of("edns-option"),
			    buf_view(&p->value));
	}
	p->malformed |= r.failed;
}

/* An address was learned: of the name that was asked for, when the record
 * hangs on that by aliases, else of its own. */
static void
learn_name(struct parse *p, uint16_t type, struct bytes data, bool answer)
{
	uint8_t ip[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct bytes owner = buf_view(&p->owner), asked = buf_view(&p->name);

	if (!(p->h.flags & FLAG_QR) || opcode_of(&p->h))
		return;
	if (type == DNS_A && data.size == 4)
		memcpy(ip + 12, data.data, 4);
	else if (type == DNS_AAAA && data.size == 16)
		memcpy(ip, data.data, 16);
	else
		return;
	sink_name(p->sink, ip, answer && p->alias ? asked : owner);
}

static void
emit_record(struct parse *p, int section, uint16_t type, uint16_t class,
	    uint32_t ttl, struct bytes data)
{
	static const char *const update[] = { "zone", "prerequisite", "update",
					      "additional" };
	static const char *const query[] = { "question", "answer", "authority",
					     "additional" };
	const char *const *names = opcode_of(&p->h) == 5 ? update : query;
	char type_name[DNS_MNEMONIC];

	buf_reset(&p->value);
	buf_bytes(&p->value, buf_view(&p->owner));
	buf_format(&p->value, " %u ", ttl);
	put_class(&p->value, class);
	buf_format(&p->value, " %s", dns_type_name(type, type_name));
	/* An update deletes with empty data of any type (RFC 2136 §2.5). */
	if (data.size || opcode_of(&p->h) != 5) {
		buf_u8(&p->value, ' ');
		p->malformed |= !dns_record_data(&p->value, type, data,
						 p->message);
	}
	if (class == 0x8001)
		buf_text(&p->value, " (cache flush)");
	sink_header(p->sink, bytes_of(names[section]), buf_view(&p->value));
	if (p->value.failed)
		sink_truncated(p->sink);
}

static void
read_record(struct parse *p, int section)
{
	uint16_t type, class;
	struct bytes data;
	uint32_t ttl;

	buf_reset(&p->owner);
	dns_name(&p->r, p->message, &p->owner);
	type = reader_be16(&p->r);
	class = reader_be16(&p->r);
	ttl = reader_be32(&p->r);
	data = reader_take(&p->r, reader_be16(&p->r));
	if (p->r.failed)
		return;
	if (type == DNS_OPT) {
		read_options(p, class, ttl, data);
		return;
	}
	if (p->records++ == RECORD_LIMIT)
		sink_truncated(p->sink);
	/* A multicast announcement has no question: its first record names it. */
	if (p->records == 1 && !p->h.counts[0] && !p->h.id) {
		buf_bytes(&p->name, buf_view(&p->owner));
		p->question_type = type;
	}
	if (p->records <= RECORD_LIMIT)
		emit_record(p, section, type, class, ttl, data);
	if (section == SECTION_ANSWER && type == DNS_CNAME)
		p->alias = p->name.size > 0;
	if (section != SECTION_AUTHORITY)
		learn_name(p, type, data, section == SECTION_ANSWER);
}

static void
read_sections(struct parse *p)
{
	for (unsigned i = 0; i < p->h.counts[0] && !p->r.failed; i++)
		read_question(p, i);
	for (int section = 1; section < SECTION_COUNT; section++)
		for (unsigned i = 0;
		     i < p->h.counts[section] && !p->r.failed; i++)
			read_record(p, section);
}

static void
emit_result(struct parse *p)
{
	char name[DNS_MNEMONIC];
	struct bytes method =
		bytes_of(opcode_of(&p->h) || !p->name.size
				 ? dns_opcode_name(opcode_of(&p->h), name)
				 : dns_type_name(p->question_type, name));

	sink_field(p->sink, FIELD_METHOD, method);
	sink_field(p->sink, FIELD_PATH, buf_view(&p->name));
	if (p->h.flags & FLAG_QR) {
		sink_status(p->sink, (int32_t)p->rcode);
		sink_field(p->sink, FIELD_STATUS_TEXT,
			   bytes_of(dns_rcode_name((uint16_t)p->rcode, name)));
		if (p->rcode)
			sink_flags(p->sink, MESSAGE_IS_ERROR);
	}
	if (p->r.failed)
		sink_field(p->sink, FIELD_ERROR,
			   bytes_of(p->h.flags & FLAG_TC
					    ? "the message was truncated"
					    : "the message is malformed"));
	else if (p->malformed)
		sink_field(p->sink, FIELD_ERROR,
			   bytes_of("a record of the message is malformed"));
}

static void
read_message(struct bytes message, size_t consumed, enum side side,
	     struct sink *sink)
{
	struct parse p = { .message = message, .sink = sink };
	bool response;

	p.r = reader_make(message);
	p.h = read_header(&p.r);
	p.rcode = p.h.flags & 15;
	response = p.h.flags & FLAG_QR;
	buf_init(&p.name, DNS_NAME_TEXT);
	buf_init(&p.owner, DNS_NAME_TEXT);
	buf_init(&p.value, TEXT_LIMIT);
	sink_begin(sink);
	sink_id(sink, p.h.id);
	if (response != (side == SIDE_SERVER))
		sink_flags(sink, MESSAGE_REVERSED);
	emit_flags(&p);
	read_sections(&p);
	emit_result(&p);
	sink_end(sink, consumed);
	buf_free(&p.name);
	buf_free(&p.owner);
	buf_free(&p.value);
}

/* Whether the questions of a message can be read; of a datagram, which ends
 * where it ends, a good header is enough. */
static bool
is_readable(struct bytes message, bool datagram)
{
	struct reader r = reader_make(message);
	struct header h = read_header(&r);
	bool usual;

	return walk_questions(&r, message, &h, &usual) ||
	       (datagram && is_plausible(&h));
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	bool datagram = sink_transport(sink) == TRANSPORT_UDP;
	size_t prefix = datagram ? 0 : 2, size = in.size;
	struct bytes message;

	(void)state;
	if (in.size < prefix)
		return step_more(prefix);
	if (!datagram)
		size = (size_t)in.data[0] << 8 | in.data[1];
	if (size < HEADER_SIZE)
		return step_bad();
	if (in.size < prefix + size)
		return step_more(prefix + size);
	message = bytes_first(bytes_from(in, prefix), size);
	if (!is_readable(message, datagram))
		return step_bad();
	read_message(message, prefix + size, side, sink);
	return step_done(prefix + size);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	(void)state;
	(void)side;
	(void)pending;
	(void)missing;
	(void)sink;
	return false;
}

static const uint16_t ports[] = { 53, 5353, 5355, 0 };

const struct dissector dissector_dns = {
	.name = "dns",
	.title = "DNS",
	.ports = ports,
	.transport = TRANSPORT_BOTH,
	.pairing = PAIR_BY_ID,
	.probe = probe,
	.feed = feed,
	.gap = gap,
};
