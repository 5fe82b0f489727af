/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of one client: reading, writing, closing, and running out of
 * time. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/transport/http_internal.h"
#include "server/transport/tls.h"

#define KEEP_CAPACITY ((size_t)64 << 10) /* a larger buffer is given back */
#define LINGER_NS (2 * CLOCK_NS_PER_S)
#define WRITING_LIMIT ((size_t)128 << 20)
#define OPEN_AFTER_NS (4 * CLOCK_NS_PER_S)

static void
release(struct client *c)
{
	if (!c->closed || c->mcp_alive)
		return;
	http_connection_free(&c->http);
	tls_free(c->tls);
	buf_free(&c->writing);
	free(c);
}

void
client_released(struct client *c)
{
	c->mcp_alive = false;
	release(c);
}

static void
on_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;

	c->closed = true;
	release(c);
}

/* What it asked for has nobody to go to any more. */
static void
abandon(struct client *c)
{
	enum waiting waiting = c->waiting;
	struct stream *stream = c->stream;
	struct mcp_connection *mcp = c->mcp;

	c->waiting = WAITING_NOTHING;
	c->stream = NULL;
	c->mcp = NULL;
	if (c->http.handling) {
		c->http.status = c->sse ? 200 : 499;
		client_account(c);
	}
	if (c->abandon)
		c->abandon(c);
	c->abandon = NULL;
	if (waiting == WAITING_STREAM)
		stream_detach(stream);
	if (mcp)
		mcp_connection_close(mcp);
}

/* TLS: the end is ours, nobody on the way has cut anything off (RFC 8446,
 * 6.1).  A client that takes no more bytes does without it. */
static void
say_bye(struct client *c)
{
	struct buf text;
	uv_buf_t buf;

	if (!c->tls || c->busy || c->said_bye)
		return;
	c->said_bye = true;
	buf_init(&text, WRITING_LIMIT);
	if (tls_end(c->tls, &text) && text.size > 0) {
		buf = uv_buf_init((char *)text.data, (unsigned)text.size);
		uv_try_write(&c->as.stream, &buf, 1);
	}
	buf_free(&text);
}

void
client_close(struct client *c)
{
	struct http_server *s = c->server;

	if (c->closing)
		return;
	c->closing = true;
	TAILQ_REMOVE(&s->clients, c, link);
	s->client_count--;
	if (c->dirty)
		TAILQ_REMOVE(&s->dirty, c, dirty_link);
	c->dirty = false;
	if (c->is_counted)
		address_count_give(&s->addresses, c->address);
	say_bye(c);
	uv_close(&c->as.handle, on_closed);
	abandon(c);
}

void
client_touch(struct client *c)
{
	if (c->dirty || c->closing)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&c->server->dirty, c, dirty_link);
}

static void
give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->server->chunk, CLIENT_CHUNK);
}

static void
stop_reading(struct client *c)
{
	if (c->reading)
		uv_read_stop(&c->as.stream);
	c->reading = false;
}

/* Plain bytes of the client. */
static void
take(void *context, struct bytes data)
{
	struct client *c = context;

	if (c->lingering || c->ended)
		return;
	if (c->first_ns == 0)
		c->first_ns = c->server->now_ns;
	if (!http_connection_feed(&c->http, data))
		stop_reading(c);
	client_touch(c);
}

/* A client that has closed its side waits for nothing that takes time; what
 * has been answered is still written. */
static void
take_end(struct client *c)
{
	c->ended = true;
	stop_reading(c);
	if (c->http.handling || c->lingering) {
		client_close(c);
		return;
	}
	c->http.closing = true;
	client_touch(c);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;
	struct bytes data;

	c->server->now_ns = clock_monotonic_ns();
	if (n < 0) {
		take_end(c);
		return;
	}
	data = bytes_make(buf->base, (size_t)n);
	c->server->metrics.received_bytes += data.size;
	if (!c->tls) {
		take(c, data);
	} else if (!tls_feed(c->tls, data, take, c)) {
		client_close(c);
	} else {
		client_touch(c);
	}
}

