/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NTP versions 1 to 4 (RFC 5905), its control messages (RFC 9327) and simple
 * clients (RFC 4330).  See ntp.md.
 */
#include "base/clock.h"
#include "base/reader.h"
#include "dissect/proto/attribute.h"
#include "dissect/registry.h"

#define HEADER_SIZE 48
#define CONTROL_SIZE 12
/* Seconds from 1900 to 1970. */
#define UNIX_EPOCH 2208988800u
/* Times that a server can have: from 2000 on, and within the first era. */
#define YEAR_2000 3155673600u
#define EXTENSIONS_SHOWN 16

enum mode {
	MODE_ACTIVE = 1,
	MODE_PASSIVE = 2,
	MODE_CLIENT = 3,
	MODE_SERVER = 4,
	MODE_BROADCAST = 5,
	MODE_CONTROL = 6,
};

static const struct attribute_name modes[] = {
	{ MODE_ACTIVE, "Symmetric Active" },
	{ MODE_PASSIVE, "Symmetric Passive" },
	{ MODE_CLIENT, "Client" },
	{ MODE_SERVER, "Server" },
	{ MODE_BROADCAST, "Broadcast" },
	{ MODE_CONTROL, "Control" },
	{ 0, NULL }
};

static const struct attribute_name leaps[] = {
	{ 1, "last minute has 61 seconds" },
	{ 2, "last minute has 59 seconds" },
	{ 3, "unsynchronized" },
	{ 0, NULL }
};

/* RFC 5905 figure 13. */
static const struct {
	const char *code, *meaning;
} kisses[] = {
	{ "ACST", "the association belongs to an anycast server" },
	{ "AUTH", "authentication failed" },
	{ "AUTO", "autokey sequence failed" },
	{ "BCST", "the association belongs to a broadcast server" },
	{ "CRYP", "cryptographic authentication failed" },
	{ "DENY", "access denied by the server" },
	{ "DROP", "lost its peer" },
	{ "INIT", "not yet synchronized" },
	{ "MCST", "the association belongs to a dynamic server" },
	{ "NKEY", "no key found" },
	{ "NTSN", "NTS negative acknowledgement" },
	{ "RATE", "rate exceeded" },
	{ "RMOT", "altered from a remote host" },
	{ "RSTR", "access denied by local policy" },
	{ "STEP", "the time was stepped" },
};

static const struct attribute_name extensions[] = {
	{ 0x0104, "NTS unique identifier" },
	{ 0x0204, "NTS cookie" },
	{ 0x0304, "NTS cookie placeholder" },
	{ 0x0404, "NTS authenticator" },
	{ 0x2005, "UDP checksum complement" },
	{ 0, NULL }
};

static const struct attribute_name operations[] = {
	{ 1, "read status" },	   { 2, "read variables" },
	{ 3, "write variables" },  { 4, "read clock" },
	{ 5, "write clock" },	   { 6, "set trap" },
	{ 7, "asynchronous" },	   { 8, "configure" },
	{ 9, "save configuration" }, { 10, "read most recent users" },
	{ 11, "read ordered list" }, { 12, "request nonce" },
	{ 31, "unset trap" },	   { 0, NULL }
};

struct packet_head {
	uint8_t leap, version, mode, stratum;
	int8_t poll, precision;
	uint32_t delay, dispersion;
	struct bytes reference_id;
	uint64_t reference, originate, receive, transmit;
};

static struct packet_head
read_head(struct reader *r)
{
	uint8_t first = reader_u8(r);
	struct packet_head h = { .leap = first >> 6,
				 .version = first >> 3 & 7,
				 .mode = first & 7 };

	h.stratum = reader_u8(r);
	h.poll = (int8_t)reader_u8(r);
	h.precision = (int8_t)reader_u8(r);
	h.delay = reader_be32(r);
	h.dispersion = reader_be32(r);
	h.reference_id = reader_take(r, 4);
	h.reference = reader_be64(r);
	h.originate = reader_be64(r);
	h.receive = reader_be64(r);
	h.transmit = reader_be64(r);
	return h;
}

/* Detection. */

static bool
is_time(uint64_t time)
{
	return time >> 32 >= YEAR_2000;
}

/* What no other protocol has by chance: a server's clock. */
static bool
is_certain(const struct packet_head *h)
{
	return h->mode == MODE_SERVER && h->stratum >= 1 && h->stratum <= 15 &&
	       h->precision < 0 && h->precision > -40 && h->delay >> 16 < 16 &&
	       is_time(h->receive) && is_time(h->transmit) &&
	       h->receive <= h->transmit &&
	       (h->transmit - h->receive) >> 32 < 16 && is_time(h->reference);
}

