/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of the legacy revisions over HTTP, and the streams each has: one
 * for every request that is being answered, and one that the client opened to
 * listen (2025-11-25, basic/transports).  No sockets: a peer is whoever writes
 * what a stream says, and may come and go while the stream lives on.
 *
 * A session of 2024-11-05's HTTP+SSE has one stream, and dies with its peer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "server/mcp/mcp.h"
#include "server/transport/event_store.h"
#include "server/transport/sse.h"
#include "server/transport/tokens.h"

#define SESSION_ID_SIZE 32 /* hexadecimal digits of 128 random bits */

struct session;
struct session_table;

struct stream {
	LIST_ENTRY(stream) link;
	struct session *session;
	void *peer;        /* NULL: nobody reads */
	uint32_t id;       /* 0: the one that listens */
	uint32_t newest;   /* number of its last event */
	bool open;         /* it speaks SSE: its events are kept */
};

struct session {
	TAILQ_ENTRY(session) used; /* longest unused first */
	struct session_table *table;
	struct mcp_connection *mcp; /* NULL once it has ended */
	uint8_t key[SESSION_ID_SIZE / 2];
	char id[SESSION_ID_SIZE + 1];
	bool is_old;                /* HTTP+SSE */
	uint8_t owner[TOKEN_OWNER]; /* whose it is; all zero: anybody's */
	char *default_db;           /* owned, or NULL */
	int64_t used_ns;            /* monotonic */
	struct event_store events;
	struct stream listening;
	LIST_HEAD(, stream) streams;
	size_t stream_count;        /* of those */
	uint32_t next_stream;
};

/* What a table asks of those who read its streams. */
struct session_host {
	/* A stream begins to speak SSE to its peer. */
	void (*open)(void *peer);
	void (*write)(void *peer, struct bytes text);
	/* The only answer of a stream that did not open. */
	void (*answer)(void *peer, const struct mcp_outgoing *message);
	/* Nothing more comes from the stream; the peer is forgotten. */
	void (*end)(void *peer);
	/* As in struct mcp_host; `context` is the table's. */
	void (*run)(void *context, struct mcp_request *request);
	void (*wake)(void *context);
	size_t request_bytes;
};

struct session_limits {
	size_t sessions;
	size_t streams;     /* of a session, besides the one that listens */
	int64_t idle_ns;    /* after that long without a sign, it ends */
	struct event_limits events; /* of a session */
	size_t event_bytes;         /* of all; 0: no limit */
};

struct session_table {
	struct mcp_server *server;
	const struct session_host *host;
	void *context;
	struct mcp_host mcp;
	struct session_limits limits;
	struct map *by_key;
	TAILQ_HEAD(, session) used;
	size_t count, streams, event_bytes;
};

/* An empty table; all but `limits` (copied) are borrowed for its life. */
void session_table_init(struct session_table *t, struct mcp_server *server,
			const struct session_limits *limits,
			const struct session_host *host, void *context);

/* Ends all sessions. */
void session_table_free(struct session_table *t);

/* A new session; NULL when there are too many that are in use. */
struct session *session_new(struct session_table *t, int64_t now_ns);
/* The session of that id, which counts as a sign of life; NULL: none. */
struct session *session_find(struct session_table *t, struct bytes id,
			     int64_t now_ns);
/* Ends it: everything is cancelled, its peers are told. */
void session_end(struct session *s);
/* Ends those that have shown no sign of life for too long. */
void session_expire(struct session_table *t, int64_t now_ns);

/* Has anybody something to read from it, or a request that is worked on? */
bool session_is_busy(const struct session *s);

/* A stream for one POST of requests; NULL when it has too many. */
struct stream *stream_new(struct session *s, void *peer);
/* Gives the message to the session; what it says comes back on the stream
 * (NULL for what wants no answer). */
void session_receive(struct session *s, struct mcp_incoming *m,
		     struct stream *stream);
/* Speaks SSE from now on, because the answer takes time. */
void stream_open(struct stream *st);
/* Its peer has gone.  The request goes on, for a client that comes back. */
void stream_detach(struct stream *st);

enum stream_attach {
	STREAM_ATTACHED, /* the peer has been told what it missed */
	STREAM_ENDED,    /* … and that was all there was */
	STREAM_TAKEN,    /* somebody reads it already */
	STREAM_LOST,     /* what comes after that event is not known any more */
};

/* The peer listens for what belongs to no request. */
enum stream_attach session_listen(struct session *s, void *peer,
				  struct stream **stream);
/* The peer reads on after that event. */
enum stream_attach session_resume(struct session *s, void *peer,
				  struct sse_id after, struct stream **stream);
