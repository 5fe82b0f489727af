/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/handshake.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/reader.h"
#include "dissect/sink_inner.h"
#include "dissect/tls/alert.h"
#include "dissect/tls/certificate.h"
#include "dissect/tls/fingerprint.h"

#define LIST_TEXT_MAX 4096
#define CHAIN_MAX 10

static void
set_text(struct handshake_text *text, struct bytes in)
{
	in = bytes_first(in, sizeof(text->data));
	if (in.size)
		memcpy(text->data, in.data, in.size);
	text->size = (uint8_t)in.size;
}

static struct bytes
text_of(const struct handshake_text *text)
{
	return bytes_make(text->data, text->size);
}

static void
header(struct sink *sink, const char *name, struct bytes value)
{
	if (value.size)
		sink_header(sink, bytes_of(name), value);
}

static void
header_text(struct sink *sink, const char *name, const char *value)
{
	header(sink, name, bytes_of(value));
}

/* "h2, http/1.1" */
static void
put_alpn(struct buf *out, struct bytes list)
{
	struct bytes name;

	while (hello_next_alpn(&list, &name)) {
		if (out->size)
			buf_text(out, ", ");
		buf_bytes(out, name);
	}
}

static void
put_versions(struct buf *out, const struct hello *hello)
{
	char text[SUITE_NAME_SIZE];
	struct bytes rest = hello->versions;
	uint16_t version;

	if (!rest.size)
		buf_text(out, suite_version_name(hello->version, text));
	while (hello_next_number(&rest, &version)) {
		if (hello_is_grease(version))
			continue;
		if (out->size)
			buf_text(out, ", ");
		buf_text(out, suite_version_name(version, text));
	}
}

static void
put_suites(struct buf *out, struct bytes list)
{
	char text[SUITE_NAME_SIZE];
	uint16_t suite;

	while (!out->failed && hello_next_number(&list, &suite)) {
		if (hello_is_grease(suite))
			continue;
		buf_format(out, "%s%s", out->size ? ", " : "",
			   suite_name(suite, text));
	}
}

static void
describe_client(const struct hello *hello, struct sink *sink)
{
	char ja3[FINGERPRINT_JA3_SIZE], ja4[FINGERPRINT_JA4_SIZE];
	struct buf text;

	sink_field(sink, FIELD_METHOD, bytes_of("HANDSHAKE"));
	sink_field(sink, FIELD_HOST, hello->name);
	header(sink, "server_name", hello->name);
	buf_init(&text, LIST_TEXT_MAX);
	put_versions(&text, hello);
	header(sink, "versions", buf_view(&text));
	buf_reset(&text);
	put_alpn(&text, hello->alpn);
	header(sink, "alpn", buf_view(&text));
	buf_reset(&text);
	put_suites(&text, hello->suites);
	header(sink, "ciphers", buf_view(&text));
	buf_free(&text);
	fingerprint_ja3(hello, ja3);
	fingerprint_ja4(hello, sink_transport(sink) == TRANSPORT_UDP ? 'q' : 't',
			ja4);
	header_text(sink, "ja3", ja3);
	header_text(sink, "ja4", ja4);
	if (hello->has_early_data)
		header_text(sink, "early_data", "offered");
}

bool
handshake_client_hello(struct handshake *h, struct bytes body,
		       struct sink *sink)
{
	struct hello hello;

	if (!hello_read(body, true, &hello))
		return false;
	*h = (struct handshake){ .asked = true };
	h->early_offered = hello.has_early_data;
	h->ticket = hello.ticket.size > 0;
	h->encrypt_then_mac = hello.encrypt_then_mac;
	memcpy(h->client_random, hello.random.data, KEY_RANDOM_SIZE);
	set_text(&h->name, hello.name);
	describe_client(&hello, sink);
	sink_context(sink)->coverage->tls_handshakes++;
	return true;
}

static void
describe_server(struct handshake *h, const struct hello *hello,
		struct sink *sink)
{
	char ja3s[FINGERPRINT_JA3_SIZE], text[SUITE_NAME_SIZE];

	sink_field(sink, FIELD_VERSION,
		   bytes_of(suite_version_name(h->version, text)));
	header_text(sink, "version", suite_version_name(h->version, text));
	header_text(sink, "cipher", suite_name(h->suite, text));
	fingerprint_ja3(hello, ja3s);
	header_text(sink, "ja3s", ja3s);
}

bool
handshake_server_hello(struct handshake *h, struct bytes body,
		       struct sink *sink)
{
	struct hello hello;
	struct bytes alpn;

