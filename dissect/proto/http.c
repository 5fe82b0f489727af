/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112).  Heads are read when they are
 * whole; bodies are passed by the stream.  See http.md.
 */
#include "base/buf.h"
#include "base/text.h"
#include "dissect/proto/http_head.h"
#include "dissect/registry.h"

#define CHUNK_LINE_LIMIT 4096
/* Bytes that a WebSocket is given of each text of its handshake. */
#define WEBSOCKET_SETTING 320

enum http_state {
	HTTP_HEAD,       /* between messages, or inside a head */
	HTTP_UNSURE,     /* behind a head that announces `left` bytes of body, when
			  * the request may have been HEAD */
	HTTP_LENGTH,     /* `left` bytes of body follow */
	HTTP_PASSED,     /* the body has passed */
	HTTP_CHUNK,      /* a chunk-size line follows, behind the CRLF of the
			  * chunk before unless `first` */
	HTTP_CHUNK_DATA, /* `left` bytes of chunk follow */
	HTTP_TRAILERS,
	HTTP_TO_END,     /* the body runs to the end of the connection */
	HTTP_WAIT,       /* behind CONNECT: what follows is up to the server */
};

struct http_side {
	enum http_state state;
	bool first;
	bool unsure;     /* the request is not known: it may have been HEAD */
	uint32_t scanned;
	uint64_t left;
};

struct http_conn {
	struct http_side sides[2];
};

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct http_start start;
	enum verdict verdict = VERDICT_MAYBE;

	(void)transport;
	if (client.size)
		verdict = http_start_line(client, true, &start);
	if (verdict == VERDICT_MAYBE && server.size)
		verdict = http_start_line(server, false, &start);
	return verdict;
}

/* Heads. */

/* Splits the request target (RFC 9112 §3.2); true when it names the host. */
static bool
emit_target(struct bytes method, struct bytes target, struct sink *sink)
{
	struct bytes path = target;
	const uint8_t *mark;
	bool absolute = false;

	if (bytes_equal(method, bytes_of("CONNECT"))) {
		sink_field(sink, FIELD_HOST, target);
		return true;
	}
	if (target.size && target.data[0] != '/') {
		static const char *const schemes[] = { "http://", "https://" };

		for (int i = 0; i < 2; i++)
			if (bytes_equal_nocase(
				    bytes_first(target, strlen(schemes[i])),
				    bytes_of(schemes[i]))) {
				path = bytes_from(target, strlen(schemes[i]));
				absolute = true;
				break;
			}
	}
	if (absolute) {
		size_t size = 0;

		while (size < path.size && path.data[size] != '/' &&
		       path.data[size] != '?')
			size++;
		sink_field(sink, FIELD_HOST, bytes_first(path, size));
		path = bytes_from(path, size);
	}
	mark = path.size ? memchr(path.data, '?', path.size) : NULL;
	if (mark) {
		size_t size = (size_t)(mark - path.data);

		sink_field(sink, FIELD_QUERY, bytes_from(path, size + 1));
		path.size = size;
	}
	sink_field(sink, FIELD_PATH,
		   path.size || !absolute ? path : bytes_of("/"));
	return absolute;
}

static void
emit_start(const struct http_start *start, struct http_framing *framing,
	   struct sink *sink)
{
	sink_field(sink, FIELD_VERSION, start->version);
	if (start->status < 0) {
		sink_field(sink, FIELD_METHOD, start->method);
		framing->has_host =
			emit_target(start->method, start->target, sink);
		return;
	}
	sink_status(sink, start->status);
	sink_field(sink, FIELD_STATUS_TEXT, start->reason);
	if (start->status >= 400)
		sink_flags(sink, MESSAGE_IS_ERROR);
	if (start->status < 200 && start->status != 101)
		sink_flags(sink, MESSAGE_INFORMATIONAL);
}

