/* SPDX-License-Identifier: Apache-2.0 */
/* A call for each connection: from the ClientHello to the end of the handshake,
 * as far as that can be seen. */
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "dissect/proto/attribute.h"
#include "dissect/proto/quic_parts.h"
#include "dissect/tls/alert.h"

#define TEXT_MAX 1024
#define REASON_SHOWN 255
/* Errors of TLS are these and the number of the alert (RFC 9001 §4.8). */
#define CRYPTO_ERROR 0x100

static void
put_id(struct quic_feed *f, const char *name, const struct quic_id *id)
{
	struct buf text;

	if (!id->size)
		return;
	buf_init(&text, TEXT_MAX);
	attribute_put_hex(&text, bytes_make(id->data, id->size), '\0');
	sink_header(f->sink, bytes_of(name), buf_view(&text));
	buf_free(&text);
}

static void
put_version(struct quic_feed *f, enum field field, const char *before)
{
	char name[QUIC_VERSION_TEXT], text[2 * QUIC_VERSION_TEXT];

	snprintf(text, sizeof(text), "%s%s", before,
		 quic_version_name(f->session->number, name));
	sink_field(f->sink, field, bytes_of(text));
}

/* "QUIC 1 example.org: the server …" */
static void
put_failed(struct quic_feed *f, struct bytes error)
{
	const struct handshake_text *name = &f->session->handshake.name;
	char version[QUIC_VERSION_TEXT];
	struct buf line;

	buf_init(&line, TEXT_MAX);
	buf_format(&line, "QUIC %s ",
		   quic_version_name(f->session->number, version));
	buf_append(&line, name->data, name->size);
	buf_text(&line, name->size ? ": " : "");
	buf_bytes(&line, error);
	sink_field(f->sink, FIELD_SUMMARY, buf_view(&line));
	buf_free(&line);
	sink_field(f->sink, FIELD_ERROR, error);
	sink_flags(f->sink, MESSAGE_IS_ERROR);
}

/* Ends the open message, of whom speaks or, when what he says tells that it is
 * over, of the other. */
static void
end_half(struct quic_feed *f, enum side role)
{
	sink_end(f->sink, role == f->side ? f->size : 0);
	f->session->ended[role] = true;
}

/* Selects a half of the call; whether it is open. */
static bool
select_half(struct quic_feed *f, enum side role)
{
	return sink_channel(f->sink, f->session->channel, role, false) &&
	       sink_is_open(f->sink);
}

static void
begin_request(struct quic_feed *f)
{
	sink_field(f->sink, FIELD_METHOD, bytes_of("HANDSHAKE"));
	put_version(f, FIELD_VERSION, "");
	put_id(f, "connection_id.original", &f->session->original);
	put_id(f, "connection_id.client", &f->session->ends[SIDE_CLIENT]);
}

bool
quic_say_begin(struct quic_feed *f)
{
	struct quic_session *s = f->session;

	if (s->ended[f->side])
		return false;
	if (select_half(f, f->side))
		return true;
	/* A call that had to be given up is not begun again. */
	if (f->side == SIDE_SERVER &&
	    (s->answered ||
	     !sink_channel(f->sink, s->channel, SIDE_SERVER, false)))
		return false;
	sink_channel(f->sink, s->channel, f->side, true);
	sink_begin(f->sink);
	if (f->side == SIDE_CLIENT)
		begin_request(f);
	else
		s->answered = true;
	return true;
}

/* "h3", or a draft of it: "h3-29". */
static bool
is_http3(struct bytes name)
{
	return bytes_starts_with(name, "h3") &&
	       (name.size == 2 || name.data[2] == '-');
}

/* Whether nothing else is offered. */
static bool
offers_http3(struct bytes body)
{
	struct hello hello;
	struct bytes name;
	bool all;

	if (!hello_read(body, true, &hello) || !hello.alpn.size)
		return false;
	all = true;
	while (hello_next_alpn(&hello.alpn, &name))
		all &= is_http3(name);
	return all;
}

