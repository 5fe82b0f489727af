/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/dns_record.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/dns_name.h"

/*
 * What a record's data consists of, one letter a field:
 *   1 2 4  unsigned numbers of so many octets     n  a name
 *   a A    an IPv4, IPv6 address                  e  an EUI, to the end
 *   s S    a character-string; all to the end     u  one without quotes
 *   q      the rest as one quoted string          x b  the rest in hex, base64
 *   h i    length and hex; length and base32hex   t  a type
 *   m      a type bitmap (RFC 4034 §4.1.2)        d  a time (RFC 4034 §3.2)
 *   v      SvcParams (RFC 9460 §2.1)              l  a location (RFC 1876)
 */
struct type {
	uint16_t number;
	const char *name;
	const char *data; /* NULL: never in records, or not decoded */
};

static const struct type types[] = {
	{ 1, "A", "a" },
	{ 2, "NS", "n" },
	{ 5, "CNAME", "n" },
	{ 6, "SOA", "nn44444" },
	{ 7, "MB", "n" },
	{ 8, "MG", "n" },
	{ 9, "MR", "n" },
	{ 10, "NULL", NULL },
	{ 11, "WKS", NULL },
	{ 12, "PTR", "n" },
	{ 13, "HINFO", "ss" },
	{ 14, "MINFO", "nn" },
	{ 15, "MX", "2n" },
	{ 16, "TXT", "S" },
	{ 17, "RP", "nn" },
	{ 18, "AFSDB", "2n" },
	{ 21, "RT", "2n" },
	{ 24, "SIG", "t114dd2nb" },
	{ 25, "KEY", "211b" },
	{ 28, "AAAA", "A" },
	{ 29, "LOC", "l" },
	{ 32, "NB", NULL },
	{ 33, "SRV", "222n" },
	{ 35, "NAPTR", "22sssn" },
	{ 36, "KX", "2n" },
	{ 37, "CERT", "221b" },
	{ 39, "DNAME", "n" },
	{ 41, "OPT", NULL },
	{ 42, "APL", NULL },
	{ 43, "DS", "211x" },
	{ 44, "SSHFP", "11x" },
	{ 45, "IPSECKEY", NULL },
	{ 46, "RRSIG", "t114dd2nb" },
	{ 47, "NSEC", "nm" },
	{ 48, "DNSKEY", "211b" },
	{ 49, "DHCID", "b" },
	{ 50, "NSEC3", "112him" },
	{ 51, "NSEC3PARAM", "112h" },
	{ 52, "TLSA", "111x" },
	{ 53, "SMIMEA", "111x" },
	{ 55, "HIP", NULL },
	{ 59, "CDS", "211x" },
	{ 60, "CDNSKEY", "211b" },
	{ 61, "OPENPGPKEY", "b" },
	{ 62, "CSYNC", "42m" },
	{ 63, "ZONEMD", "411x" },
	{ 64, "SVCB", "2nv" },
	{ 65, "HTTPS", "2nv" },
	{ 99, "SPF", "S" },
	{ 108, "EUI48", "e" },
	{ 109, "EUI64", "e" },
	{ 249, "TKEY", NULL },
	{ 250, "TSIG", NULL },
	{ 251, "IXFR", NULL },
	{ 252, "AXFR", NULL },
	{ 253, "MAILB", NULL },
	{ 255, "ANY", NULL },
	{ 256, "URI", "22q" },
	{ 257, "CAA", "1uq" },
	{ 32768, "TA", "211x" },
	{ 32769, "DLV", "211x" },
};