static void
start_reading(struct client *c)
{
	if (c->reading || c->closing || c->ended)
		return;
	c->reading = uv_read_start(&c->as.stream, give_buffer, on_read) == 0;
	if (!c->reading)
		client_close(c);
}

static void
on_shutdown(uv_shutdown_t *request, int status)
{
	struct client *c = request->data;

	if (status < 0 && !c->closing)
		client_close(c);
}

/*
 * All has been said.  Closing at once could reset the connection and take the
 * answer from a client that is still sending: it gets time to read.
 */
static void
linger(struct client *c)
{
	if (c->lingering)
		return;
	if (c->ended) {
		client_close(c);
		return;
	}
	say_bye(c);
	c->lingering = true;
	c->since_ns = c->server->now_ns;
	c->shutdown.data = c;
	start_reading(c);
	if (!c->closing &&
	    uv_shutdown(&c->shutdown, &c->as.stream, on_shutdown) < 0)
		client_close(c);
}

static void
forget(struct buf *b)
{
	if (b->capacity > KEEP_CAPACITY)
		buf_free(b);
	else
		buf_reset(b);
}

/* Everything that was there to write has been written. */
static void
drained(struct client *c)
{
	if (c->drained)
		c->drained(c);
	if (c->closing)
		return;
	http_connection_resume(&c->http);
	if (!c->http.handling && !c->http.closing &&
	    c->http.rest.size < HTTP_REST_LIMIT / 2)
		start_reading(c);
	if (c->http.out.size > 0)
		client_touch(c);
	else if (c->http.closing && !c->http.handling)
		linger(c);
}

static void
on_written(uv_write_t *request, int status)
{
	struct client *c = request->data;

	c->busy = false;
	forget(&c->writing);
	if (status < 0) {
		if (!c->closing)
			client_close(c);
		return;
	}
	c->server->now_ns = c->moved_ns = clock_monotonic_ns();
	client_touch(c);
}

/* What goes to the kernel next; false: nothing. */
static bool
fill(struct client *c)
{
	struct buf swap = c->writing;

	if (c->tls) {
		if (!tls_seal(c->tls, &c->http.out, &c->writing)) {
			client_close(c);
			return false;
		}
		forget(&c->http.out);
	} else {
		c->writing = c->http.out;
		c->http.out = swap;
		c->http.out.limit = c->writing.limit;
	}
	return c->writing.size > 0;
}

/* The rest of what the kernel did not take at once. */
static void
write_rest(struct client *c, size_t done)
{
	uv_buf_t buf = uv_buf_init((char *)c->writing.data + done,
				   (unsigned)(c->writing.size - done));

	c->write.data = c;
	c->busy = true;
	c->moved_ns = c->server->now_ns;
	if (uv_write(&c->write, &c->as.stream, &buf, 1, on_written) != 0) {
		c->busy = false;
		client_close(c);
	}
}

/* False when not everything could be written now. */
static bool
write_some(struct client *c)
{
	uv_buf_t buf = uv_buf_init((char *)c->writing.data,
				   (unsigned)c->writing.size);
	int n = uv_try_write(&c->as.stream, &buf, 1);

	c->server->metrics.sent_bytes += c->writing.size;
	if (n < 0 && n != UV_EAGAIN) {
		client_close(c);
		return false;
	}
	if (n == (int)c->writing.size) {
		forget(&c->writing);
		c->moved_ns = c->server->now_ns;
		return true;
	}
	write_rest(c, n > 0 ? (size_t)n : 0);
	return false;
}

void
client_flush(struct client *c)
{
	if (c->busy || c->closing)
		return;
	while (fill(c))
		if (!write_some(c))
			return;
	if (!c->closing)
		drained(c);
}

static void
set_peer(struct client *c)
{
	struct sockaddr_storage address;
	int size = sizeof(address);

	if (c->server->is_unix) {
		memcpy(c->peer, "unix", 5);
		return;
	}
	if (uv_tcp_getpeername(&c->as.tcp, (struct sockaddr *)&address,
			       &size) != 0 ||
	    uv_ip_name((struct sockaddr *)&address, c->peer,
		       sizeof(c->peer)) != 0)
		memcpy(c->peer, "?", 2);
	else
		address_count_key((struct sockaddr *)&address, c->address);
}