/* Without a body whatever the headers say (RFC 9112 §6.3, 1 and 2). */
static bool
never_has_body(const struct http_start *start, struct bytes method)
{
	return start->status >= 0 &&
	       (start->status < 200 || start->status == 204 ||
		start->status == 304 || bytes_equal(method, bytes_of("HEAD")) ||
		(start->status < 300 &&
		 bytes_equal(method, bytes_of("CONNECT"))));
}

static bool
changes_protocol(const struct http_start *start, struct bytes method)
{
	return start->status == 101 ||
	       (start->status >= 200 && start->status < 300 &&
		bytes_equal(method, bytes_of("CONNECT")));
}

static void
note_faults(const struct http_framing *f, struct sink *sink)
{
	const char *text = NULL;

	if (f->has_transfer && (f->has_length || f->bad_length))
		text = "both Content-Length and Transfer-Encoding are given";
	else if (f->bad_length)
		text = "Content-Length is invalid or contradicts itself";
	else if (f->has_transfer && !f->chunked)
		text = "Transfer-Encoding does not end in chunked";
	if (text)
		sink_field(sink, FIELD_ERROR, bytes_of(text));
}

/* What follows the head (RFC 9112 §6.3, 3 to 8). */
static enum http_state
body_state(struct http_side *side, const struct http_framing *f, bool response)
{
	if (f->has_transfer)
		return f->chunked ? HTTP_CHUNK : HTTP_TO_END;
	if (f->bad_length)
		return HTTP_TO_END;
	if (f->has_length) {
		side->left = f->length;
		return f->length ? HTTP_LENGTH : HTTP_PASSED;
	}
	return response ? HTTP_TO_END : HTTP_PASSED;
}

/* What a WebSocket is told of its handshake: what was agreed upon, and where
 * it is. */
static void
upgrade_to_websocket(const struct http_framing *framing, struct sink *sink)
{
	struct buf settings;

	buf_init(&settings, 4 * (WEBSOCKET_SETTING + 2));
	buf_string(&settings,
		   bytes_first(framing->extensions, WEBSOCKET_SETTING));
	buf_string(&settings, bytes_first(sink_request_value(sink, FIELD_HOST),
					  WEBSOCKET_SETTING));
	buf_string(&settings, bytes_first(sink_request_value(sink, FIELD_PATH),
					  WEBSOCKET_SETTING));
	buf_string(&settings,
		   bytes_first(framing->subprotocol, WEBSOCKET_SETTING));
	sink_upgrade(sink, "websocket", buf_view(&settings), 0);
	buf_free(&settings);
}

/* Says which protocol follows, where that is known. */
static void
name_next(const struct http_framing *framing, struct sink *sink)
{
	if (bytes_equal_nocase(framing->upgrade, bytes_of("h2c")))
		sink_upgrade(sink, "http2", bytes_make(NULL, 0), 1);
	else if (bytes_equal_nocase(framing->upgrade, bytes_of("websocket")))
		upgrade_to_websocket(framing, sink);
}

/* The next state behind a whole head. */
static enum http_state
state_behind(struct http_side *side, const struct http_start *start,
	     const struct http_framing *framing, struct sink *sink)
{
	struct bytes method = sink_request_method(sink);
	bool response = start->status >= 0;
	enum http_state state;

	if (response && changes_protocol(start, method))
		sink_flags(sink, MESSAGE_UPGRADE);
	/* In others Upgrade only says what there is (RFC 9110 §7.8). */
	if (start->status == 101)
		name_next(framing, sink);
	if (never_has_body(start, method))
		return HTTP_PASSED;
	if (!response && bytes_equal(start->method, bytes_of("CONNECT")))
		return HTTP_WAIT;
	note_faults(framing, sink);
	state = body_state(side, framing, response);
	side->first = true;
	side->unsure = response && !method.size;
	if (side->unsure && state == HTTP_TO_END)
		side->left = UINT64_MAX;
	if (side->unsure && state != HTTP_CHUNK && state != HTTP_PASSED)
		return HTTP_UNSURE;
	return state;
}

