/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP and ICMPv6: questions with their answers by identifier and sequence
 * number, and errors, which name the flow of the packet that they quote.  See
 * icmp.md.
 */
#include "dissect/icmp.h"

#include "dissect/proto/icmp_parts.h"
#include "dissect/registry.h"

#define TEXT_LIMIT (16u << 10)
#define SEQUENCE_BITS 16

static const struct attribute_name types_v4[] = {
	{ ICMP_ECHO_REPLY, "Echo" },
	{ ICMP_UNREACHABLE, "Destination Unreachable" },
	{ ICMP_SOURCE_QUENCH, "Source Quench" },
	{ ICMP_REDIRECT, "Redirect" },
	{ ICMP_ECHO, "Echo" },
	{ ICMP_ROUTER_ADVERTISEMENT, "Router Advertisement" },
	{ ICMP_ROUTER_SOLICITATION, "Router Solicitation" },
	{ ICMP_TIME_EXCEEDED, "Time Exceeded" },
	{ ICMP_PARAMETER_PROBLEM, "Parameter Problem" },
	{ ICMP_TIMESTAMP, "Timestamp" },
	{ ICMP_TIMESTAMP_REPLY, "Timestamp" },
	{ ICMP_INFORMATION, "Information" },
	{ ICMP_INFORMATION_REPLY, "Information" },
	{ ICMP_MASK, "Address Mask" },
	{ ICMP_MASK_REPLY, "Address Mask" },
	{ 42, "Extended Echo Request" },
	{ 43, "Extended Echo Reply" },
	{ 0, NULL }
};

static const struct attribute_name types_v6[] = {
	{ ICMPV6_UNREACHABLE, "Destination Unreachable" },
	{ ICMPV6_TOO_BIG, "Packet Too Big" },
	{ ICMPV6_TIME_EXCEEDED, "Time Exceeded" },
	{ ICMPV6_PARAMETER_PROBLEM, "Parameter Problem" },
	{ ICMPV6_ECHO, "Echo" },
	{ ICMPV6_ECHO_REPLY, "Echo" },
	{ ICMPV6_LISTENER_QUERY, "Multicast Listener Query" },
	{ ICMPV6_LISTENER_REPORT, "Multicast Listener Report" },
	{ ICMPV6_LISTENER_DONE, "Multicast Listener Done" },
	{ ICMPV6_ROUTER_SOLICITATION, "Router Solicitation" },
	{ ICMPV6_ROUTER_ADVERTISEMENT, "Router Advertisement" },
	{ ICMPV6_NEIGHBOUR_SOLICITATION, "Neighbor Solicitation" },
	{ ICMPV6_NEIGHBOUR_ADVERTISEMENT, "Neighbor Advertisement" },
	{ ICMPV6_REDIRECT, "Redirect" },
	{ 138, "Router Renumbering" },
	{ 139, "Node Information Query" },
	{ 140, "Node Information Response" },
	{ ICMPV6_LISTENER_REPORT_2, "Multicast Listener Report" },
	{ 160, "Extended Echo Request" },
	{ 161, "Extended Echo Reply" },
	{ 0, NULL }
};

/* Codes by type: type << 8 | code. */
static const struct attribute_name codes_v4[] = {
	{ 0x300, "network unreachable" },
	{ 0x301, "host unreachable" },
	{ 0x302, "protocol unreachable" },
	{ 0x303, "port unreachable" },
	{ 0x304, "fragmentation needed" },
	{ 0x305, "source route failed" },
	{ 0x306, "destination network unknown" },
	{ 0x307, "destination host unknown" },
	{ 0x308, "source host isolated" },
	{ 0x309, "network administratively prohibited" },
	{ 0x30a, "host administratively prohibited" },
	{ 0x30b, "network unreachable for type of service" },
	{ 0x30c, "host unreachable for type of service" },
	{ 0x30d, "communication administratively prohibited" },
	{ 0x30e, "host precedence violation" },
	{ 0x30f, "precedence cutoff in effect" },
	{ 0x500, "redirect for network" },
	{ 0x501, "redirect for host" },
	{ 0x502, "redirect for type of service and network" },
	{ 0x503, "redirect for type of service and host" },
	{ 0xb00, "time to live exceeded in transit" },
	{ 0xb01, "fragment reassembly time exceeded" },
	{ 0xc00, "pointer indicates the error" },
	{ 0xc01, "missing a required option" },
	{ 0xc02, "bad length" },
	{ 0, NULL }
};

