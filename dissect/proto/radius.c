/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RADIUS: authentication (RFC 2865), accounting (RFC 2866), changes of
 * authorization (RFC 5176).  See radius.md.
 */
#include <stdio.h>

#include "base/reader.h"
#include "dissect/proto/radius_attributes.h"
#include "dissect/registry.h"

#define HEADER_SIZE 20
#define MESSAGE_LIMIT 4096
#define VENDOR_SPECIFIC 26
#define VENDOR_MICROSOFT 311
#define IDENTIFIERS 256

enum code {
	CODE_ACCESS_REQUEST = 1,
	CODE_ACCESS_REJECT = 3,
	CODE_ACCOUNTING_REQUEST = 4,
	CODE_STATUS_SERVER = 12,
	CODE_STATUS_CLIENT = 13,
	CODE_DISCONNECT_REQUEST = 40,
	CODE_DISCONNECT_NAK = 42,
	CODE_COA_REQUEST = 43,
	CODE_COA_NAK = 45,
};

/* The identifier is one octet and comes again: with another authenticator it is
 * another request. */
struct radius_conn {
	uint32_t authenticators[IDENTIFIERS];
	uint32_t generations[IDENTIFIERS];
};

static bool
is_request(uint8_t code)
{
	return code == CODE_ACCESS_REQUEST || code == CODE_ACCOUNTING_REQUEST ||
	       code == CODE_STATUS_SERVER || code == CODE_STATUS_CLIENT ||
	       code == CODE_DISCONNECT_REQUEST || code == CODE_COA_REQUEST;
}

/* Whether a value has the size that its kind has. */
static bool
fits(const struct attribute_kind *kind, size_t size)
{
	switch (kind->type) {
	case ATTRIBUTE_NUMBER:
	case ATTRIBUTE_SECONDS:
	case ATTRIBUTE_DATE:
		return size == 4;
	case ATTRIBUTE_ADDRESS:
		return size == 4 || size == 16;
	case ATTRIBUTE_GROUP:
		return size >= 5;
	case ATTRIBUTE_OCTETS:
	case ATTRIBUTE_STRING:
	case ATTRIBUTE_SECRET:
	case ATTRIBUTE_ADDRESS_6:
		break;
	}
	return size >= 1;
}

/* The message at the front of a datagram; false when it is none.  `*known`
 * attributes are as they must be, `*odd` are not. */
static bool
walk(struct bytes in, unsigned *known, unsigned *odd)
{
	struct reader r;
	size_t size;

	*known = *odd = 0;
	if (in.size < HEADER_SIZE ||
	    !attribute_find(radius_codes, in.data[0]))
		return false;
	size = (size_t)in.data[2] << 8 | in.data[3];
	if (size < HEADER_SIZE || size > MESSAGE_LIMIT || size != in.size)
		return false;
	r = reader_make(bytes_from(in, HEADER_SIZE));
	while (reader_left(&r)) {
		const struct attribute_kind *kind =
			attribute_kind_find(radius_attributes, reader_u8(&r));
		unsigned length = reader_u8(&r);

		if (length < 2 || length - 2 > reader_left(&r))
			return false;
		reader_skip(&r, length - 2);
		if (kind && fits(kind, length - 2))
			++*known;
		else
			++*odd;
	}
	return !r.failed;
}

/* Attributes that end where the message does, known and of their sizes; less is
 * left to the port. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct bytes in = client.size ? client : server;
	unsigned known, odd;

	(void)transport;
	if (!walk(in, &known, &odd))
		return VERDICT_NO;
	return known >= 3 && !odd ? VERDICT_YES : VERDICT_MAYBE;
}

/* Reading. */

/* RFC 2865 §5.26: most vendors have attributes of their own in it. */
static void
say_vendor(struct sink *sink, struct bytes value)
{
	struct reader r = reader_make(value);
	uint32_t vendor = reader_be32(&r);
	char room[ATTRIBUTE_NAME], prefix[ATTRIBUTE_NAME + 8];
	const char *name = attribute_name(radius_vendors, vendor, "Vendor",
					  room);

	snprintf(prefix, sizeof(prefix), "%s", name);
	while (reader_left(&r) >= 2) {
		uint8_t type = reader_u8(&r), length = reader_u8(&r);
		const struct attribute_kind *kind =
			vendor == VENDOR_MICROSOFT
				? attribute_kind_find(radius_microsoft, type)
				: NULL;

		if (length < 2 || length - 2u > reader_left(&r)) {
			sink_header(sink, bytes_of(prefix),
				    bytes_of("malformed"));
			return;
		}
		attribute_say(sink, kind, prefix, type,
			      reader_take(&r, length - 2u));
	}
}