	if (!hello_read(body, false, &hello))
		return false;
	if (hello.retry) {
		h->retried = true;
		h->early_offered = false;
		header_text(sink, "retry", "HelloRetryRequest");
		return true;
	}
	h->chosen = true;
	h->version = hello.version;
	h->suite = hello.suite;
	h->psk = hello.has_psk;
	h->encrypt_then_mac = hello.encrypt_then_mac;
	h->extended_master = hello.extended_master;
	memcpy(h->server_random, hello.random.data, KEY_RANDOM_SIZE);
	describe_server(h, &hello, sink);
	if (hello_next_alpn(&hello.alpn, &alpn))
		set_text(&h->alpn, alpn);
	return true;
}

/* Messages that only the server sends in the clear, or that are decrypted. */

static void
read_encrypted_extensions(struct handshake *h, struct bytes body)
{
	struct reader r = reader_make(body);
	struct bytes rest = reader_take(&r, reader_be16(&r)), content, alpn;
	uint16_t type;

	while (hello_next_extension(&rest, &type, &content)) {
		struct bytes list = bytes_from(content, 2);

		if (type == 42)
			h->early_accepted = true;
		if (type == 16 && hello_next_alpn(&list, &alpn))
			set_text(&h->alpn, alpn);
	}
}

static void
describe_certificate(const struct certificate *c, struct sink *sink)
{
	header(sink, "certificate.subject", buf_view(&c->subject));
	header(sink, "certificate.issuer", buf_view(&c->issuer));
	header(sink, "certificate.names", buf_view(&c->names));
	header_text(sink, "certificate.not_before", c->not_before);
	header_text(sink, "certificate.not_after", c->not_after);
	header(sink, "certificate.serial", buf_view(&c->serial));
	header_text(sink, "certificate.sha256", c->fingerprint);
}

static uint32_t
read_be24(struct reader *r)
{
	uint32_t high = reader_u8(r);

	return high << 16 | reader_be16(r);
}

/* One of the chain; the first is the peer's own. */
static void
read_one(struct handshake *h, enum side side, struct bytes der,
	 unsigned number, struct sink *sink)
{
	struct certificate c;

	if (!certificate_read(der, &c))
		return;
	if (side == SIDE_CLIENT && number == 0)
		set_text(&h->client_certificate, buf_view(&c.subject));
	else if (side == SIDE_SERVER && number == 0)
		describe_certificate(&c, sink);
	else if (side == SIDE_SERVER)
		header(sink, "certificate.chain", buf_view(&c.subject));
	certificate_free(&c);
}

/* A list of certificates (RFC 5246 §7.4.2); TLS 1.3 has a context before it
 * and extensions behind each (RFC 8446 §4.4.2). */
static void
read_certificates(struct handshake *h, enum side side, struct bytes body,
		  struct sink *sink)
{
	bool tls13 = h->version == TLS_VERSION_13;
	struct reader r = reader_make(body);
	unsigned number = 0;
	struct bytes list;

	if (side == SIDE_SERVER && !sink_is_open(sink))
		return;
	if (tls13)
		reader_skip(&r, reader_u8(&r));
	list = reader_take(&r, read_be24(&r));
	r = reader_make(list);
	while (reader_left(&r) && number < CHAIN_MAX) {
		struct bytes der = reader_take(&r, read_be24(&r));

		read_one(h, side, der, number++, sink);
		if (tls13)
			reader_skip(&r, reader_be16(&r));
	}
}

void
handshake_message(struct handshake *h, enum side side, uint8_t type,
		  struct bytes body, struct sink *sink)
{
	switch (type) {
	case HANDSHAKE_ENCRYPTED_EXTENSIONS:
		if (side == SIDE_SERVER)
			read_encrypted_extensions(h, body);
		break;
	case HANDSHAKE_CERTIFICATE:
		h->full = true;
		read_certificates(h, side, body, sink);
		break;
	case HANDSHAKE_SERVER_KEY_EXCHANGE:
	case HANDSHAKE_SERVER_HELLO_DONE:
		h->full = true;
		break;
	default:
		break;
	}
}

void
handshake_alert(struct handshake *h, enum side side, uint8_t code, bool hidden)
{
	if (h->failed || h->over)
		return;
	h->failed = true;
	h->alert_hidden = hidden;
	h->alert_side = (uint8_t)side;
	h->alert = code;
}

bool
handshake_is_done(const struct handshake *h)
{
	if (!h->chosen || h->failed || !h->sent[SIDE_CLIENT])
		return false;
	return h->version == TLS_VERSION_13 || h->sent[SIDE_SERVER];
}