static const struct attribute_name codes_v6[] = {
	{ 0x100, "no route to destination" },
	{ 0x101, "communication administratively prohibited" },
	{ 0x102, "beyond scope of source address" },
	{ 0x103, "address unreachable" },
	{ 0x104, "port unreachable" },
	{ 0x105, "source address failed ingress/egress policy" },
	{ 0x106, "reject route to destination" },
	{ 0x107, "error in source routing header" },
	{ 0x300, "hop limit exceeded in transit" },
	{ 0x301, "fragment reassembly time exceeded" },
	{ 0x400, "erroneous header field" },
	{ 0x401, "unrecognized next header type" },
	{ 0x402, "unrecognized IPv6 option" },
	{ 0x403, "IPv6 first fragment has incomplete header chain" },
	{ 0, NULL }
};

static const struct attribute_name protocols[] = {
	{ IP_PROTOCOL_ICMP, "icmp" },	  { IP_PROTOCOL_TCP, "tcp" },
	{ IP_PROTOCOL_UDP, "udp" },	  { IP_PROTOCOL_GRE, "gre" },
	{ IP_PROTOCOL_ICMPV6, "icmpv6" }, { IP_PROTOCOL_SCTP, "sctp" },
	{ IP_PROTOCOL_IPIP, "ipip" },	  { IP_PROTOCOL_IPV6, "ipv6" },
	{ IP_PROTOCOL_DCCP, "dccp" },	  { 50, "esp" },
	{ 51, "ah" },			  { 89, "ospf" },
	{ 112, "vrrp" },		  { 0, NULL }
};

/* "udp 10.0.0.1:5000 > 10.0.0.2:53", the flow of a packet. */
static void
put_flow(struct buf *out, const struct packet_quote *quote)
{
	char room[ATTRIBUTE_NAME];

	buf_format(out, "%s ", attribute_name(protocols, quote->ip_protocol,
					      "protocol", room));
	attribute_put_endpoint(out, quote->source.ip, quote->source.port);
	buf_text(out, " > ");
	attribute_put_endpoint(out, quote->target.ip, quote->target.port);
}

/* What an error says beside its type and code. */
static void
error_detail(const struct icmp_message *m, struct bytes rest)
{
	struct reader r = reader_make(rest);
	uint32_t value = reader_be32(&r);
	struct buf text;

	buf_init(&text, ATTRIBUTE_TEXT);
	if (m->v6 && m->type == ICMPV6_TOO_BIG)
		attribute_header(m->sink, "mtu", "%u", value);
	else if (m->v6 && m->type == ICMPV6_PARAMETER_PROBLEM)
		attribute_header(m->sink, "pointer", "%u", value);
	else if (m->v6 && m->type == ICMPV6_REDIRECT)
		attribute_put_address(&text, reader_take(&r, 16));
	else if (!m->v6 && m->type == ICMP_UNREACHABLE && m->code == 4)
		attribute_header(m->sink, "mtu", "%u", value & 0xffff);
	else if (!m->v6 && m->type == ICMP_PARAMETER_PROBLEM)
		attribute_header(m->sink, "pointer", "%u", value >> 24);
	else if (!m->v6 && m->type == ICMP_REDIRECT)
		attribute_put_address(&text, bytes_first(rest, 4));
	if (text.size)
		sink_header(m->sink, bytes_of("gateway"), buf_view(&text));
	buf_free(&text);
}

/* An error, whose client is who sent the packet that it quotes. */
static void
read_error(struct icmp_message *m, const char *method)
{
	const char *why = attribute_find(m->v6 ? codes_v6 : codes_v4,
					 (uint32_t)m->type << 8 | m->code);
	struct packet_quote quote;
	struct buf host;
	int size;

	sink_status(m->sink, m->code);
	sink_flags(m->sink, MESSAGE_IS_ERROR);
	if (why)
		sink_field(m->sink, FIELD_STATUS_TEXT, bytes_of(why));
	error_detail(m, m->rest);
	buf_reset(&m->text);
	if (icmp_quote(m->v6, m->all, &quote)) {
		buf_init(&host, ATTRIBUTE_TEXT);
		attribute_put_endpoint(&host, quote.target.ip, 0);
		sink_field(m->sink, FIELD_HOST, buf_view(&host));
		buf_free(&host);
		put_flow(&m->text, &quote);
		sink_field(m->sink, FIELD_PATH, buf_view(&m->text));
	}
	size = (int)m->text.size;
	attribute_field(m->sink, FIELD_ERROR, "%s%s%.*s", why ? why : method,
			size ? ": " : "", size, (const char *)m->text.data);
	attribute_field(m->sink, FIELD_SUMMARY, "%s%s%s%s%.*s", method,
			why ? ", " : "", why ? why : "", size ? ": " : "", size,
			(const char *)m->text.data);
}

