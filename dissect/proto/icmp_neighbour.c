/* SPDX-License-Identifier: Apache-2.0 */
/* Routers (RFC 1256, RFC 4861 §4.1, §4.2), neighbours (§4.3, §4.4), their
 * options (§4.6, RFC 8106), and multicast listeners (RFC 2710, RFC 3810). */
#include "dissect/icmp.h"
#include "dissect/proto/icmp_parts.h"

enum option {
	OPTION_SOURCE_LINK = 1,
	OPTION_TARGET_LINK = 2,
	OPTION_PREFIX = 3,
	OPTION_MTU = 5,
	OPTION_NONCE = 14,
	OPTION_ROUTE = 24,
	OPTION_DNS_SERVER = 25,
	OPTION_DNS_SEARCH = 31,
};

static void
header_of_text(struct icmp_message *m, const char *name)
{
	sink_header(m->sink, bytes_of(name), buf_view(&m->text));
}

static void
header_of_address(struct icmp_message *m, const char *name, struct bytes in)
{
	buf_reset(&m->text);
	attribute_put_address(&m->text, in);
	header_of_text(m, name);
}

static void
put_lifetime(struct buf *out, const char *name, uint32_t seconds)
{
	if (seconds == UINT32_MAX)
		buf_format(out, ", %s infinite", name);
	else
		buf_format(out, ", %s %u s", name, seconds);
}

/* RFC 4861 §4.6.2. */
static void
read_prefix(struct icmp_message *m, struct bytes data)
{
	struct reader r = reader_make(data);
	unsigned size = reader_u8(&r), flags = reader_u8(&r);
	uint32_t valid = reader_be32(&r), preferred = reader_be32(&r);
	struct bytes prefix;

	reader_skip(&r, 4);
	prefix = reader_take(&r, 16);
	if (r.failed)
		return;
	buf_reset(&m->text);
	attribute_put_address(&m->text, prefix);
	buf_format(&m->text, "/%u%s%s", size, flags & 0x80 ? ", on-link" : "",
		   flags & 0x40 ? ", autonomous" : "");
	put_lifetime(&m->text, "valid", valid);
	put_lifetime(&m->text, "preferred", preferred);
	header_of_text(m, "prefix");
}

/* RFC 4191 §2.3: a prefix of as many bytes as there are. */
static void
read_route(struct icmp_message *m, struct bytes data)
{
	struct reader r = reader_make(data);
	unsigned size = reader_u8(&r);
	uint8_t prefix[16] = { 0 };
	uint32_t lifetime;
	size_t left;

	reader_skip(&r, 1);
	lifetime = reader_be32(&r);
	left = reader_left(&r) < sizeof(prefix) ? reader_left(&r)
						: sizeof(prefix);
	if (r.failed)
		return;
	if (left)
		memcpy(prefix, r.at, left);
	buf_reset(&m->text);
	attribute_put_address(&m->text, bytes_make(prefix, sizeof(prefix)));
	buf_format(&m->text, "/%u", size);
	put_lifetime(&m->text, "lifetime", lifetime);
	header_of_text(m, "route");
}

static void
read_dns_servers(struct icmp_message *m, struct bytes data)
{
	struct reader r = reader_make(data);

	reader_skip(&r, 6);
	while (reader_left(&r) >= 16)
		header_of_address(m, "dns-server", reader_take(&r, 16));
}

/* Names as DNS has them, never compressed. */
static void
read_dns_search(struct icmp_message *m, struct bytes data)
{
	struct reader r = reader_make(data);

	reader_skip(&r, 6);
	buf_reset(&m->text);
	while (reader_left(&r)) {
		struct bytes label = reader_take(&r, reader_u8(&r));

		if (label.size) {
			if (m->text.size)
				buf_u8(&m->text, '.');
			attribute_put_text(&m->text, label);
			continue;
		}
		if (!m->text.size)
			break;
		header_of_text(m, "dns-search");
		buf_reset(&m->text);
	}
}

static void
read_option(struct icmp_message *m, uint8_t type, struct bytes data)
{
	struct reader r = reader_make(data);

	switch (type) {
	case OPTION_SOURCE_LINK:
	case OPTION_TARGET_LINK:
		buf_reset(&m->text);
		attribute_put_hex(&m->text, data, ':');
		header_of_text(m, type == OPTION_SOURCE_LINK
					  ? "source-link-address"
					  : "target-link-address");
		break;
	case OPTION_PREFIX:
		read_prefix(m, data);
		break;
	case OPTION_MTU:
		reader_skip(&r, 2);
		attribute_header(m->sink, "mtu", "%u", reader_be32(&r));
		break;
	case OPTION_ROUTE:
		read_route(m, data);
		break;
	case OPTION_DNS_SERVER:
		read_dns_servers(m, data);
		break;
	case OPTION_DNS_SEARCH:
		read_dns_search(m, data);
		break;
	default:
		attribute_header(m->sink, "option", "%u, %zu bytes", type,
				 data.size);
		break;
	}
}

static void
read_options(struct icmp_message *m, struct reader *r)
{
	for (unsigned i = 0; i < ICMP_RECORDS && reader_left(r) >= 2; i++) {
		uint8_t type = reader_u8(r), size = reader_u8(r);
		struct bytes data = reader_take(r, size * 8u - (size ? 2 : 0));

		if (!size || r->failed) {
			sink_field(m->sink, FIELD_ERROR,
				   bytes_of("an option is malformed"));
			return;
		}
		read_option(m, type, data);
	}
}