void
quic_say_client_hello(struct quic_feed *f, struct bytes body)
{
	struct quic_session *s = f->session;

	if (!select_half(f, SIDE_CLIENT))
		return;
	if (!handshake_client_hello(&s->handshake, body, f->sink)) {
		sink_field(f->sink, FIELD_ERROR,
			   bytes_of("the ClientHello is malformed"));
		sink_flags(f->sink, MESSAGE_IS_ERROR);
	}
	end_half(f, SIDE_CLIENT);
	s->is_http3 = offers_http3(body);
	if (s->handshake.asked)
		quic_session_has_hello(s, f->sink);
}

void
quic_say_server_hello(struct quic_feed *f, struct bytes body)
{
	if (select_half(f, SIDE_SERVER))
		handshake_server_hello(&f->session->handshake, body, f->sink);
}

void
quic_say_message(struct quic_feed *f, uint8_t type, struct bytes body)
{
	struct quic_session *s = f->session;
	struct handshake *h = &s->handshake;

	/* Certificates are those of TLS 1.3 when the ServerHello was seen. */
	if (type == HANDSHAKE_CERTIFICATE && !h->chosen)
		return;
	select_half(f, SIDE_SERVER);
	handshake_message(h, f->side, type, body, f->sink);
	if (type != HANDSHAKE_ENCRYPTED_EXTENSIONS || f->side != SIDE_SERVER)
		return;
	if (h->alpn.size)
		s->is_http3 = is_http3(bytes_make(h->alpn.data, h->alpn.size));
	/* What the server has refused the client sends again, or otherwise. */
	if (s->streams && h->early_offered && !h->early_accepted) {
		quic_streams_free(s->streams, f->sink);
		s->streams = NULL;
	}
}

static void
put_negotiated(struct quic_feed *f)
{
	struct quic_session *s = f->session;
	char text[QUIC_VERSION_TEXT];

	put_id(f, "connection_id.server", &s->ends[SIDE_SERVER]);
	if (s->asked != s->number)
		sink_header(f->sink, bytes_of("quic_version"),
			    bytes_of(quic_version_name(s->number, text)));
	put_version(f, FIELD_SUMMARY, "QUIC ");
}

/* The half of the client is behind, or what there is of it. */
static void
end_request(struct quic_feed *f)
{
	if (select_half(f, SIDE_CLIENT)) {
		sink_incomplete(f->sink);
		end_half(f, SIDE_CLIENT);
	}
	f->session->ended[SIDE_CLIENT] = true;
}

/* The call is over: what belongs to it is not said again. */
static void
close_call(struct quic_feed *f)
{
	end_request(f);
	f->session->ended[SIDE_SERVER] = true;
	if (sink_channel(f->sink, f->session->channel, f->side, false))
		sink_channel_close(f->sink, false);
	for (int side = 0; side < 2; side++) {
		quic_session_drop_crypto(&f->session->crypto[side], f->sink);
		if (f->session->opened)
			quic_session_drop_crypto(
				&f->session->opened->crypto[side], f->sink);
	}
}

void
quic_say_end(struct quic_feed *f)
{
	end_request(f);
	if (select_half(f, SIDE_SERVER)) {
		put_negotiated(f);
		handshake_tell(&f->session->handshake, false, f->sink);
		if (!f->session->handshake.chosen)
			sink_incomplete(f->sink);
		end_half(f, SIDE_SERVER);
	}
	close_call(f);
}

void
quic_say_versions(struct quic_feed *f, struct bytes versions)
{
	struct reader r = reader_make(versions);
	char text[QUIC_VERSION_TEXT];
	struct buf all;

	if (!quic_say_begin(f))
		return;
	buf_init(&all, TEXT_MAX);
	while (reader_left(&r) && !all.failed)
		buf_format(&all, "%s%s", all.size ? ", " : "",
			   quic_version_name(reader_be32(&r), text));
	sink_header(f->sink, bytes_of("quic_versions"), buf_view(&all));
	buf_free(&all);
	sink_field(f->sink, FIELD_STATUS_TEXT,
		   bytes_of("VERSION_NEGOTIATION"));
	put_failed(f, bytes_of("the server does not speak this version of "
			       "QUIC"));
	f->session->negotiated = true;
	end_half(f, SIDE_SERVER);
	close_call(f);
}