static void
put_failure(const struct handshake *h, struct buf *out)
{
	const char *name = alert_name(h->alert);
	const char *meaning = alert_meaning(h->alert);

	buf_format(out, h->alert_side == SIDE_SERVER
				? "the server refused the handshake"
				: "the client broke the handshake off");
	if (h->alert_hidden) {
		buf_text(out, " by an encrypted alert");
		return;
	}
	if (name)
		buf_format(out, ": %s", name);
	else
		buf_format(out, ": alert %u", h->alert);
	if (meaning)
		buf_format(out, " (%s)", meaning);
}

static const char *
resumption(const struct handshake *h)
{
	if (h->version == TLS_VERSION_13)
		return h->psk ? "psk" : NULL;
	if (h->full || !h->sent[SIDE_SERVER])
		return NULL;
	return h->ticket ? "ticket" : "session id";
}

void
handshake_label(const struct handshake *h, const struct suite *suite,
		struct buf *out)
{
	char text[2][SUITE_NAME_SIZE];
	uint16_t version = h->chosen ? h->version : TLS_VERSION_13;

	buf_format(out, "%s %s ", suite_version_name(version, text[0]),
		   suite ? suite->name : suite_name(h->suite, text[1]));
	buf_append(out, h->name.data, h->name.size);
}

/* How it ended, in fields. */
static void
put_outcome(struct handshake *h, bool closed, struct sink *sink)
{
	const char *name = alert_name(h->alert);
	struct buf text;

	buf_init(&text, LIST_TEXT_MAX);
	if (h->failed) {
		if (!h->alert_hidden) {
			sink_status(sink, h->alert);
			sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name));
		}
		put_failure(h, &text);
	} else if (handshake_is_done(h)) {
		sink_status(sink, 0);
		sink_field(sink, FIELD_STATUS_TEXT, bytes_of("established"));
	} else if (closed) {
		buf_text(&text, "the connection was closed before the "
				"handshake was done");
	}
	if (text.size) {
		sink_flags(sink, MESSAGE_IS_ERROR);
		sink_field(sink, FIELD_ERROR, buf_view(&text));
	}
	buf_free(&text);
}

static void
put_summary(const struct handshake *h, struct sink *sink)
{
	char text[SUITE_NAME_SIZE];
	struct bytes begin;
	struct buf line;
	size_t start;

	buf_init(&line, LIST_TEXT_MAX);
	begin = sink_value(sink, FIELD_SUMMARY);
	buf_bytes(&line, begin.size ? begin : bytes_of("HANDSHAKE"));
	buf_text(&line, " ");
	start = line.size;
	buf_append(&line, h->name.data, h->name.size);
	if (h->name.size)
		buf_text(&line, " ");
	if (h->chosen) {
		buf_format(&line, "TLS %s ",
			   suite_version_name(h->version, text));
		buf_text(&line, suite_name(h->suite, text));
	}
	if (h->alpn.size) {
		buf_text(&line, h->chosen ? " " : "");
		buf_append(&line, h->alpn.data, h->alpn.size);
	}
	if (resumption(h))
		buf_text(&line, " resumed");
	if (h->failed) {
		buf_text(&line, line.size > start ? ": " : "");
		put_failure(h, &line);
	}
	sink_field(sink, FIELD_SUMMARY, bytes_trim(buf_view(&line)));
	buf_free(&line);
}

static void
put_session(const struct handshake *h, struct sink *sink)
{
	struct buf label;

	header(sink, "alpn", text_of(&h->alpn));
	if (resumption(h))
		header_text(sink, "resumed", resumption(h));
	if (h->extended_master)
		header_text(sink, "extended_master", "yes");
	if (h->early_offered)
		header_text(sink, "early_data",
			    h->early_accepted ? "accepted" : NULL);
	header(sink, "client_certificate.subject",
	       text_of(&h->client_certificate));
	buf_init(&label, INNER_LABEL_MAX);
	handshake_label(h, NULL, &label);
	sink_field(sink, FIELD_TLS, buf_view(&label));
	buf_free(&label);
}

void
handshake_tell(struct handshake *h, bool closed, struct sink *sink)
{
	if (h->chosen)
		put_session(h, sink);
	put_outcome(h, closed, sink);
	put_summary(h, sink);
	if (handshake_is_done(h) && !h->opened) {
		sink_flags(sink, MESSAGE_WITHOUT_KEYS);
		sink_context(sink)->coverage->tls_unread++;
		header_text(sink, "keys", "none");
	}
	h->over = true;
}

void
handshake_end(struct handshake *h, bool closed, size_t consumed,
	      struct sink *sink)
{
	handshake_tell(h, closed, sink);
	sink_end(sink, consumed);
}
