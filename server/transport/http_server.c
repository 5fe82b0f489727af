/* SPDX-License-Identifier: Apache-2.0 */
/* The listener, who may ask, and which endpoint is asked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/transport/http_internal.h"
#include "server/transport/tls.h"

#define BACKLOG 511
#define SWEEP_MS 1000
#define UNIX_PREFIX "unix:"

struct route {
	const char *path;
	enum http_endpoint endpoint;
	enum http_method method;
	void (*handle)(struct client *c, const struct http_request *r);
};

static const struct route routes[] = {
	{ "/mcp", ENDPOINT_MCP, METHOD_POST, mcp_post },
	{ "/mcp", ENDPOINT_MCP, METHOD_GET, mcp_get },
	{ "/mcp", ENDPOINT_MCP, METHOD_DELETE, mcp_delete },
	{ "/sse", ENDPOINT_OLD_SSE, METHOD_GET, old_sse_get },
	{ "/messages", ENDPOINT_OLD_MESSAGES, METHOD_POST, old_messages_post },
	{ "/healthz", ENDPOINT_HEALTH, METHOD_GET, health_get },
	{ "/healthz", ENDPOINT_HEALTH, METHOD_HEAD, health_get },
	{ "/metrics", ENDPOINT_METRICS, METHOD_GET, metrics_get },
};

struct mcp_caller
client_caller(const struct client *c, const char *db)
{
	static const enum tool_effects may[] = {
		[ROLE_VIEWER] = TOOL_READS,
		[ROLE_OPERATOR] = TOOL_WRITES,
		[ROLE_ADMIN] = TOOL_CONTROLS,
	};

	return (struct mcp_caller){
		.default_db = db,
		.may = may[c->role],
		.may_reveal = c->role == ROLE_ADMIN,
		.principal = c->principal[0] ? c->principal : NULL,
	};
}

static void
not_allowed(struct client *c, const char *path)
{
	struct buf fields, text;
	const char *between = "";

	buf_init(&fields, 256);
	buf_text(&fields, "Allow: ");
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		static const char *const names[] = {
			[METHOD_GET] = "GET",	 [METHOD_HEAD] = "HEAD",
			[METHOD_POST] = "POST",	 [METHOD_DELETE] = "DELETE",
		};

		if (strcmp(routes[i].path, path) != 0)
			continue;
		buf_format(&fields, "%s%s", between, names[routes[i].method]);
		between = ", ";
	}
	buf_text(&fields, "\r\n");
	buf_init(&text, 256);
	buf_text(&text, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"
			"\"message\":\"method not allowed\"}}");
	client_answer(c, &(struct http_answer){
				 .status = 405,
				 .type = "application/json",
				 .fields = buf_cstr(&fields),
				 .body = buf_view(&text),
			 });
	buf_free(&fields);
	buf_free(&text);
}

static void
dispatch(struct client *c, const struct http_request *r)
{
	struct bytes path = http_request_path(r);
	const char *known = NULL;

	if (api_is_path(path)) {
		c->endpoint = ENDPOINT_API;
		api_request(c, r);
		return;
	}
	if (exports_is_path(path)) {
		c->endpoint = ENDPOINT_EXPORTS;
		exports_request(c, r);
		return;
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		const struct route *route = &routes[i];

		if (!bytes_equal(path, bytes_of(route->path)))
			continue;
		known = route->path;
		c->endpoint = route->endpoint;
		if (route->method == r->method) {
			route->handle(c, r);
			return;
		}
	}
	if (known)
		not_allowed(c, known);
	else
		client_fail(c, 404, "nothing is here; MCP is at /mcp");
}

static bool
is_too_fast(struct client *c)
{
	struct bytes who = c->is_known ?
				   bytes_make(c->owner, sizeof(c->owner)) :
				   bytes_of(c->peer);

	return !rate_take(&c->server->rate, who, c->server->now_ns);
}

void
client_enter(struct client *c, const struct http_request *r)
{
	struct http_server *s = c->server;

	switch (auth_admit(c, r)) {
	case ADMITTED:
		if (!is_too_fast(c)) {
			dispatch(c, r);
			break;
		}
		s->metrics.rate_limited++;
		client_fail(c, 429, "too many requests");
		break;
	case UNKNOWN:
		s->metrics.unauthorized++;
		client_fail(c, 401, c->reason ? c->reason :
						"send a token: Authorization: "
						"Bearer …");
		break;
	case POWERLESS:
		s->metrics.unauthorized++;
		client_fail(c, 403, c->reason);
		break;
	case KEYLESS:
		client_fail(c, 503, "the issuer's keys cannot be had");
		break;
	case HELD:
		break;
	}
}

static void
on_request(void *context, const struct http_request *r)
{
	struct client *c = context;
	struct http_server *s = c->server;

	c->began_ns = s->now_ns;
	c->endpoint = ENDPOINT_NONE;
	c->is_logged = c->may_stream = c->was_held = false;
	c->body_bytes = 0;
	c->http.origin = http_request_field(r, "Origin");
	c->reason = NULL;
	c->what[0] = c->name[0] = '\0';
	if (!guard_allows(&s->options.guard, r)) {
		s->metrics.foreign++;
		c->http.origin = bytes_make(NULL, 0);
		client_fail(c, 403, "Host or Origin is not allowed here");
	} else if (cors_is_preflight(r)) {
		cors_preflight(c);
	} else if (s->oauth &&
		   oauth_is_metadata_path(s->oauth, http_request_path(r))) {
		auth_metadata(c);
	} else {
		client_enter(c, r);
	}
}

static void
on_refused(void *context, unsigned status)
{
	struct client *c = context;

	c->endpoint = ENDPOINT_NONE;
	c->body_bytes = 0;
	c->is_logged = false;
	c->http.origin = bytes_make(NULL, 0);
	c->began_ns = c->server->now_ns;
	c->what[0] = c->name[0] = '\0';
	c->http.status = status;
	client_account(c);
	client_touch(c);
}

const struct http_handler http_routes = {
	.request = on_request,
	.refused = on_refused,
};

static void
on_connection(uv_stream_t *listener, int status)
{
	struct http_server *s = listener->data;

	if (status == 0 && !s->quiet)
		client_accept(s);
}

static void
set_date(struct http_server *s)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void
on_sweep(uv_timer_t *timer)
{
	struct http_server *s = timer->data;
	struct client *c, *next;

	s->now_ns = clock_monotonic_ns();
	set_date(s);
	session_expire(&s->sessions, s->now_ns);
	auth_sweep(s);
	for (c = TAILQ_FIRST(&s->clients); c; c = next) {
		next = TAILQ_NEXT(c, link);
		client_check_time(c);
	}
}

/* "host:port" or "[v6]:port". */
static int
parse_address(const char *text, struct sockaddr_storage *out, bool *loopback,
	      struct error *e)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	uint64_t port;
	size_t size = colon ? (size_t)(colon - text) : 0;
	bool v6 = size > 2 && text[0] == '[' && text[size - 1] == ']';
	int rc = UV_EINVAL;

	memset(out, 0, sizeof(*out));
	if (colon && size - 2 * v6 < sizeof(host) &&
	    text_u64(bytes_of(colon + 1), &port) && port <= 65535) {
		memcpy(host, text + v6, size - 2 * v6);
		host[size - 2 * v6] = '\0';
		if (strcmp(host, "localhost") == 0)
			memcpy(host, "127.0.0.1", 10);
		rc = v6 ? uv_ip6_addr(host, (int)port,
				      (struct sockaddr_in6 *)out) :
			  uv_ip4_addr(host, (int)port,
				      (struct sockaddr_in *)out);
		*loopback = strncmp(host, "127.", 4) == 0 ||
			    strcmp(host, "::1") == 0;
	}
	if (rc != 0)
		return error_set(e, ERR_INVALID,
				 "\"%s\" is no address: write 127.0.0.1:PORT, "
				 "[::1]:PORT or unix:/path", text);
	return 0;
}