static struct step feed_head(struct http_conn *conn, enum side which,
			     struct bytes in, struct sink *sink);

/* Ends the message; `in` begins behind it. */
static struct step
end_message(struct http_conn *conn, enum side which, struct bytes in,
	    struct sink *sink)
{
	sink_end(sink, 0);
	conn->sides[which].state = HTTP_HEAD;
	conn->sides[which].scanned = 0;
	return in.size ? feed_head(conn, which, in, sink) : step_more(0);
}

static struct step
feed_head(struct http_conn *conn, enum side which, struct bytes in,
	  struct sink *sink)
{
	struct http_side *side = &conn->sides[which];
	struct http_framing framing = { 0 };
	struct http_lines lines; /* large: not zeroed for every head */
	struct http_start start;
	enum verdict verdict;
	size_t size = 0;

	/* Empty lines before a message are passed over (RFC 9112 §2.2). */
	while (size < in.size && (in.data[size] == '\r' ||
				  in.data[size] == '\n'))
		size++;
	if (size)
		return step_done(size);
	verdict = http_start_line(in, which == SIDE_CLIENT, &start);
	if (verdict == VERDICT_NO)
		return step_bad();
	lines.ended = false;
	if (verdict == VERDICT_YES && !side->scanned)
		http_lines_read(sink_shared(sink), bytes_from(in, start.size),
				&lines);
	if (lines.ended)
		size = start.size + lines.size;
	else if (verdict == VERDICT_YES)
		size = http_section_size(in, &side->scanned);
	if (!size)
		return step_more(in.size + 1);
	sink_begin(sink);
	emit_start(&start, &framing, sink);
	if (lines.ended)
		http_lines_take(&lines, &framing, sink);
	else
		http_fields(bytes_from(bytes_first(in, size), start.size),
			    &framing, sink);
	side->scanned = 0;
	side->state = state_behind(side, &start, &framing, sink);
	if (start.status >= 200 &&
	    conn->sides[SIDE_CLIENT].state == HTTP_WAIT)
		conn->sides[SIDE_CLIENT].state = HTTP_HEAD;
	if (side->state == HTTP_PASSED || side->state == HTTP_WAIT)
		sink_end(sink, size);
	if (side->state == HTTP_PASSED)
		side->state = HTTP_HEAD;
	return step_done(size);
}

/* Bodies. */

static struct step
feed_unsure(struct http_conn *conn, enum side which, struct bytes in,
	    struct sink *sink)
{
	static const char next[] = "HTTP/1.";
	struct http_side *side = &conn->sides[which];
	size_t enough = sizeof(next) - 1;

	if (side->left < enough)
		enough = (size_t)side->left;
	if (bytes_starts_with(in, next))
		return end_message(conn, which, in, sink);
	if (in.size < enough &&
	    memcmp(in.data ? (const char *)in.data : "", next, in.size) == 0)
		return step_more(enough);
	side->state = side->left == UINT64_MAX ? HTTP_TO_END : HTTP_PASSED;
	return step_skip(side->left);
}

/* chunk-size and what may follow it on the line (RFC 9112 §7.1). */
static bool
chunk_size(struct bytes line, uint64_t *size)
{
	size_t i = 0;

	*size = 0;
	while (i < line.size && text_hex_digit(line.data[i]) >= 0) {
		if (*size >> 59)
			return false;
		*size = *size << 4 | (uint64_t)text_hex_digit(line.data[i++]);
	}
	return i > 0 && (i == line.size || line.data[i] == ';' ||
			 line.data[i] == ' ' || line.data[i] == '\t' ||
			 line.data[i] == '\r');
}

static struct step
feed_chunk(struct http_conn *conn, enum side which, struct bytes in,
	   struct sink *sink)
{
	struct http_side *side = &conn->sides[which];
	struct step more = { STEP_MORE, in.size + 1 };
	const uint8_t *newline;
	struct bytes line;
	size_t skip = 0;

