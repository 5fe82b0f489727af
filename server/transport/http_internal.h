/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP server share; nobody else includes it. */
#pragma once

#include <sys/queue.h>

#include "base/clock.h"
#include "server/transport/access_log.h"
#include "server/transport/address_count.h"
#include "server/transport/http_connection.h"
#include "server/transport/http_server.h"
#include "server/transport/key_source.h"
#include "server/transport/metrics.h"
#include "server/transport/oauth.h"
#include "server/transport/rate.h"
#include "server/transport/session.h"

#define CLIENT_CHUNK 65536
#define CLIENT_NAME 64
#define CLIENT_WORD 64

struct tls;
struct tls_context;

/* What a client is waiting for. */
enum waiting {
	WAITING_NOTHING,
	WAITING_MODERN, /* its own mcp connection */
	WAITING_STREAM, /* a stream of a session */
	WAITING_CALL,   /* a tool, by /api */
	WAITING_OTHER,  /* what `abandon` knows of */
};

/* One connection of one client, and the request it is about. */
struct client {
	TAILQ_ENTRY(client) link;
	TAILQ_ENTRY(client) dirty_link;
	struct http_server *server;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} as;
	struct http_connection http;
	struct tls *tls;
	char peer[CLIENT_NAME];
	uint8_t address[ADDRESS_KEY];
	bool is_counted;  /* in server->addresses */
	bool said_bye;    /* TLS: close_notify */

	/* Writing. */
	struct buf writing;
	size_t written;
	uv_write_t write;
	uv_shutdown_t shutdown;
	bool busy;        /* a write is under way */
	bool dirty;       /* in server->dirty */
	bool reading;
	bool ended;       /* it sends nothing more */
	bool lingering;   /* all is said; waiting for it to close */
	bool closing;
	bool closed;      /* the handle is */
	bool mcp_alive;   /* its mcp connection still refers to us */
	int64_t since_ns; /* the last answer's end, or the beginning */
	int64_t first_ns; /* the first byte of this request; 0: none yet */
	int64_t moved_ns; /* the last time something was written */

	/* The request in hand. */
	enum waiting waiting;
	enum http_endpoint endpoint;
	bool sse;
	bool may_stream;  /* it accepts SSE */
	bool is_logged;   /* counted and logged already */
	char principal[CLIENT_NAME]; /* who that is; "": nobody in particular */
	bool is_known;    /* it has shown a token */
	bool held;        /* its token waits for the issuer's keys */
	bool was_held;
	enum role role;
	uint8_t owner[TOKEN_OWNER];   /* whose sessions are its own */
	const char *reason;           /* why its token is none, or NULL */
	int64_t began_ns;
	uint64_t body_bytes; /* of the answer so far */
	char what[CLIENT_WORD], name[CLIENT_WORD];
	struct stream *stream;      /* WAITING_STREAM */
	struct mcp_connection *mcp; /* for requests that need no session */
	void *job;                  /* WAITING_OTHER, WAITING_CALL */
	void (*abandon)(struct client *c); /* the client has gone */
	void (*drained)(struct client *c); /* all was written; may be NULL */
};

TAILQ_HEAD(client_list, client);

struct http_server {
	struct http_options options;
	struct http_limits limits;
	struct http_parser_limits parser_limits;
	struct mcp_server *mcp;
	struct http_work work;
	struct mcp_host modern;       /* of clients' own connections */
	struct session_host session_host;
	struct session_table sessions;
	uv_loop_t *loop;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} listener;
	bool is_unix;
	bool quiet, is_closed;
	uv_timer_t sweep;
	struct client_list clients, dirty;
	size_t client_count;
	struct address_count addresses;
	struct metrics metrics;
	struct access_log log;
	struct rate rate;
	struct oauth *oauth;          /* NULL: none */
	struct key_source keys;       /* its issuer's */
	struct tls_context *tls;
	char *url;
	char date[40];
	int64_t now_ns;               /* monotonic, of this turn */
	char chunk[CLIENT_CHUNK];
};