static int
init_handle(struct client *c)
{
	struct http_server *s = c->server;
	int rc;

	if (s->is_unix)
		return uv_pipe_init(s->loop, &c->as.pipe, 0);
	rc = uv_tcp_init(s->loop, &c->as.tcp);
	return rc;
}

/* Too many: it is told so and let go. */
static void
turn_away(struct client *c)
{
	static char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
			     "Content-Length: 0\r\nRetry-After: 1\r\n"
			     "Connection: close\r\n\r\n";
	uv_buf_t buf = uv_buf_init(text, sizeof(text) - 1);

	c->server->metrics.refused_connections++;
	if (!c->server->tls)
		uv_try_write(&c->as.stream, &buf, 1);
	client_close(c);
}

void
client_accept(struct http_server *s)
{
	struct client *c = alloc_zero(1, sizeof(*c));

	c->server = s;
	s->now_ns = c->since_ns = clock_monotonic_ns();
	http_connection_init(&c->http, &s->parser_limits, &http_routes, c);
	c->http.date = s->date;
	buf_init(&c->writing, WRITING_LIMIT);
	if (init_handle(c) != 0) {
		c->closed = true;
		release(c);
		return;
	}
	c->as.handle.data = c;
	TAILQ_INSERT_TAIL(&s->clients, c, link);
	s->client_count++;
	s->metrics.connections++;
	if (uv_accept(&s->listener.stream, &c->as.stream) != 0) {
		client_close(c);
		return;
	}
	set_peer(c);
	c->is_counted = !s->is_unix &&
			address_count_take(&s->addresses, c->address);
	if (s->client_count > s->limits.connections ||
	    (!s->is_unix && !c->is_counted)) {
		turn_away(c);
		return;
	}
	if (!s->is_unix)
		uv_tcp_nodelay(&c->as.tcp, 1);
	if (s->tls)
		c->tls = tls_new(s->tls);
	start_reading(c);
}

static bool
has_passed(const struct client *c, int64_t since_ns, uint32_t seconds)
{
	return c->server->now_ns - since_ns >
	       (int64_t)seconds * CLOCK_NS_PER_S;
}

/* A request that does not arrive in time: 408 (RFC 9110, 15.5.9). */
static void
time_out(struct client *c)
{
	struct http_connection *h = &c->http;

	c->server->metrics.timeouts++;
	if (h->out.size > 0 || c->busy) {
		client_close(c);
		return;
	}
	h->parser.status = 408;
	h->handling = h->closing = true;
	http_respond(h, &(struct http_answer){
				.status = 408,
				.type = "text/plain",
				.body = bytes_of("the request took too long"),
			});
	client_touch(c);
}

static void
check_arrival(struct client *c)
{
	const struct http_limits *limits = &c->server->limits;

	if (c->first_ns == 0) {
		if (has_passed(c, c->since_ns, limits->idle_s))
			client_close(c);
	} else if (has_passed(c, c->first_ns, c->http.parser.in_body ?
						      limits->body_s :
						      limits->head_s)) {
		time_out(c);
	}
}

/* The answer takes long: what keeps a stream open keeps proxies quiet, and a
 * client that has gone is noticed. */
static void
open_late(struct client *c)
{
	if (c->sse || !c->may_stream ||
	    c->server->now_ns - c->began_ns < OPEN_AFTER_NS)
		return;
	if (c->waiting == WAITING_STREAM)
		stream_open(c->stream);
	else if (c->waiting == WAITING_MODERN)
		mcp_modern_open(c);
}

void
client_check_time(struct client *c)
{
	const struct http_limits *limits = &c->server->limits;

	if (c->busy && has_passed(c, c->moved_ns, limits->stalled_s)) {
		c->server->metrics.slow_readers++;
		client_close(c);
	} else if (c->lingering) {
		if (c->server->now_ns - c->since_ns > LINGER_NS)
			client_close(c);
	} else if (!c->http.handling) {
		if (!c->busy)
			check_arrival(c);
	} else {
		open_late(c);
		client_keep_alive(c);
	}
}