/* Anybody in the network could ask: only with a token, and not in the clear. */
static int
check_exposed(const struct http_options *o, struct error *e)
{
	if (o->tokens.count == 0 && !o->oauth.issuer)
		return error_set(e, ERR_DENIED,
				 "%s can be reached from other machines: give "
				 "--token-file or --oauth-issuer", o->address);
	if (!o->tls_cert && !o->behind_proxy)
		return error_set(e, ERR_DENIED,
				 "%s can be reached from other machines: give "
				 "--tls-cert and --tls-key, or --behind-proxy "
				 "when TLS ends in front of it", o->address);
	return 0;
}

static int
listen_failed(const struct http_server *s, int rc, struct error *e)
{
	return error_set(e, ERR_IO, "cannot listen on %s: %s",
			 s->options.address, uv_strerror(rc));
}

/* A socket that an earlier process left behind is in the way; one that
 * somebody listens on is not removed. */
static int
listen_unix(struct http_server *s, struct error *e)
{
	const char *path = s->options.address + strlen(UNIX_PREFIX);
	struct stat file;
	mode_t mask;
	int rc;

	s->is_unix = s->options.guard.any_host = true;
	uv_pipe_init(s->loop, &s->listener.pipe, 0);
	mask = umask(S_IRWXG | S_IRWXO);
	rc = uv_pipe_bind(&s->listener.pipe, path);
	umask(mask);
	if (rc == UV_EADDRINUSE && lstat(path, &file) == 0 &&
	    S_ISSOCK(file.st_mode))
		return error_set(e, ERR_BUSY,
				 "%s exists: another server's, or left behind "
				 "(then remove it)", path);
	if (rc == 0)
		rc = uv_listen(&s->listener.stream, BACKLOG, on_connection);
	if (rc != 0)
		return listen_failed(s, rc, e);
	s->url = alloc_string(s->options.address);
	return 0;
}