/* http_client.c: bytes */
void client_accept(struct http_server *s);
/* Gives it up, with everything it asked for. */
void client_close(struct client *c);
/* There is something to write, or to close. */
void client_touch(struct client *c);
void client_flush(struct client *c);
/* Times that are up (the sweep). */
void client_check_time(struct client *c);
/* The mcp connection is gone for good. */
void client_released(struct client *c);

/* http_answer.c: answers */
void client_answer(struct client *c, const struct http_answer *answer);
void client_stream(struct client *c, const struct http_answer *answer);
void client_write(struct client *c, struct bytes piece);
void client_end(struct client *c);
/* {"error": text}, or on the endpoints of MCP a JSON-RPC error. */
void client_fail(struct client *c, unsigned status, const char *text);
/* A JSON-RPC error to `m` (NULL: to nothing that could be read). */
void client_refuse(struct client *c, unsigned status,
		   const struct mcp_incoming *m, struct rpc_error *e);
/* Counts and logs the request, once. */
void client_account(struct client *c);
/* Begins to speak SSE; keeps it alive. */
void client_open_sse(struct client *c, const char *fields);
void client_keep_alive(struct client *c);
/* The request is in hand and its answer takes time. */
void client_take_time(struct client *c);

/* The fields that a status needs besides the sentence, appended to `out`. */
void client_fields(const struct client *c, unsigned status, struct buf *out);

/* http_auth.c: who asks */
enum admission {
	ADMITTED,
	UNKNOWN,   /* 401 */
	POWERLESS, /* 403: its token allows nothing here */
	KEYLESS,   /* 503: nobody can tell, the issuer's keys are missing */
	HELD,      /* client_enter is called again when it is known */
};
enum admission auth_admit(struct client *c, const struct http_request *r);
/* Does the session belong to the client? */
bool client_owns(const struct client *c, const struct session *session);
/* INVALID, or of keys in a file: why they are none. */
int auth_start(struct http_server *s, struct error *e);
void auth_sweep(struct http_server *s);
void auth_stop(struct http_server *s);
void auth_metadata(struct client *c);
/* The role that the tool named by the request needs. */
enum role auth_role_needed(const struct client *c);

/* http_cors.c: pages of other origins */
bool cors_is_preflight(const struct http_request *r);
void cors_preflight(struct client *c);

/* http_server.c */
/* The request in hand, once it is said to come from a known place. */
void client_enter(struct client *c, const struct http_request *r);
extern const struct http_handler http_routes;
/* Who the client is, for the core; `db` is borrowed by the result. */
struct mcp_caller client_caller(const struct client *c, const char *db);

/* http_mcp.c */
extern const struct session_host mcp_session_host;
void mcp_post(struct client *c, const struct http_request *r);
void mcp_get(struct client *c, const struct http_request *r);
void mcp_delete(struct client *c, const struct http_request *r);
void mcp_modern_send(void *context, const struct mcp_outgoing *message);
void mcp_modern_open(struct client *c);
/* The client's own connection to the core, `c->mcp`; `whole` answers are not
 * cut to a model's budget. */
void mcp_own_connection(struct client *c, const char *db, bool whole);
/* A POST for a session: gives the message to it. */
void mcp_session_message(struct client *c, struct session *session,
			 struct mcp_incoming *m);

/* http_old_sse.c */
void old_sse_get(struct client *c, const struct http_request *r);
void old_messages_post(struct client *c, const struct http_request *r);

/* http_api.c */
bool api_is_path(struct bytes path);
void api_request(struct client *c, const struct http_request *r);
void api_send(struct client *c, const struct mcp_outgoing *message);

/* http_exports.c */
bool exports_is_path(struct bytes path);
void exports_request(struct client *c, const struct http_request *r);

/* http_status.c */
void health_get(struct client *c, const struct http_request *r);
void metrics_get(struct client *c, const struct http_request *r);
