/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning of an SSH connection (RFC 4253): versions, offers and what is
 * chosen of them are one call.  What follows is encrypted.  See ssh.md.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/reader.h"
#include "base/text.h"
#include "dissect/proto/ssh_kex.h"
#include "dissect/registry.h"
#include "dissect/sink.h"

#define CHANNEL 1
#define LINE_MAX 255
/* Lines of the server before its version (RFC 4253 §4.2). */
#define LINES_MAX 64
#define PACKET_MAX 35000
#define PACKET_MIN 12 /* with its length */
#define TEXT_SIZE 600
#define SHOWN 200
#define SOFTWARE_SIZE 96

enum {
	MESSAGE_DISCONNECT = 1,
	MESSAGE_KEXINIT = 20,
	MESSAGE_NEWKEYS = 21,
	MESSAGE_KEX_REPLY = 31,
	MESSAGE_GROUP_REPLY = 33,
};

struct ssh_side {
	enum { AT_LINES, AT_PACKETS, AT_SECRETS } state;
	uint8_t lines;
	uint8_t software_size;
	char software[SOFTWARE_SIZE];
	size_t offer_size;
	uint8_t *offer; /* the payload of KEXINIT; owned */
};

struct ssh_conn {
	struct ssh_side sides[2];
	bool told; /* what was chosen, or that nothing could be */
	bool group_exchange;
};

/* What is being read. */
struct frame {
	struct ssh_conn *conn;
	struct ssh_side *ours;
	struct sink *sink;
	enum side side;
};

/* Detection. */

/* "SSH-2.0-…" */
static enum verdict
judge(struct bytes in)
{
	static const char pattern[] = "SSH-0.0";
	size_t i;

	for (i = 0; i < in.size && pattern[i]; i++) {
		bool good = pattern[i] == '0' ? in.data[i] >= '1' &&
							in.data[i] <= '2'
					      : in.data[i] == pattern[i];
		/* "2.0", "1.5", "1.99" */
		if (i == 6)
			good = in.data[i] >= '0' && in.data[i] <= '9';
		if (!good)
			return VERDICT_NO;
	}
	return i < sizeof(pattern) - 1 ? VERDICT_MAYBE : VERDICT_YES;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict = judge(client);

	(void)transport;
	if (verdict == VERDICT_NO || (client.size && verdict == VERDICT_YES))
		return verdict;
	/* A client of another protocol may have come to it: it is waited for,
	 * and what it says decides. */
	return judge(server) == VERDICT_NO ? VERDICT_NO : VERDICT_MAYBE;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	(void)side;
	(void)in;
	return VERDICT_NO;
}

/* Versions. */

static bool
select_half(struct frame *f)
{
	return sink_channel(f->sink, CHANNEL, f->side, true) &&
	       sink_is_open(f->sink);
}

static void
begin(struct frame *f)
{
	sink_channel(f->sink, CHANNEL, f->side, true);
	sink_begin(f->sink);
	sink_field(f->sink, FIELD_METHOD, bytes_of("HANDSHAKE"));
}

static void
end(struct frame *f, size_t consumed)
{
	if (select_half(f))
		sink_end(f->sink, consumed);
	f->ours->state = AT_SECRETS;
}

/* "SSH-2.0-OpenSSH_9.2p1 Debian-2": version, software, comments. */
static void
say_version(struct frame *f, struct bytes line)
{
	struct bytes rest = bytes_from(line, strlen("SSH-")), software;
	const uint8_t *dash = memchr(rest.data, '-', rest.size), *blank;
	struct bytes version = rest;

	if (dash)
		version.size = (size_t)(dash - rest.data);
	rest = bytes_from(rest, version.size + 1);
	software = rest;
	blank = rest.size ? memchr(rest.data, ' ', rest.size) : NULL;
	if (blank)
		software.size = (size_t)(blank - rest.data);
	sink_field(f->sink, FIELD_VERSION, version);
	sink_header(f->sink, bytes_of("software"), software);
	if (software.size < rest.size)
		sink_header(f->sink, bytes_of("comments"),
			    bytes_from(rest, software.size + 1));
	if (f->side == SIDE_CLIENT)
		sink_field(f->sink, FIELD_USER_AGENT, rest);
	f->ours->software_size = (uint8_t)snprintf(
		f->ours->software, SOFTWARE_SIZE, "%.*s",
		(int)(software.size < SOFTWARE_SIZE ? software.size
						    : SOFTWARE_SIZE - 1),
		software.size ? (const char *)software.data : "");
	/* Version 1 goes on in another way. */
	f->ours->state = bytes_starts_with(version, "1.") &&
					 !bytes_equal(version, bytes_of("1.99"))
				 ? AT_SECRETS
				 : AT_PACKETS;
}

