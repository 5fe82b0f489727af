/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diameter over TCP (RFC 6733): either side asks, and is answered by the
 * hop-by-hop identifier.  See diameter.md.
 */
#include <stdio.h>

#include "base/reader.h"
#include "dissect/proto/diameter_names.h"
#include "dissect/registry.h"

#define HEADER_SIZE 20
#define AVP_SIZE 8
#define MESSAGE_LIMIT (64u << 10)
#define AVPS_SHOWN 1024
#define DEPTH 6
#define NAME_SIZE 160

enum { FLAG_REQUEST = 0x80, FLAG_PROXIABLE = 0x40, FLAG_ERROR = 0x20,
       FLAG_RETRANSMITTED = 0x10, FLAG_RESERVED = 0x0f };
enum { AVP_VENDOR = 0x80, AVP_RESERVED = 0x1f };

enum avp_code {
	AVP_USER_NAME = 1,
	AVP_HOST_ADDRESS = 257,
	AVP_SESSION = 263,
	AVP_ORIGIN_HOST = 264,
	AVP_RESULT = 268,
	AVP_ERROR_MESSAGE = 281,
	AVP_DESTINATION_REALM = 283,
	AVP_DESTINATION_HOST = 293,
	AVP_EXPERIMENTAL_RESULT = 298,
};

struct head {
	size_t size;
	uint8_t flags;
	uint32_t command, application, hop, end;
};

struct avp {
	uint32_t code, vendor;
	struct bytes value;
};

/* False: not the header of a message. */
static bool
read_head(struct reader *r, struct head *h)
{
	uint32_t word = reader_be32(r);

	h->size = word & 0xffffff;
	if (word >> 24 != 1)
		return false;
	word = reader_be32(r);
	h->flags = (uint8_t)(word >> 24);
	h->command = word & 0xffffff;
	h->application = reader_be32(r);
	h->hop = reader_be32(r);
	h->end = reader_be32(r);
	return !r->failed && h->size >= HEADER_SIZE && h->size % 4 == 0 &&
	       h->size <= MESSAGE_LIMIT && !(h->flags & FLAG_RESERVED) &&
	       !(h->flags & FLAG_REQUEST && h->flags & FLAG_ERROR);
}

/* The next AVP with its padding (RFC 6733 §4.1). */
static bool
next_avp(struct reader *r, struct avp *avp)
{
	uint32_t word;
	size_t size, head = AVP_SIZE;

	if (!reader_left(r))
		return false;
	avp->code = reader_be32(r);
	word = reader_be32(r);
	size = word & 0xffffff;
	avp->vendor = 0;
	if (word >> 24 & AVP_VENDOR) {
		avp->vendor = reader_be32(r);
		head += 4;
	}
	if (size < head || word >> 24 & AVP_RESERVED) {
		r->failed = true;
		return false;
	}
	avp->value = reader_take(r, size - head);
	/* The last may go without. */
	size = (4 - size % 4) % 4;
	reader_skip(r, size < reader_left(r) ? size : reader_left(r));
	return !r->failed;
}

/* Detection. */

static enum verdict
probe_side(struct bytes in)
{
	struct reader r = reader_make(in);
	struct head h;
	struct avp avp;

	if (in.size && in.data[0] != 1)
		return VERDICT_NO;
	if (in.size < HEADER_SIZE)
		return VERDICT_MAYBE;
	if (!read_head(&r, &h) ||
	    !attribute_find(diameter_commands, h.command) ||
	    !attribute_find(diameter_applications, h.application))
		return VERDICT_NO;
	if (h.size == HEADER_SIZE)
		return VERDICT_NO;
	if (in.size < h.size)
		return in.size < 4096 ? VERDICT_MAYBE : VERDICT_NO;
	r = reader_make(bytes_from(bytes_first(in, h.size), HEADER_SIZE));
	while (next_avp(&r, &avp))
		;
	return r.failed ? VERDICT_NO : VERDICT_YES;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict = VERDICT_MAYBE;

	(void)transport;
	if (client.size)
		verdict = probe_side(client);
	if (verdict == VERDICT_MAYBE && server.size)
		verdict = probe_side(server);
	return verdict;
}

/* Reading. */

static const struct attribute_kind *
kind_of(const struct avp *avp)
{
	if (avp->vendor == DIAMETER_3GPP)
		return attribute_kind_find(diameter_avps_3gpp, avp->code);
	return avp->vendor ? NULL
			   : attribute_kind_find(diameter_avps, avp->code);
}

/* What the common fields are made of. */
struct found {
	struct bytes session, user, host, realm, message;
	uint32_t result;
};

static void
notice(struct found *f, const struct avp *avp)
{
	struct reader r = reader_make(avp->value);

	if (avp->vendor)
		return;
	switch (avp->code) {
	case AVP_SESSION:
		f->session = avp->value;
		break;
	case AVP_USER_NAME:
		f->user = avp->value;
		break;
	case AVP_DESTINATION_HOST:
		f->host = avp->value;
		break;
	case AVP_DESTINATION_REALM:
		f->realm = avp->value;
		break;
	case AVP_ERROR_MESSAGE:
		f->message = bytes_first(avp->value, 300);
		break;
	case AVP_RESULT:
	case AVP_EXPERIMENTAL_RESULT:
		f->result = reader_be32(&r);
		break;
	default:
		break;
	}
}

/* Each has the names of the groups it is in before its own. */
struct path {
	char text[NAME_SIZE];
	size_t ends[DEPTH];
	unsigned depth;
	struct reader open[DEPTH];
};