static const struct type *
find_type(uint16_t number)
{
	size_t low = 0, high = sizeof(types) / sizeof(*types);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (types[middle].number == number)
			return &types[middle];
		if (types[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
dns_type_known(uint16_t type)
{
	return find_type(type) != NULL;
}

/* The entry of a table of names, or the prefix and the number. */
static const char *
mnemonic(const char *const *names, size_t count, unsigned number,
	 const char *prefix, char out[DNS_MNEMONIC])
{
	if (names && number < count && names[number])
		return names[number];
	snprintf(out, DNS_MNEMONIC, "%s%u", prefix, number);
	return out;
}

const char *
dns_type_name(uint16_t type, char out[DNS_MNEMONIC])
{
	const struct type *known = find_type(type);

	return known ? known->name : mnemonic(NULL, 0, type, "TYPE", out);
}

const char *
dns_class_name(uint16_t class, char out[DNS_MNEMONIC])
{
	static const char *const names[] = { [1] = "IN",     [3] = "CH",
					     [4] = "HS",     [254] = "NONE",
					     [255] = "ANY" };

	return mnemonic(names, sizeof(names) / sizeof(*names), class, "CLASS",
			out);
}

const char *
dns_rcode_name(uint16_t rcode, char out[DNS_MNEMONIC])
{
	static const char *const names[] = {
		"NOERROR",   "FORMERR",	 "SERVFAIL", "NXDOMAIN", "NOTIMP",
		"REFUSED",   "YXDOMAIN", "YXRRSET",  "NXRRSET",	 "NOTAUTH",
		"NOTZONE",   "DSOTYPENI", NULL,	     NULL,	 NULL,
		NULL,	     "BADVERS",	 "BADKEY",   "BADTIME",	 "BADMODE",
		"BADNAME",   "BADALG",	 "BADTRUNC", "BADCOOKIE"
	};

	return mnemonic(names, sizeof(names) / sizeof(*names), rcode, "RCODE",
			out);
}

const char *
dns_opcode_name(uint8_t opcode, char out[DNS_MNEMONIC])
{
	static const char *const names[] = { "QUERY",  "IQUERY", "STATUS", NULL,
					     "NOTIFY", "UPDATE", "DSO" };

	return mnemonic(names, sizeof(names) / sizeof(*names), opcode,
			"OPCODE", out);
}

/* Fields of record data. */

static void
put_hex(struct buf *out, struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		buf_format(out, "%02x", in.data[i]);
}

static void
put_quoted(struct buf *out, struct bytes in, bool quotes)
{
	if (quotes)
		buf_u8(out, '"');
	for (size_t i = 0; i < in.size; i++) {
		uint8_t c = in.data[i];

		if (c == '"' || c == '\\')
			buf_u8(out, '\\');
		if (c >= ' ' && c < 0x7f)
			buf_u8(out, c);
		else
			buf_format(out, "\\%03u", c);
	}
	if (quotes)
		buf_u8(out, '"');
}

static void
put_base64(struct buf *out, struct bytes in)
{
	char digits[4];

	for (; in.size; in = bytes_from(in, 3)) {
		text_base64(in, digits);
		buf_append(out, digits, sizeof(digits));
	}
}

/* base32hex without padding (RFC 5155 §3.3). */
static void
put_base32(struct buf *out, struct bytes in)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
	uint32_t bits = 0, count = 0;

	for (size_t i = 0; i < in.size; i++) {
		bits = (bits << 8 | in.data[i]) & 0xfff;
		for (count += 8; count >= 5; count -= 5)
			buf_u8(out, (uint8_t)digits[bits >> (count - 5) & 31]);
	}
	if (count)
		buf_u8(out, (uint8_t)digits[bits << (5 - count) & 31]);
}

static void
put_address(struct buf *out, int family, struct reader *r)
{
	struct bytes in = reader_take(r, family == AF_INET ? 4 : 16);
	char text[INET6_ADDRSTRLEN];

	if (in.size && inet_ntop(family, in.data, text, sizeof(text)))
		buf_text(out, text);
}

/* Without gmtime, which wants to read time zones (civil calendar from days,
 * Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static void
put_time(struct buf *out, uint32_t seconds)
{
	uint32_t day = seconds / 86400 + 719468, second = seconds % 86400;
	uint32_t era = day / 146097, of_era = day % 146097;
	uint32_t year = (of_era - of_era / 1460 + of_era / 36524 -
			 of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t month = (5 * of_year + 2) / 153; /* from March */

	buf_format(out, "%04u%02u%02u%02u%02u%02u",
		   year + era * 400 + (month >= 10),
		   month < 10 ? month + 3 : month - 9,
		   of_year - (153 * month + 2) / 5 + 1, second / 3600,
		   second / 60 % 60, second % 60);
}

static void
put_bitmap(struct buf *out, struct reader *r)
{
	char name[DNS_MNEMONIC];
	bool first = true;

	while (reader_left(r)) {
		unsigned window = reader_u8(r);
		struct bytes bits = reader_take(r, reader_u8(r));

		for (unsigned i = 0; i < bits.size * 8; i++) {
			if (!(bits.data[i / 8] & 0x80 >> i % 8))
				continue;
			buf_text(out, first ? "" : " ");
			buf_text(out, dns_type_name((uint16_t)(window << 8 | i),
						    name));
			first = false;
		}
	}
}

/* Service parameters. */

static void
put_alpn(struct buf *out, struct reader *r)
{
	for (bool first = true; reader_left(r); first = false) {
		buf_text(out, first ? "" : ",");
		put_quoted(out, reader_take(r, reader_u8(r)), false);
	}
}

static void
put_addresses(struct buf *out, int family, struct reader *r)
{
	for (bool first = true; reader_left(r); first = false) {
		buf_text(out, first ? "" : ",");
		put_address(out, family, r);
	}
}

static const char *const service_keys[] = {
	"mandatory", "alpn", "no-default-alpn", "port",
	"ipv4hint",  "ech",  "ipv6hint",	"dohpath",
};

static void
put_service_key(struct buf *out, uint16_t key)
{
	char name[DNS_MNEMONIC];

	buf_text(out,
		 mnemonic(service_keys,
			  sizeof(service_keys) / sizeof(*service_keys), key,
			  "key", name));
}

static bool
put_service_value(struct buf *out, uint16_t key, struct bytes in)
{
	struct reader r = reader_make(in);

	switch (key) {
	case 0:
		for (bool first = true; reader_left(&r); first = false) {
			buf_text(out, first ? "" : ",");
			put_service_key(out, reader_be16(&r));
		}
		break;
	case 1:
		put_alpn(out, &r);
		break;
	case 3:
		buf_format(out, "%u", reader_be16(&r));
		break;
	case 4:
		put_addresses(out, AF_INET, &r);
		break;
	case 5:
		put_base64(out, in);
		return true;
	case 6:
		put_addresses(out, AF_INET6, &r);
		break;
	default:
		put_quoted(out, in, true);
		return true;
	}
	return !r.failed && !reader_left(&r);
}

static void
put_service(struct buf *out, struct reader *r)
{
	for (bool first = true; reader_left(r); first = false) {
		uint16_t key = reader_be16(r);
		struct bytes value = reader_take(r, reader_be16(r));

		buf_text(out, first ? "" : " ");
		put_service_key(out, key);
		if (!value.size)
			continue;
		buf_u8(out, '=');
		if (!put_service_value(out, key, value))
			r->failed = true;
	}
}

/* A location (RFC 1876 §2, §3). */

static void
put_angle(struct buf *out, uint32_t value, char positive, char negative)
{
	int64_t angle = (int64_t)value - INT64_C(0x80000000);
	uint64_t ms = (uint64_t)(angle < 0 ? -angle : angle);

	buf_format(out, "%u %u %u.%03u %c ", (unsigned)(ms / 3600000),
		   (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60),
		   (unsigned)(ms % 1000), angle < 0 ? negative : positive);
}

static void
put_metres(struct buf *out, int64_t centimetres)
{
	uint64_t size = (uint64_t)(centimetres < 0 ? -centimetres
						   : centimetres);

	buf_format(out, "%s%llu.%02llum", centimetres < 0 ? "-" : "",
		   (unsigned long long)(size / 100),
		   (unsigned long long)(size % 100));
}

static void
put_precision(struct buf *out, uint8_t value, struct reader *r)
{
	int64_t centimetres = value >> 4;

	if (value >> 4 > 9 || (value & 15) > 9)
		r->failed = true;
	for (int i = value & 15; i > 0; i--)
		centimetres *= 10;
	buf_u8(out, ' ');
	put_metres(out, centimetres);
}

static void
put_location(struct buf *out, struct reader *r)
{
	uint8_t version = reader_u8(r), precision[3];
	uint32_t latitude, longitude;

	for (int i = 0; i < 3; i++)
		precision[i] = reader_u8(r);
	latitude = reader_be32(r);
	longitude = reader_be32(r);
	if (version)
		r->failed = true;
	put_angle(out, latitude, 'N', 'S');
	put_angle(out, longitude, 'E', 'W');
	put_metres(out, (int64_t)reader_be32(r) - 10000000);
	for (int i = 0; i < 3; i++)
		put_precision(out, precision[i], r);
}

static void
put_eui(struct buf *out, struct reader *r)
{
	for (bool first = true; reader_left(r); first = false)
		buf_format(out, "%s%02x", first ? "" : "-", reader_u8(r));
}

static struct bytes
take_rest(struct reader *r)
{
	return reader_take(r, reader_left(r));
}

static void
put_strings(struct buf *out, struct reader *r)
{
	for (bool first = true; reader_left(r); first = false) {
		buf_text(out, first ? "" : " ");
		put_quoted(out, reader_take(r, reader_u8(r)), true);
	}
}

/* A salt, which is "-" when empty (RFC 5155 §3.3). */
static void
put_salt(struct buf *out, struct bytes in)
{
	if (in.size)
		put_hex(out, in);
	else
		buf_u8(out, '-');
}

static void
put_name(struct buf *out, struct reader *r, struct bytes message)
{
	/* The name may point anywhere before; it must end inside the data. */
	struct reader whole = { r->at, message.data + message.size, r->failed };

	dns_name(&whole, message, out);
	if (whole.failed || whole.at > r->end)
		r->failed = true;
	else
		r->at = whole.at;
}

/* Fields of a fixed size; false when `kind` is none. */
static bool
put_fixed(struct buf *out, char kind, struct reader *r)
{
	char name[DNS_MNEMONIC];

	switch (kind) {
	case '1':
		buf_format(out, "%u", reader_u8(r));
		return true;
	case '2':
		buf_format(out, "%u", reader_be16(r));
		return true;
	case '4':
		buf_format(out, "%u", reader_be32(r));
		return true;
	case 'a':
		put_address(out, AF_INET, r);
		return true;
	case 'A':
		put_address(out, AF_INET6, r);
		return true;
	case 'd':
		put_time(out, reader_be32(r));
		return true;
	case 't':
		buf_text(out, dns_type_name(reader_be16(r), name));
		return true;
	default:
		return false;
	}
}

static void
put_field(struct buf *out, char kind, struct reader *r, struct bytes message)
{
	if (put_fixed(out, kind, r))
		return;
	switch (kind) {
	case 'b':
		put_base64(out, take_rest(r));
		break;
	case 'e':
		put_eui(out, r);
		break;
	case 'h':
		put_salt(out, reader_take(r, reader_u8(r)));
		break;
	case 'i':
		put_base32(out, reader_take(r, reader_u8(r)));
		break;
	case 'l':
		put_location(out, r);
		break;
	case 'm':
		put_bitmap(out, r);
		break;
	case 'n':
		put_name(out, r, message);
		break;
	case 'q':
		put_quoted(out, take_rest(r), true);
		break;
	case 's':
	case 'u':
		put_quoted(out, reader_take(r, reader_u8(r)), kind == 's');
		break;
	case 'S':
		put_strings(out, r);
		break;
	case 'v':
		put_service(out, r);
		break;
	default:
		put_hex(out, take_rest(r)); /* 'x' */
		break;
	}
}

bool
dns_record_data(struct buf *out, uint16_t type, struct bytes data,
		struct bytes message)
{
	const struct type *known = find_type(type);
	struct reader r = reader_make(data);
	size_t before = out->size;

	if (known && known->data && data.size) {
		for (const char *kind = known->data; *kind; kind++) {
			if (kind != known->data && reader_left(&r))
				buf_u8(out, ' ');
			put_field(out, *kind, &r, message);
		}
		if (!r.failed && !reader_left(&r))
			return true;
	}
	out->size = before;
	buf_format(out, "\\# %zu%s", data.size, data.size ? " " : "");
	put_hex(out, data);
	return !known || !known->data || !data.size;
}

/* EDNS options. */

/* RFC 7871 §6: family, source and scope prefix lengths, address. */
static bool
put_subnet(struct buf *out, struct bytes data)
{
	struct reader r = reader_make(data);
	uint16_t family = reader_be16(&r);
	unsigned source = reader_u8(&r), scope = reader_u8(&r);
	size_t size = family == 1 ? 4 : 16, given = reader_left(&r);
	uint8_t address[16] = { 0 };
	char text[INET6_ADDRSTRLEN];

	if (r.failed || (family != 1 && family != 2) || given > size)
		return false;
	if (given)
		memcpy(address, r.at, given);
	inet_ntop(family == 1 ? AF_INET : AF_INET6, address, text,
		  sizeof(text));
	buf_format(out, "%s/%u/%u", text, source, scope);
	return true;
}

void
dns_edns_option(struct buf *out, uint16_t code, struct bytes data)
{
	static const char *const names[] = {
		[1] = "LLQ",	    [2] = "UL",	      [3] = "NSID",
		[5] = "DAU",	    [6] = "DHU",      [7] = "N3U",
		[8] = "ECS",	    [9] = "EXPIRE",   [10] = "COOKIE",
		[11] = "KEEPALIVE", [12] = "PADDING", [13] = "CHAIN",
		[14] = "KEY-TAG",   [15] = "EDE",
	};
	struct reader r = reader_make(data);
	char name[DNS_MNEMONIC];

	buf_text(out, mnemonic(names, sizeof(names) / sizeof(*names), code,
			       "OPT", name));
	if (data.size)
		buf_u8(out, ' ');
	if (code == 8 && put_subnet(out, data))
		return;
	if (code == 15 && data.size >= 2) {
		buf_format(out, "%u", reader_be16(&r));
		if (reader_left(&r)) {
			buf_u8(out, ' ');
			put_quoted(out, take_rest(&r), true);
		}
		return;
	}
	if (code == 12)
		buf_format(out, "%zu octets", data.size);
	else
		put_hex(out, data);
}