static void
read_timestamps(const struct icmp_message *m)
{
	static const char *const names[] = { "originate", "receive",
					     "transmit" };
	struct reader r = reader_make(bytes_from(m->rest, 4));

	for (int i = 0; i < 3 && reader_left(&r) >= 4; i++)
		attribute_header(m->sink, names[i], "%u", reader_be32(&r));
}

/* A question or an answer with identifier and sequence number. */
static void
read_numbered(struct icmp_message *m, const char *method)
{
	struct reader r = reader_make(m->rest);
	uint16_t id = reader_be16(&r), sequence = reader_be16(&r);
	struct bytes data = bytes_from(m->rest, 4);

	attribute_header(m->sink, "identifier", "%u", id);
	attribute_header(m->sink, "sequence", "%u", sequence);
	sink_id(m->sink, (uint64_t)id << SEQUENCE_BITS | sequence);
	if (m->v6 || m->type == ICMP_ECHO || m->type == ICMP_ECHO_REPLY) {
		sink_body(m->sink, data);
	} else if (m->type == ICMP_TIMESTAMP ||
		   m->type == ICMP_TIMESTAMP_REPLY) {
		read_timestamps(m);
	} else if (m->type == ICMP_MASK || m->type == ICMP_MASK_REPLY) {
		buf_reset(&m->text);
		attribute_put_address(&m->text, bytes_first(data, 4));
		sink_header(m->sink, bytes_of("mask"), buf_view(&m->text));
	}
	attribute_field(m->sink, FIELD_SUMMARY,
			"%s id %u sequence %u, %zu bytes", method, id, sequence,
			data.size);
}

/* What the message is part of, before anything is said of it. */
static void
begin(const struct icmp_message *m, enum icmp_kind kind, enum side side)
{
	bool answer = kind == ICMP_KIND_REPLY || kind == ICMP_KIND_ERROR;

	if (kind == ICMP_KIND_REQUEST || kind == ICMP_KIND_REPLY) {
		sink_begin(m->sink);
	} else if (m->v6 && m->type == ICMPV6_NEIGHBOUR_SOLICITATION) {
		sink_begin(m->sink);
	} else if (m->v6 && m->type == ICMPV6_NEIGHBOUR_ADVERTISEMENT) {
		answer = true;
		if (icmp_is_solicited(m))
			sink_begin(m->sink);
		else
			sink_begin_alone(m->sink);
	} else {
		sink_begin_alone(m->sink);
		answer |= side == SIDE_SERVER;
	}
	if (answer != (side == SIDE_SERVER))
		sink_flags(m->sink, MESSAGE_REVERSED);
}

static void
read_message(struct icmp_message *m, enum side side)
{
	enum icmp_kind kind = icmp_kind(m->v6, m->type);
	char room[ATTRIBUTE_NAME];
	const char *method = attribute_name(m->v6 ? types_v6 : types_v4,
					    m->type, "Type", room);

	begin(m, kind, side);
	sink_field(m->sink, FIELD_METHOD, bytes_of(method));
	sink_field(m->sink, FIELD_VERSION, bytes_of(m->v6 ? "6" : "4"));
	attribute_header(m->sink, "type", "%u", m->type);
	attribute_header(m->sink, "code", "%u", m->code);
	if (kind == ICMP_KIND_ERROR)
		read_error(m, method);
	else if (kind != ICMP_KIND_OTHER)
		read_numbered(m, method);
	else
		icmp_neighbour(m);
	sink_end(m->sink, m->all.size);
}

static struct step
feed(void *conn, enum side side, struct bytes in, struct sink *sink)
{
	struct icmp_message m = {
		.v6 = sink_transport(sink) == TRANSPORT_ICMPV6,
		.all = in,
		.rest = bytes_from(in, 4),
		.sink = sink,
	};

	(void)conn;
	if (in.size < ICMP_HEADER)
		return step_bad();
	m.type = in.data[0];
	m.code = in.data[1];
	buf_init(&m.text, TEXT_LIMIT);
	read_message(&m, side);
	buf_free(&m.text);
	return step_done(in.size);
}

/* IP says what it is. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	(void)transport;
	return client.size >= ICMP_HEADER || server.size >= ICMP_HEADER
		       ? VERDICT_YES
		       : VERDICT_NO;
}

const struct dissector dissector_icmp = {
	.name = "icmp",
	.title = "ICMP",
	.transport = TRANSPORT_ICMP_BOTH,
	.pairing = PAIR_BY_ID,
	.probe = probe,
	.feed = feed,
};