static void
say_avp(struct sink *sink, const struct avp *avp, const char *path)
{
	const struct attribute_kind *kind = kind_of(avp);
	struct attribute_kind named = { .type = ATTRIBUTE_STRING };
	struct bytes value = avp->value;

	if (kind)
		named = *kind;
	named.name = path;
	/* Address: a family before it (RFC 6733 §4.3.1). */
	if (!avp->vendor && avp->code == AVP_HOST_ADDRESS && value.size > 2) {
		named.type = ATTRIBUTE_ADDRESS;
		value = bytes_from(value, 2);
	}
	attribute_say(sink, &named, "AVP", avp->code, value);
}

/* Appends the AVP's name to that of its groups. */
static void
put_name(struct path *path, const struct avp *avp)
{
	const struct attribute_kind *kind = kind_of(avp);
	size_t end = path->depth ? path->ends[path->depth - 1] : 0;
	char room[48];

	if (!kind && avp->vendor)
		snprintf(room, sizeof(room), "AVP %u of vendor %u", avp->code,
			 avp->vendor);
	else if (!kind)
		snprintf(room, sizeof(room), "AVP %u", avp->code);
	snprintf(path->text + end, sizeof(path->text) - end, "%s%s",
		 end ? "/" : "", kind ? kind->name : room);
}

/* What is within a group is about the group: about one service of several, or
 * what failed.  Only an experimental result comes in a group of its own. */
static bool
is_of_message(const struct path *path, const struct avp *avp)
{
	return path->depth == 0 ||
	       (path->depth == 1 && avp->code == AVP_EXPERIMENTAL_RESULT);
}

static void
say_avps(struct sink *sink, struct bytes in, struct found *found)
{
	struct path path = { .open = { reader_make(in) } };

	for (unsigned i = 0; i < AVPS_SHOWN; i++) {
		const struct attribute_kind *kind;
		struct avp avp;

		while (!next_avp(&path.open[path.depth], &avp)) {
			if (path.open[path.depth].failed)
				sink_field(sink, FIELD_ERROR,
					   bytes_of("an AVP is malformed"));
			if (path.depth-- == 0)
				return;
		}
		put_name(&path, &avp);
		if (is_of_message(&path, &avp))
			notice(found, &avp);
		kind = kind_of(&avp);
		if (!kind || kind->type != ATTRIBUTE_GROUP ||
		    path.depth + 1 == DEPTH) {
			say_avp(sink, &avp, path.text);
			continue;
		}
		path.ends[path.depth++] = strlen(path.text);
		path.open[path.depth] = reader_make(avp.value);
	}
	sink_truncated(sink);
}

static void
say_result(struct sink *sink, const struct head *h, const struct found *f)
{
	char room[ATTRIBUTE_NAME];
	const char *name = attribute_name(diameter_results, f->result, "result",
					  room);

	if (!f->result)
		return;
	sink_status(sink, (int32_t)(f->result & INT32_MAX));
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (!(h->flags & FLAG_ERROR) && f->result < 3000)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	attribute_field(sink, FIELD_ERROR, "%s%s%.*s", name,
			f->message.size ? ": " : "", (int)f->message.size,
			f->message.size ? (const char *)f->message.data : "");
}

static void
say_message(struct sink *sink, const struct head *h, struct bytes in)
{
	struct found found = { .result = 0 };
	char room[2][ATTRIBUTE_NAME];
	const char *command = attribute_name(diameter_commands, h->command,
					     "Command", room[0]);
	const char *application =
		attribute_name(diameter_applications, h->application,
			       "application", room[1]);
	bool request = h->flags & FLAG_REQUEST;

	sink_field(sink, FIELD_METHOD, bytes_of(command));
	sink_header(sink, bytes_of("application"), bytes_of(application));
	attribute_header(sink, "hop-by-hop", "0x%08x", h->hop);
	attribute_header(sink, "end-to-end", "0x%08x", h->end);
	say_avps(sink, bytes_from(in, HEADER_SIZE), &found);
	if (!request) {
		say_result(sink, h, &found);
		return;
	}
	sink_field(sink, FIELD_PATH, found.session);
	sink_field(sink, FIELD_HOST, found.host.size ? found.host
						     : found.realm);
	attribute_field(sink, FIELD_SUMMARY, "%s (%s)%s%.*s", command,
			application, found.user.size ? " " : "",
			(int)bytes_first(found.user, 128).size,
			found.user.size ? (const char *)found.user.data : "");
}

static struct step
feed(void *conn, enum side side, struct bytes in, struct sink *sink)
{
	struct reader r = reader_make(in);
	struct head h;

	(void)conn;
	if (in.size && in.data[0] != 1)
		return step_bad();
	if (in.size < HEADER_SIZE)
		return step_more(HEADER_SIZE);
	if (!read_head(&r, &h))
		return step_bad();
	if (in.size < h.size)
		return step_more(h.size);
	sink_begin(sink);
	sink_id(sink, h.hop);
	if (!(h.flags & FLAG_REQUEST) != (side == SIDE_SERVER))
		sink_flags(sink, MESSAGE_REVERSED);
	say_message(sink, &h, bytes_first(in, h.size));
	sink_end(sink, h.size);
	return step_done(h.size);
}

static bool
gap(void *conn, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	(void)conn;
	(void)side;
	(void)pending;
	(void)missing;
	(void)sink;
	return false;
}

static const uint16_t ports[] = { 3868, 0 };

const struct dissector dissector_diameter = {
	.name = "diameter",
	.title = "Diameter",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_ID,
	.strict = true,
	.probe = probe,
	.feed = feed,
	.gap = gap,
};
