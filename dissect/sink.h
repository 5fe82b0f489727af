/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dissector may say.  All slices are copied before the call returns.
 * Strings are bytes from the wire: any values, escaped by whoever shows them.
 */
#pragma once

#include "dissect/dissector.h"

enum field {
	FIELD_METHOD,       /* operation: GET, QUERY, SELECT … */
	FIELD_HOST,         /* whom the request names: Host, SNI, database, queue */
	FIELD_PATH,         /* resource: path, query name, key, topic */
	FIELD_QUERY,        /* the path's query string, without '?' */
	FIELD_VERSION,      /* "1.1" */
	FIELD_STATUS_TEXT,  /* "Not Found", "NXDOMAIN" */
	FIELD_CONTENT_TYPE,
	FIELD_USER_AGENT,
	FIELD_ERROR,        /* one sentence when the message reports a failure */
	FIELD_SUMMARY,      /* one log line, when the generic one would be poor */
	FIELD_TLS,          /* what it went through: "version cipher name", the
			     * name of the server last, and empty if unknown;
			     * the stream sets it for what is inside */
	FIELD_COUNT
};

enum message_flag {
	MESSAGE_INFORMATIONAL = 1 << 0, /* 1xx: does not answer its request yet */
	MESSAGE_IS_ERROR = 1 << 1,      /* failed as the protocol defines failure */
	MESSAGE_UPGRADE = 1 << 2,       /* the connection changes protocol after;
					 * a request: whatever is answered */
	MESSAGE_NO_RESPONSE = 1 << 3,   /* a request that is never answered */
	MESSAGE_RETRANSMISSION = 1 << 4, /* application-level repeat (DNS) */
	MESSAGE_WITHOUT_KEYS = 1 << 6, /* a handshake whose session stays unread */
	MESSAGE_REVERSED = 1 << 5,      /* sent by the other role: a response from
					 * the client's side or a request from the
					 * server's (by id only) */
};

/* How a body is encoded; decoded by the payload packer within limits. */
enum encoding {
	ENCODING_NONE,
	ENCODING_GZIP,
	ENCODING_DEFLATE,
	ENCODING_BROTLI,
	ENCODING_ZSTD,
	/* Each message of gRPC for itself, where its flag says so. */
	ENCODING_GRPC_GZIP,
	ENCODING_GRPC_DEFLATE,
	ENCODING_GRPC_ZSTD,
	ENCODING_UNKNOWN, /* named but not known: kept as on the wire */
};

/*
 * Opens a message on the side being fed, beginning at the front of the slice
 * given to feed.  Until sink_end, everything below is about it.
 */
void sink_begin(struct sink *s);

/*
 * The same for a message of the server that answers no request (a pushed
 * notification): a call of its own, which leaves the order of the others as it
 * is.  It may come while another message is open, which goes on when it has
 * ended; in a channel it is that of the server there.  Of the client it is a
 * message that nothing answers, and no other may be open.
 */
void sink_begin_alone(struct sink *s);

/*
 * Whether a request waits for what is here: that of the selected channel, or
 * else the oldest.  What was sent before the request was there (by what TCP had
 * acknowledged) answers another.
 */
bool sink_is_awaited(const struct sink *s);

/* Whether the connection was seen from its first byte on. */
bool sink_is_from_start(const struct sink *s);

/* The last value of a field wins. */
void sink_field(struct sink *s, enum field field, struct bytes value);

/* HTTP status, DNS rcode, …; whether it is an error is MESSAGE_IS_ERROR. */
void sink_status(struct sink *s, int32_t status);

/* One header, or name/value attribute of the message, in wire order. */
void sink_header(struct sink *s, struct bytes name, struct bytes value);

struct header_pair {
	struct bytes name, value;
};

/* Several, in wire order. */
void sink_headers(struct sink *s, const struct header_pair *headers, size_t count);

/* Body bytes, wire-encoded but without transfer framing (not for STEP_SKIP). */
void sink_body(struct sink *s, struct bytes data);

/* The body comes bit by bit, and when each came is of interest. */
void sink_timed(struct sink *s);

/* How the body is encoded; the last one given wins. */
void sink_encoding(struct sink *s, enum encoding encoding);

/* Adds to the flags (enum message_flag). */
void sink_flags(struct sink *s, unsigned message_flags);

/* The key that pairs request and response (PAIR_BY_ID). */
void sink_id(struct sink *s, uint64_t id);