	if (side->first && side->unsure && in.size && in.data[0] == 'H')
		return end_message(conn, which, in, sink);
	if (!side->first) {
		skip = in.size && in.data[0] == '\r';
		if (in.size <= skip)
			return more;
		if (in.data[skip++] != '\n')
			return step_bad();
	}
	line = bytes_from(in, skip);
	if (line.size && text_hex_digit(line.data[0]) < 0)
		return step_bad();
	newline = line.size ? memchr(line.data, '\n', line.size) : NULL;
	if (!newline)
		return line.size > CHUNK_LINE_LIMIT ? step_bad() : more;
	line.size = (size_t)(newline - line.data);
	if (!chunk_size(line, &side->left))
		return step_bad();
	side->first = false;
	side->scanned = 0;
	side->state = side->left ? HTTP_CHUNK_DATA : HTTP_TRAILERS;
	return step_done(skip + line.size + 1);
}

static struct step
feed_trailers(struct http_side *side, struct bytes in, struct sink *sink)
{
	size_t size = http_section_size(in, &side->scanned);

	if (!size)
		return step_more(in.size + 1);
	http_fields(bytes_first(in, size), NULL, sink);
	sink_end(sink, size);
	side->state = HTTP_HEAD;
	side->scanned = 0;
	return step_done(size);
}

static struct step
feed(void *state, enum side which, struct bytes in, struct sink *sink)
{
	struct http_conn *conn = state;
	struct http_side *side = &conn->sides[which];

	switch (side->state) {
	case HTTP_HEAD:
		return feed_head(conn, which, in, sink);
	case HTTP_UNSURE:
		return feed_unsure(conn, which, in, sink);
	case HTTP_LENGTH:
		side->state = HTTP_PASSED;
		return step_skip(side->left);
	case HTTP_PASSED:
		return end_message(conn, which, in, sink);
	case HTTP_CHUNK:
		return feed_chunk(conn, which, in, sink);
	case HTTP_CHUNK_DATA:
		side->state = HTTP_CHUNK;
		return step_skip(side->left);
	case HTTP_TRAILERS:
		return feed_trailers(side, in, sink);
	case HTTP_TO_END:
		return step_skip(UINT64_MAX);
	case HTTP_WAIT:
		return step_more(in.size + 1);
	}
	return step_bad();
}

/* Holes and ends. */

/* The start line and the whole header lines of a head that was cut; the
 * message stays open. */
static void
emit_cut_head(enum side which, struct bytes in, struct sink *sink)
{
	struct http_framing framing = { 0 };
	struct http_start start;
	size_t end = in.size;

	while (end && in.data[end - 1] != '\n')
		end--;
	in.size = end;
	if (http_start_line(in, which == SIDE_CLIENT, &start) != VERDICT_YES)
		return;
	sink_begin(sink);
	emit_start(&start, &framing, sink);
	http_fields(bytes_from(in, start.size), &framing, sink);
}

static bool
gap(void *state, enum side which, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct http_conn *conn = state;
	struct http_side *side = &conn->sides[which];

	(void)missing;
	if (side->state == HTTP_HEAD && pending.size)
		emit_cut_head(which, pending, sink);
	*side = (struct http_side){ .state = HTTP_HEAD };
	return false;
}

static void
finish(void *state, enum side which, struct bytes pending, bool clean,
       struct sink *sink)
{
	struct http_conn *conn = state;
	struct http_side *side = &conn->sides[which];

	if (side->state == HTTP_HEAD && pending.size)
		emit_cut_head(which, pending, sink);
	else if (clean && (side->state == HTTP_TO_END ||
			   (side->state == HTTP_UNSURE && !pending.size)))
		sink_end(sink, 0);
	*side = (struct http_side){ .state = HTTP_HEAD };
}

static const uint16_t ports[] = { 80, 8080, 8000, 3000, 5000, 8888, 0 };

const struct dissector dissector_http = {
	.name = "http",
	.title = "HTTP/1.x",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct http_conn),
	.shared_size = sizeof(struct http_known),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.finish = finish,
};