static void
read_router_v6(struct icmp_message *m, struct reader *r)
{
	unsigned hops = reader_u8(r), flags = reader_u8(r);
	uint16_t lifetime = reader_be16(r);

	attribute_header(m->sink, "hop-limit", "%u", hops);
	attribute_header(m->sink, "lifetime", "%u s", lifetime);
	if (flags & 0xc0)
		attribute_header(m->sink, "flags", "%s%s%s",
				 flags & 0x80 ? "managed" : "",
				 (flags & 0xc0) == 0xc0 ? " " : "",
				 flags & 0x40 ? "other" : "");
	reader_skip(r, 8);
	read_options(m, r);
}

static void
read_router_v4(struct icmp_message *m, struct reader *r)
{
	unsigned count = reader_u8(r), size = reader_u8(r);

	attribute_header(m->sink, "lifetime", "%u s", reader_be16(r));
	for (; count && size == 2 && reader_left(r) >= 8; count--) {
		header_of_address(m, "router", reader_take(r, 4));
		reader_skip(r, 4);
	}
}

bool
icmp_is_solicited(const struct icmp_message *m)
{
	return m->type == ICMPV6_NEIGHBOUR_ADVERTISEMENT && m->rest.size &&
	       m->rest.data[0] & 0x40;
}

/* Neighbours of a link differ in the half that is the host. */
static uint64_t
address_id(struct bytes address)
{
	struct reader r = reader_make(address);
	uint64_t network = reader_be64(&r);

	return network * 31 + reader_be64(&r);
}

static void
read_neighbour(struct icmp_message *m, struct reader *r)
{
	uint32_t flags = reader_be32(r);
	struct bytes target = reader_take(r, 16);

	if (r->failed)
		return;
	buf_reset(&m->text);
	attribute_put_address(&m->text, target);
	header_of_text(m, "target");
	/* Methods and paths of a pair must not differ: it goes by the id. */
	if (icmp_is_solicited(m) || m->type == ICMPV6_NEIGHBOUR_SOLICITATION)
		sink_id(m->sink, address_id(target));
	if (!icmp_is_solicited(m))
		sink_field(m->sink, FIELD_PATH, buf_view(&m->text));
	if (m->type == ICMPV6_NEIGHBOUR_ADVERTISEMENT) {
		buf_reset(&m->text);
		buf_text(&m->text, flags >> 31 ? "router " : "");
		buf_text(&m->text, flags >> 30 & 1 ? "solicited " : "");
		buf_text(&m->text, flags >> 29 & 1 ? "override " : "");
		if (m->text.size) {
			m->text.size--;
			header_of_text(m, "flags");
		}
	}
	read_options(m, r);
}

/* RFC 3810 §5.2: changes of what is listened to. */
static void
read_listener_records(struct icmp_message *m, struct reader *r)
{
	static const char *const changes[] = {
		"record 0",	     "is include",	  "is exclude",
		"change to include", "change to exclude", "allow sources",
		"block sources"
	};
	unsigned count;

	reader_skip(r, 2);
	count = reader_be16(r);
	for (unsigned i = 0; i < count && i < ICMP_RECORDS; i++) {
		uint8_t change = reader_u8(r);
		size_t more = reader_u8(r) * 4u, sources = reader_be16(r);
		struct bytes group = reader_take(r, 16);

		reader_skip(r, sources * 16 + more);
		if (r->failed)
			return;
		buf_reset(&m->text);
		attribute_put_address(&m->text, group);
		if (!i)
			sink_field(m->sink, FIELD_PATH, buf_view(&m->text));
		buf_format(&m->text, " %s, %zu sources",
			   change < sizeof(changes) / sizeof(*changes)
				   ? changes[change]
				   : changes[0],
			   sources);
		header_of_text(m, "group");
	}
}

static void
read_listener(struct icmp_message *m, struct reader *r)
{
	struct bytes group;

	reader_skip(r, 4);
	group = reader_take(r, 16);
	if (r->failed)
		return;
	buf_reset(&m->text);
	attribute_put_address(&m->text, group);
	sink_field(m->sink, FIELD_PATH, buf_view(&m->text));
}

static void
read_v6(struct icmp_message *m, struct reader *r)
{
	switch (m->type) {
	case ICMPV6_ROUTER_ADVERTISEMENT:
		read_router_v6(m, r);
		break;
	case ICMPV6_ROUTER_SOLICITATION:
		reader_skip(r, 4);
		read_options(m, r);
		break;
	case ICMPV6_NEIGHBOUR_SOLICITATION:
	case ICMPV6_NEIGHBOUR_ADVERTISEMENT:
		read_neighbour(m, r);
		break;
	case ICMPV6_LISTENER_QUERY:
	case ICMPV6_LISTENER_REPORT:
	case ICMPV6_LISTENER_DONE:
		read_listener(m, r);
		break;
	case ICMPV6_LISTENER_REPORT_2:
		read_listener_records(m, r);
		break;
	default:
		break;
	}
}

void
icmp_neighbour(struct icmp_message *m)
{
	struct reader r = reader_make(m->rest);

	if (m->v6)
		read_v6(m, &r);
	else if (m->type == ICMP_ROUTER_ADVERTISEMENT)
		read_router_v4(m, &r);
	if (r.failed)
		sink_field(m->sink, FIELD_ERROR,
			   bytes_of("the message is cut short"));
}