/* The body is known to be cut (limits of the protocol parser). */
void sink_truncated(struct sink *s);

/* Whether no more of the message's body is kept, whatever is given. */
bool sink_body_is_full(const struct sink *s);

/* Some of the message is missing or could not be understood. */
void sink_incomplete(struct sink *s);

/* The call belongs to the protocol of this name (a literal of the registry),
 * not to that of the dissector. */
void sink_protocol(struct sink *s, const char *name);

/* Ends the message behind the bytes that feed is about to report as taken
 * (`consumed` of the slice given to feed). */
void sink_end(struct sink *s, size_t consumed);

/* What a field of the message was set to so far; empty: not yet. */
struct bytes sink_value(const struct sink *s, enum field field);

/*
 * Server side, after sink_begin: the method of the request this message will
 * be paired with; empty when that is not known.  (A response to HEAD.)
 */
struct bytes sink_request_method(struct sink *s);

/* Another field of that request. */
struct bytes sink_request_value(struct sink *s, enum field field);

/* A number that the dissector leaves in a request, and finds in what answers it
 * (after sink_begin; 0 when the request is not known). */
void sink_note(struct sink *s, uint64_t note);
uint64_t sink_request_note(struct sink *s);

/*
 * Asks for `size` bytes more for the connection's state beyond conn_size (texts
 * of prepared statements); false when they must not be used.  They count as
 * memory until they are given back or the state is closed.
 */
bool sink_keep(struct sink *s, size_t size);
void sink_give_back(struct sink *s, size_t size);

/* The dissector's state for all connections (dissector.shared_size). */
void *sink_shared(struct sink *s);

/*
 * Channels: conversations that share a connection (dissector.channel_size).
 * One is selected until feed has returned and what it asked to skip has
 * passed; until then all above is about the message of `role` of that channel
 * (usually the side being fed; a server that announces a request is another).
 * Request and response of one channel are a pair (PAIR_BY_CHANNEL) whichever
 * ends first; a hole marks open messages as incomplete but does not end them.
 *
 * Returns the channel's state (channel_size bytes, aligned to 8), valid while
 * the channel lives; NULL when there is none and `create` is false, and then
 * bytes belong to no message.
 */
void *sink_channel(struct sink *s, uint64_t id, enum side role, bool create);

/* A message of the side being fed, or the selected one, is open. */
bool sink_is_open(const struct sink *s);

/* Bytes on the wire of the selected message, framing included: those of a
 * channel are not counted by position. */
void sink_wire(struct sink *s, uint64_t bytes);

/* Some of the selected message came now: it lasts until here at least. */
void sink_seen(struct sink *s);

/* The exchange of the selected channel failed: an error of its response, or of
 * its request when there is none. */
void sink_fail(struct sink *s, struct bytes error);

/* What is paired in the selected channel may be a wrong pair, since bytes are
 * missing; `by_order`: it is the order of messages alone that pairs them. */
void sink_uncertain(struct sink *s, bool by_order);
/* It is no wrong pair, as is known now. */
void sink_certain(struct sink *s);

/* The selected channel is over: what is open is incomplete; what has no other
 * half is alone, because of a reset or else for want of an answer.  The channel
 * and its state are gone. */
void sink_channel_close(struct sink *s, bool reset);

/* The channel that was opened after channel `id`, or with 0 the oldest; 0 when
 * there is none. */
uint64_t sink_channel_next(const struct sink *s, uint64_t id);

/*
 * The connection goes on in another protocol behind the message (with
 * MESSAGE_UPGRADE) that is about to end: the name of a dissector, and what its
 * `upgraded` is given.  With `channel` the request that this message answers is
 * really answered there: it goes on waiting in that channel, and this message
 * is an interim one.
 */
void sink_upgrade(struct sink *s, const char *protocol, struct bytes settings,
		  uint64_t channel);

/* All that the dissector's own state holds (bytes) beside conn_size, by one
 * that sets limits to it itself and does not ask by sink_keep. */
void sink_memory(struct sink *s, size_t bytes);

/* Bytes of the side being fed that no message has, since nobody can read them:
 * they are counted. */
void sink_undissected(struct sink *s, size_t bytes);

/* DNS and the like: `name` resolved to `ip` (16 bytes, IPv4 mapped). */
void sink_name(struct sink *s, const uint8_t ip[16], struct bytes name);

/* What carries the bytes being fed: one of them. */
enum transport sink_transport(const struct sink *s);