static void
set_url(struct http_server *s)
{
	struct sockaddr_storage bound;
	int size = sizeof(bound);
	char host[INET6_ADDRSTRLEN] = "?";
	bool v6;
	unsigned port;

	uv_tcp_getsockname(&s->listener.tcp, (struct sockaddr *)&bound, &size);
	v6 = bound.ss_family == AF_INET6;
	uv_ip_name((struct sockaddr *)&bound, host, sizeof(host));
	port = ntohs(v6 ? ((struct sockaddr_in6 *)&bound)->sin6_port :
			  ((struct sockaddr_in *)&bound)->sin_port);
	s->url = alloc_format("http%s://%s%s%s:%u",
			      s->options.tls_cert ? "s" : "", v6 ? "[" : "",
			      host, v6 ? "]" : "", port);
}

static int
listen_tcp(struct http_server *s, struct error *e)
{
	struct sockaddr_storage address;
	bool loopback = false;
	int rc = parse_address(s->options.address, &address, &loopback, e);

	if (rc == 0 && !loopback)
		rc = check_exposed(&s->options, e);
	uv_tcp_init(s->loop, &s->listener.tcp);
	if (rc < 0)
		return rc;
	rc = uv_tcp_bind(&s->listener.tcp, (struct sockaddr *)&address, 0);
	if (rc == 0)
		rc = uv_listen(&s->listener.stream, BACKLOG, on_connection);
	if (rc != 0)
		return listen_failed(s, rc, e);
	set_url(s);
	return 0;
}

static struct http_limits
with_defaults(struct http_limits l)
{
	static const struct http_limits defaults = {
		.head_bytes = (size_t)16 << 10,
		.body_bytes = (size_t)4 << 20,
		.connections = 1024,
		.sessions = 10000,
		.streams = 64,
		.head_s = 15,
		.body_s = 60,
		.idle_s = 75,
		.stalled_s = 30,
		.session_s = 3600,
	};

#define DEFAULT(member) \
	if (!l.member)  \
		l.member = defaults.member
	DEFAULT(head_bytes);
	DEFAULT(body_bytes);
	DEFAULT(connections);
	DEFAULT(sessions);
	DEFAULT(streams);
	DEFAULT(head_s);
	DEFAULT(body_s);
	DEFAULT(idle_s);
	DEFAULT(stalled_s);
	DEFAULT(session_s);
#undef DEFAULT
	return l;
}

static void
modern_run(void *context, struct mcp_request *request)
{
	const struct client *c = context;

	c->server->work.run(c->server->work.context, request);
}

static void
modern_wake(void *context)
{
	const struct client *c = context;

	c->server->work.wake(c->server->work.context);
}

static void
modern_released(void *context)
{
	client_released(context);
}