static bool
is_control(struct bytes in)
{
	struct reader r = reader_make(bytes_from(in, CONTROL_SIZE - 2));
	size_t count = reader_be16(&r);
	size_t padded = CONTROL_SIZE + ((count + 3) & ~(size_t)3);

	return !r.failed &&
	       (in.size == CONTROL_SIZE + count || in.size >= padded) &&
	       in.size <= padded + 32;
}

static enum verdict
probe_datagram(struct bytes in)
{
	struct reader r = reader_make(in);
	struct packet_head h = read_head(&r);

	if (in.size < CONTROL_SIZE || h.version < 1 || h.version > 4)
		return VERDICT_NO;
	if (h.mode == MODE_CONTROL)
		return is_control(in) ? VERDICT_MAYBE : VERDICT_NO;
	if (r.failed || h.mode < MODE_ACTIVE || h.mode > MODE_BROADCAST ||
	    h.stratum > 16 || h.poll > 17 || in.size % 4)
		return VERDICT_NO;
	return is_certain(&h) ? VERDICT_YES : VERDICT_MAYBE;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	(void)transport;
	return probe_datagram(client.size ? client : server);
}

/* Reading. */

static void
say_time(struct sink *sink, const char *name, uint64_t time)
{
	char text[CLOCK_TEXT_SIZE];
	/* Below: the era that begins in 2036 (RFC 5905 §6). */
	int64_t seconds = (int64_t)(time >> 32) - UNIX_EPOCH;
	int64_t ns = (int64_t)((time & UINT32_MAX) * CLOCK_NS_PER_S >> 32);

	if (!time)
		return;
	if (seconds < 0)
		seconds += INT64_C(1) << 32;
	attribute_header(sink, name, "%s",
			 clock_format(seconds * CLOCK_NS_PER_S + ns, text));
}

static void
say_extensions(struct sink *sink, struct reader *r)
{
	char room[ATTRIBUTE_NAME];

	for (unsigned i = 0; i < EXTENSIONS_SHOWN && reader_left(r) > 24; i++) {
		unsigned type = reader_be16(r), size = reader_be16(r);

		if (size < 4 || size % 4 || size - 4 > reader_left(r)) {
			sink_field(sink, FIELD_ERROR,
				   bytes_of("an extension is malformed"));
			return;
		}
		reader_skip(r, size - 4);
		attribute_header(sink, "extension", "%s, %u bytes",
				 attribute_name(extensions, type, "type", room),
				 size - 4);
	}
	if (reader_left(r) >= 4)
		attribute_header(sink, "key-id", "%u", reader_be32(r));
}

/* Stratum 0: a code in place of the reference (RFC 5905 §7.4). */
static void
say_kiss(struct sink *sink, struct bytes code)
{
	const char *meaning = "unspecified";

	for (size_t i = 0; i < sizeof(kisses) / sizeof(*kisses); i++)
		if (bytes_equal(code, bytes_of(kisses[i].code)))
			meaning = kisses[i].meaning;
	sink_flags(sink, MESSAGE_IS_ERROR);
	attribute_field(sink, FIELD_STATUS_TEXT, "%.4s",
			(const char *)code.data);
	attribute_field(sink, FIELD_ERROR, "kiss of death %.4s: %s",
			(const char *)code.data, meaning);
}

static void
say_reference(struct sink *sink, const struct packet_head *h)
{
	struct buf text;

	buf_init(&text, 64);
	if (h->stratum <= 1) {
		size_t size = 4;

		while (size && !h->reference_id.data[size - 1])
			size--;
		attribute_put_text(&text, bytes_first(h->reference_id, size));
	} else {
		attribute_put_address(&text, h->reference_id);
	}
	if (text.size)
		sink_header(sink, bytes_of("reference-id"), buf_view(&text));
	buf_free(&text);
}

/* 16.16 seconds. */
static double
short_seconds(uint32_t value)
{
	return value / 65536.0;
}

static void
say_head(struct sink *sink, const struct packet_head *h)
{
	const char *leap = attribute_find(leaps, h->leap);

	if (leap)
		sink_header(sink, bytes_of("leap"), bytes_of(leap));
	attribute_header(sink, "stratum", "%u", h->stratum);
	attribute_header(sink, "poll", "%d", h->poll);
	attribute_header(sink, "precision", "%d", h->precision);
	if (h->delay || h->dispersion) {
		attribute_header(sink, "root-delay", "%.6f s",
				 short_seconds(h->delay));
		attribute_header(sink, "root-dispersion", "%.6f s",
				 short_seconds(h->dispersion));
	}
	say_reference(sink, h);
	say_time(sink, "reference", h->reference);
	say_time(sink, "originate", h->originate);
	say_time(sink, "receive", h->receive);
	say_time(sink, "transmit", h->transmit);
}