static void
say_attribute(struct sink *sink, uint8_t type, struct bytes value)
{
	const struct attribute_kind *kind =
		attribute_kind_find(radius_attributes, type);

	if (type == VENDOR_SPECIFIC) {
		say_vendor(sink, value);
		return;
	}
	attribute_say(sink, kind, "Attribute", type, value);
}

/* What the line and the common fields are made of. */
struct found {
	struct bytes user, nas, reply;
	const char *status; /* Acct-Status-Type */
	const char *cause;
};

static void
notice(struct found *f, uint8_t type, struct bytes value)
{
	const struct attribute_kind *kind =
		attribute_kind_find(radius_attributes, type);

	if (type == 1)
		f->user = value;
	else if (type == 32 || (type == 30 && !f->nas.size))
		f->nas = value;
	else if (type == 18)
		f->reply = value;
	else if (type == 40 && value.size == 4 && kind)
		f->status = attribute_find(kind->values, value.data[3]);
	else if (type == 101 && value.size == 4 && kind)
		f->cause = attribute_find(kind->values,
					  (uint32_t)value.data[2] << 8 |
						  value.data[3]);
}

static void
say_found(struct sink *sink, uint8_t code, const struct found *f)
{
	const char *name = attribute_find(radius_codes, code);
	size_t user = bytes_first(f->user, 253).size;

	sink_field(sink, FIELD_METHOD, bytes_of(name));
	if (is_request(code)) {
		sink_field(sink, FIELD_PATH, f->user);
		sink_field(sink, FIELD_HOST, f->nas);
		attribute_field(sink, FIELD_SUMMARY, "%s%s%s%s%.*s", name,
				f->status ? " " : "",
				f->status ? f->status : "", user ? " " : "",
				(int)user,
				user ? (const char *)f->user.data : "");
		return;
	}
	sink_status(sink, code);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (code != CODE_ACCESS_REJECT && code != CODE_DISCONNECT_NAK &&
	    code != CODE_COA_NAK)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	attribute_field(sink, FIELD_ERROR, "%s%s%.*s%s", name,
			f->reply.size || f->cause ? ": " : "",
			(int)f->reply.size,
			f->reply.size ? (const char *)f->reply.data : "",
			f->cause ? f->cause : "");
}

static uint64_t
identify(struct radius_conn *conn, struct bytes in, bool request)
{
	uint8_t identifier = in.data[1];
	struct reader r = reader_make(bytes_from(in, 4));
	uint32_t authenticator = reader_be32(&r);

	authenticator ^= reader_be32(&r) ^ reader_be32(&r) ^ reader_be32(&r);
	if (request && conn->authenticators[identifier] != authenticator) {
		conn->authenticators[identifier] = authenticator;
		conn->generations[identifier]++;
	}
	return (uint64_t)conn->generations[identifier] << 8 | identifier;
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct reader r = reader_make(bytes_from(in, HEADER_SIZE));
	struct found found = { .status = NULL };
	unsigned known, odd;
	bool request;

	if (!walk(in, &known, &odd))
		return step_bad();
	request = is_request(in.data[0]);
	sink_begin(sink);
	sink_id(sink, identify(state, in, request));
	if (request != (side == SIDE_CLIENT))
		sink_flags(sink, MESSAGE_REVERSED);
	attribute_header(sink, "identifier", "%u", in.data[1]);
	while (reader_left(&r)) {
		uint8_t type = reader_u8(&r), length = reader_u8(&r);
		struct bytes value = reader_take(&r, length - 2u);

		say_attribute(sink, type, value);
		notice(&found, type, value);
	}
	say_found(sink, in.data[0], &found);
	sink_end(sink, in.size);
	return step_done(in.size);
}

static const uint16_t ports[] = { 1812, 1813, 1645, 1646, 3799, 0 };

const struct dissector dissector_radius = {
	.name = "radius",
	.title = "RADIUS",
	.ports = ports,
	.transport = TRANSPORT_UDP,
	.pairing = PAIR_BY_ID,
	.conn_size = sizeof(struct radius_conn),
	.probe = probe,
	.feed = feed,
};