static void
init_parts(struct http_server *s)
{
	const struct session_limits limits = {
		.sessions = s->limits.sessions,
		.streams = s->limits.streams,
		.idle_ns = (int64_t)s->limits.session_s * CLOCK_NS_PER_S,
		.events = { .events = 256, .bytes = (size_t)1 << 20 },
		.event_bytes = (size_t)64 << 20,
	};

	s->parser_limits = (struct http_parser_limits){
		s->limits.head_bytes, s->limits.body_bytes
	};
	s->modern = (struct mcp_host){
		.send = mcp_modern_send,
		.run = modern_run,
		.wake = modern_wake,
		.released = modern_released,
		.request_bytes = s->work.request_bytes,
	};
	s->session_host = mcp_session_host;
	s->session_host.request_bytes = s->work.request_bytes;
	session_table_init(&s->sessions, s->mcp, &limits, &s->session_host, s);
	access_log_init(&s->log, s->options.access_log);
	rate_init(&s->rate, s->limits.rate);
	address_count_init(&s->addresses, s->limits.from_address,
			   s->limits.connections);
	TAILQ_INIT(&s->clients);
	TAILQ_INIT(&s->dirty);
	set_date(s);
}

struct http_server *
http_server_start(const struct http_options *options, struct mcp_server *mcp,
		  uv_loop_t *loop, const struct http_work *work,
		  struct error *e)
{
	struct http_server *s = alloc_zero(1, sizeof(*s));
	int rc = 0;

	s->options = *options;
	s->limits = with_defaults(options->limits);
	if (!s->limits.from_address && !options->behind_proxy)
		s->limits.from_address =
			(uint32_t)(s->limits.connections + 1) / 2;
	s->mcp = mcp;
	s->loop = loop;
	s->work = *work;
	init_parts(s);
	uv_timer_init(loop, &s->sweep);
	s->sweep.data = s;
	if (options->tls_cert) {
		s->tls = tls_context_new(options->tls_cert, options->tls_key,
					 e);
		rc = s->tls ? 0 : ERR_INVALID;
	}
	if (rc == 0)
		rc = auth_start(s, e);
	if (rc == 0)
		rc = strncmp(options->address, UNIX_PREFIX,
			     strlen(UNIX_PREFIX)) == 0 ?
			     listen_unix(s, e) :
			     listen_tcp(s, e);
	s->listener.handle.data = s;
	if (rc == 0) {
		uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
		return s;
	}
	http_server_close(s);
	uv_run(loop, UV_RUN_NOWAIT); /* closing needs one turn */
	http_server_free(s);
	return NULL;
}

const char *
http_server_url(const struct http_server *s)
{
	return s->url;
}

void
http_server_flush(struct http_server *s)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&s->dirty))) {
		TAILQ_REMOVE(&s->dirty, c, dirty_link);
		c->dirty = false;
		client_flush(c);
	}
	access_log_flush(&s->log);
}

static void
end_subscriptions(struct http_server *s)
{
	struct client *c;

	TAILQ_FOREACH(c, &s->clients, link)
		if (c->mcp)
			mcp_connection_end_subscriptions(c->mcp);
}

static void
close_listener(struct http_server *s)
{
	if (s->listener.handle.type != UV_UNKNOWN_HANDLE &&
	    !uv_is_closing(&s->listener.handle))
		uv_close(&s->listener.handle, NULL);
}

void
http_server_quiet(struct http_server *s)
{
	if (s->quiet)
		return;
	s->quiet = true;
	s->now_ns = clock_monotonic_ns();
	close_listener(s);
	end_subscriptions(s);
}

bool
http_server_is_busy(const struct http_server *s)
{
	const struct client *c;

	TAILQ_FOREACH(c, &s->clients, link)
		if (c->busy || c->http.out.size > 0 ||
		    (c->http.handling && !c->sse))
			return true;
	return false;
}

void
http_server_close(struct http_server *s)
{
	if (s->is_closed)
		return;
	s->quiet = s->is_closed = true;
	close_listener(s);
	if (!uv_is_closing((uv_handle_t *)&s->sweep))
		uv_close((uv_handle_t *)&s->sweep, NULL);
	auth_stop(s);
	session_table_free(&s->sessions);
	while (!TAILQ_EMPTY(&s->clients))
		client_close(TAILQ_FIRST(&s->clients));
}

void
http_server_free(struct http_server *s)
{
	if (!s)
		return;
	access_log_flush(&s->log);
	access_log_free(&s->log);
	address_count_free(&s->addresses);
	tls_context_free(s->tls);
	oauth_free(s->oauth);
	free(s->url);
	free(s);
}