static bool
is_kiss(const struct packet_head *h)
{
	struct bytes code = h->reference_id;

	if (h->mode != MODE_SERVER || h->stratum)
		return false;
	for (size_t i = 0; i < code.size; i++)
		if (code.data[i] < 'A' || code.data[i] > 'Z')
			return false;
	return code.size == 4;
}

static void
begin(const struct packet_head *h, enum side side, struct sink *sink)
{
	bool answer = h->mode == MODE_SERVER || h->mode == MODE_PASSIVE;

	if (h->mode == MODE_BROADCAST) {
		sink_begin_alone(sink);
		return;
	}
	sink_begin(sink);
	/* The answer gives back what the question was sent at. */
	sink_id(sink, answer ? h->originate : h->transmit);
	if (answer != (side == SIDE_SERVER))
		sink_flags(sink, MESSAGE_REVERSED);
}

static bool
read_time_message(struct bytes in, enum side side, struct sink *sink)
{
	struct reader r = reader_make(in);
	struct packet_head h = read_head(&r);
	const char *mode = attribute_find(modes, h.mode);

	if (r.failed || !mode)
		return false;
	begin(&h, side, sink);
	sink_field(sink, FIELD_METHOD, bytes_of(mode));
	attribute_field(sink, FIELD_VERSION, "%u", h.version);
	say_head(sink, &h);
	say_extensions(sink, &r);
	if (is_kiss(&h))
		say_kiss(sink, h.reference_id);
	else if (h.mode == MODE_SERVER && h.leap == 3)
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("unsynchronized"));
	else if (h.mode == MODE_SERVER)
		attribute_field(sink, FIELD_STATUS_TEXT, "stratum %u",
				h.stratum);
	attribute_field(sink, FIELD_SUMMARY, "%s version %u", mode, h.version);
	sink_end(sink, in.size);
	return true;
}

/* RFC 9327 §2. */
static bool
read_control(struct bytes in, enum side side, struct sink *sink)
{
	struct reader r = reader_make(in);
	uint8_t first = reader_u8(&r), flags = reader_u8(&r);
	uint16_t sequence = reader_be16(&r), status = reader_be16(&r);
	uint16_t association = reader_be16(&r), offset = reader_be16(&r);
	struct bytes data = reader_take(&r, reader_be16(&r));
	bool answer = flags & 0x80;
	char room[ATTRIBUTE_NAME];
	const char *operation =
		attribute_name(operations, flags & 0x1f, "operation", room);

	if (r.failed)
		return false;
	sink_begin(sink);
	sink_id(sink, sequence);
	if (answer != (side == SIDE_SERVER))
		sink_flags(sink, MESSAGE_REVERSED);
	sink_field(sink, FIELD_METHOD, bytes_of("Control"));
	attribute_field(sink, FIELD_VERSION, "%u", first >> 3 & 7u);
	if (!answer)
		sink_field(sink, FIELD_PATH, bytes_of(operation));
	attribute_header(sink, "sequence", "%u", sequence);
	attribute_header(sink, "association", "%u", association);
	if (offset || flags & 0x20)
		attribute_header(sink, "offset", "%u%s", offset,
				 flags & 0x20 ? ", more" : "");
	if (answer)
		attribute_header(sink, "status", "0x%04x", status);
	if (flags & 0x40) {
		sink_status(sink, status >> 8);
		sink_flags(sink, MESSAGE_IS_ERROR);
		attribute_field(sink, FIELD_ERROR, "error %u of %s",
				status >> 8, operation);
	}
	sink_body(sink, data);
	attribute_field(sink, FIELD_SUMMARY, "Control %s", operation);
	sink_end(sink, in.size);
	return true;
}

static struct step
feed(void *conn, enum side side, struct bytes in, struct sink *sink)
{
	bool good;

	(void)conn;
	if (probe_datagram(in) == VERDICT_NO)
		return step_bad();
	good = (in.data[0] & 7) == MODE_CONTROL
		       ? read_control(in, side, sink)
		       : read_time_message(in, side, sink);
	return good ? step_done(in.size) : step_bad();
}

static const uint16_t ports[] = { 123, 0 };

const struct dissector dissector_ntp = {
	.name = "ntp",
	.title = "NTP",
	.ports = ports,
	.transport = TRANSPORT_UDP,
	.pairing = PAIR_BY_ID,
	.probe = probe,
	.feed = feed,
};