static struct step
line(struct frame *f, struct bytes in)
{
	const uint8_t *newline = memchr(in.data, '\n', in.size);
	size_t size = newline ? (size_t)(newline - in.data) + 1 : 0;
	struct bytes text = bytes_first(in, size ? size - 1 : 0);

	if (!newline)
		return in.size > LINE_MAX ? step_bad() : step_more(in.size + 1);
	if (text.size && text.data[text.size - 1] == '\r')
		text.size--;
	if (size > LINE_MAX + 1 || f->ours->lines++ == LINES_MAX)
		return step_bad();
	if (judge(text) != VERDICT_YES)
		return f->side == SIDE_SERVER ? step_done(size) : step_bad();
	begin(f);
	say_version(f, text);
	sink_wire(f->sink, size);
	if (f->ours->state == AT_SECRETS)
		end(f, size);
	return step_done(size);
}

/* Offers. */

static void
keep_offer(struct frame *f, struct bytes payload)
{
	struct ssh_side *ours = f->ours;

	if (ours->offer || !sink_keep(f->sink, payload.size))
		return;
	ours->offer = alloc_zero(1, payload.size);
	memcpy(ours->offer, payload.data, payload.size);
	ours->offer_size = payload.size;
}

static void
say_offer(struct frame *f, struct bytes payload)
{
	bool client = f->side == SIDE_CLIENT;
	struct ssh_offer offer;
	char hassh[SSH_HASSH_SIZE];

	if (!ssh_offer_read(payload, &offer)) {
		sink_incomplete(f->sink);
		return;
	}
	for (int i = 0; i < SSH_LISTS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "offered-%s", ssh_list_names[i]);
		sink_header(f->sink, bytes_of(name), offer.lists[i]);
	}
	ssh_hassh(&offer, client, hassh);
	sink_header(f->sink, bytes_of(client ? "hassh" : "hassh-server"),
		    bytes_of(hassh));
	keep_offer(f, payload);
}

static void
say_missing(struct frame *f, enum ssh_list list)
{
	char text[96];

	snprintf(text, sizeof(text), "no common algorithm: %s",
		 ssh_list_names[list]);
	sink_field(f->sink, FIELD_ERROR, bytes_of(text));
	sink_flags(f->sink, MESSAGE_IS_ERROR);
}

static void
say_chosen(struct frame *f, const struct ssh_offer offers[2])
{
	struct bytes chosen[SSH_LISTS];
	const struct ssh_side *sides = f->conn->sides;
	bool missing = false;
	char text[TEXT_SIZE];

	for (int i = 0; i < SSH_LISTS; i++) {
		chosen[i] = ssh_choose(&offers[SIDE_CLIENT],
				       &offers[SIDE_SERVER], (enum ssh_list)i);
		if ((i == SSH_MAC_UP || i == SSH_MAC_DOWN) &&
		    ssh_is_authenticated(chosen[i - 2]))
			chosen[i] = bytes_of("implicit");
		if (!chosen[i].size && !missing)
			say_missing(f, (enum ssh_list)i);
		missing |= !chosen[i].size;
		if (chosen[i].size)
			sink_header(f->sink, bytes_of(ssh_list_names[i]),
				    chosen[i]);
	}
	f->conn->group_exchange = bytes_starts_with(
		chosen[SSH_KEX], "diffie-hellman-group-exchange");
	if (missing)
		return;
	snprintf(text, sizeof(text), "%s to %s, %.*s, %.*s",
		 sides[SIDE_CLIENT].software, sides[SIDE_SERVER].software,
		 (int)bytes_first(chosen[SSH_KEX], SHOWN).size,
		 (const char *)chosen[SSH_KEX].data,
		 (int)bytes_first(chosen[SSH_CIPHER_UP], SHOWN).size,
		 (const char *)chosen[SSH_CIPHER_UP].data);
	sink_field(f->sink, FIELD_SUMMARY, bytes_of(text));
}

/* What follows from both offers, in the server's message: it knows them both
 * when it says anything else. */
static void
tell_chosen(struct frame *f)
{
	struct ssh_offer offers[2];

	if (f->conn->told)
		return;
	f->conn->told = true;
	for (int side = 0; side < 2; side++) {
		const struct ssh_side *s = &f->conn->sides[side];

		if (!s->offer ||
		    !ssh_offer_read(bytes_make(s->offer, s->offer_size),
				    &offers[side]))
			return;
	}
	say_chosen(f, offers);
}

/* Packets. */