/* "CONNECTION_REFUSED", "CRYPTO_ERROR handshake_failure", "0x1234" */
static void
put_code(struct buf *out, uint64_t code)
{
	static const char *const names[] = {
		"NO_ERROR",
		"INTERNAL_ERROR",
		"CONNECTION_REFUSED",
		"FLOW_CONTROL_ERROR",
		"STREAM_LIMIT_ERROR",
		"STREAM_STATE_ERROR",
		"FINAL_SIZE_ERROR",
		"FRAME_ENCODING_ERROR",
		"TRANSPORT_PARAMETER_ERROR",
		"CONNECTION_ID_LIMIT_ERROR",
		"PROTOCOL_VIOLATION",
		"INVALID_TOKEN",
		"APPLICATION_ERROR",
		"CRYPTO_BUFFER_EXCEEDED",
		"KEY_UPDATE_ERROR",
		"AEAD_LIMIT_REACHED",
		"NO_VIABLE_PATH",
		"VERSION_NEGOTIATION_ERROR",
	};
	bool is_tls = code >= CRYPTO_ERROR && code <= CRYPTO_ERROR + 0xff;
	const char *name = is_tls ? alert_name((uint8_t)code) : NULL;

	if (code < sizeof(names) / sizeof(*names))
		buf_text(out, names[code]);
	else if (is_tls && name)
		buf_format(out, "CRYPTO_ERROR %s", name);
	else
		buf_format(out, "0x%" PRIx64, code);
}

/* "the server closed the connection: CONNECTION_REFUSED: …" */
static void
put_failure(const struct quic_feed *f, const struct quic_closed *closed,
	    struct buf *out)
{
	uint64_t code = closed->code;
	const char *meaning = NULL;
	char text[32];

	buf_format(out, "the %s closed the connection: ",
		   f->side == SIDE_SERVER ? "server" : "client");
	if (closed->by_application) {
		buf_text(out, http3_error_name(code, text));
	} else {
		put_code(out, code);
		if (code > CRYPTO_ERROR && code <= CRYPTO_ERROR + 0xff)
			meaning = alert_meaning((uint8_t)code);
	}
	if (meaning)
		buf_format(out, " (%s)", meaning);
	if (closed->reason.size)
		buf_text(out, ": ");
	buf_bytes(out, bytes_first(closed->reason, REASON_SHOWN));
}

/* Calls in the connection are over. */
static void
close_streams(struct quic_feed *f, const struct quic_closed *closed)
{
	uint64_t none = closed->by_application ? HTTP3_NO_ERROR : 0;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	put_failure(f, closed, &text);
	quic_streams_close(f->session->streams,
			   closed->code == none || text.failed
				   ? NULL
				   : buf_cstr(&text),
			   f->sink);
	buf_free(&text);
}

/* The handshake has failed. */
static void
fail_handshake(struct quic_feed *f, const struct quic_closed *closed)
{
	struct buf text, name;

	buf_init(&text, TEXT_MAX);
	buf_init(&name, TEXT_MAX);
	put_failure(f, closed, &text);
	put_code(&name, closed->code);
	end_request(f);
	if (select_half(f, SIDE_SERVER)) {
		put_negotiated(f);
		handshake_tell(&f->session->handshake, false, f->sink);
		if (closed->code <= INT32_MAX)
			sink_status(f->sink, (int32_t)closed->code);
		sink_field(f->sink, FIELD_STATUS_TEXT, buf_view(&name));
		put_failed(f, buf_view(&text));
		end_half(f, SIDE_SERVER);
	} else if (sink_channel(f->sink, f->session->channel, f->side,
				false)) {
		sink_fail(f->sink, buf_view(&text));
	}
	close_call(f);
	buf_free(&text);
	buf_free(&name);
}

void
quic_say_close(struct quic_feed *f, const struct quic_closed *closed)
{
	if (!f->session->ended[SIDE_SERVER] && closed->by_application)
		quic_say_end(f);
	else if (!f->session->ended[SIDE_SERVER])
		fail_handshake(f, closed);
	if (f->session->streams)
		close_streams(f, closed);
}