/* "SHA256:…" of the server's public key, as ssh shows it. */
static void
say_host_key(struct frame *f, struct bytes payload)
{
	struct reader r = reader_make(payload);
	uint32_t size = reader_be32(&r);
	struct bytes key = reader_take(&r, size);
	char hex[HASH_SHA256_HEX], text[64] = "SHA256:";
	uint8_t digest[HASH_SHA256_SIZE];
	size_t at = strlen(text);

	if (r.failed || !key.size)
		return;
	hash_sha256(key, hex);
	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(text_hex_digit((uint8_t)hex[2 * i]) << 4 |
				      text_hex_digit((uint8_t)hex[2 * i + 1]));
	for (size_t i = 0; i < sizeof(digest); i += 3, at += 4)
		text_base64(bytes_first(bytes_make(digest + i,
						   sizeof(digest) - i), 3),
			    text + at);
	while (text[at - 1] == '=')
		at--;
	sink_header(f->sink, bytes_of("host-key-fingerprint"),
		    bytes_make(text, at));
	r = reader_make(key);
	size = reader_be32(&r);
	sink_header(f->sink, bytes_of("host-key-type"), reader_take(&r, size));
}

static void
say_disconnect(struct frame *f, struct bytes payload)
{
	struct reader r = reader_make(payload);
	uint32_t code = reader_be32(&r), size = reader_be32(&r);
	struct bytes text = reader_take(&r, size);

	if (r.failed || code > INT32_MAX)
		return;
	sink_status(f->sink, (int32_t)code);
	sink_field(f->sink, FIELD_ERROR,
		   text.size ? text : bytes_of("disconnected"));
	sink_flags(f->sink, MESSAGE_IS_ERROR);
}

static void
take_packet(struct frame *f, uint8_t type, struct bytes payload, size_t size)
{
	uint8_t reply;

	if (!select_half(f))
		return;
	sink_wire(f->sink, size);
	if (f->side == SIDE_SERVER && type != MESSAGE_KEXINIT)
		tell_chosen(f);
	reply = f->conn->group_exchange ? MESSAGE_GROUP_REPLY
					: MESSAGE_KEX_REPLY;
	if (type == MESSAGE_KEXINIT)
		say_offer(f, payload);
	else if (type == MESSAGE_DISCONNECT)
		say_disconnect(f, payload);
	else if (f->side == SIDE_SERVER && type == reply)
		say_host_key(f, payload);
	if (type == MESSAGE_NEWKEYS && f->side == SIDE_SERVER)
		sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	if (type == MESSAGE_NEWKEYS || type == MESSAGE_DISCONNECT)
		end(f, size);
}

static struct step
packet(struct frame *f, struct bytes in)
{
	struct reader r = reader_make(in);
	uint32_t size = reader_be32(&r);
	uint8_t padding = reader_u8(&r), type = reader_u8(&r);
	struct bytes payload;

	if (r.failed)
		return step_more(6);
	if (size > PACKET_MAX || size + 4 < PACKET_MIN || padding < 4 ||
	    size < padding + 2u)
		return step_bad();
	if (in.size < size + 4u)
		return step_more(size + 4u);
	payload = bytes_make(in.data + 6, size - padding - 2);
	take_packet(f, type, payload, size + 4u);
	return step_done(size + 4u);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct ssh_conn *conn = state;
	struct frame f = { .conn = conn, .ours = &conn->sides[side],
			   .sink = sink, .side = side };

	if (!in.size)
		return step_more(1);
	if (f.ours->state == AT_LINES)
		return line(&f, in);
	if (f.ours->state == AT_PACKETS)
		return packet(&f, in);
	return step_skip(UINT64_MAX);
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct ssh_conn *conn = state;
	struct frame f = { .conn = conn, .ours = &conn->sides[side],
			   .sink = sink, .side = side };

	(void)pending;
	(void)missing;
	if (f.ours->state == AT_SECRETS)
		return true;
	if (select_half(&f)) {
		if (side == SIDE_SERVER)
			tell_chosen(&f);
		sink_incomplete(sink);
	}
	end(&f, 0);
	return true;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	struct ssh_conn *conn = state;
	struct frame f = { .conn = conn, .ours = &conn->sides[side],
			   .sink = sink, .side = side };

	(void)pending;
	if (f.ours->state == AT_SECRETS || !select_half(&f))
		return;
	if (side == SIDE_SERVER)
		tell_chosen(&f);
	if (!clean)
		sink_incomplete(sink);
	end(&f, 0);
}

static void
release(void *state, struct sink *sink)
{
	struct ssh_conn *conn = state;

	(void)sink;
	free(conn->sides[SIDE_CLIENT].offer);
	free(conn->sides[SIDE_SERVER].offer);
}

static const uint16_t ports[] = { 22, 2222, 0 };

const struct dissector dissector_ssh = {
	.name = "ssh",
	.title = "SSH",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_CHANNEL,
	.conn_size = sizeof(struct ssh_conn),
	.channel_size = 1,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.finish = finish,
	.release = release,
};
