/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/3 (RFC 9114) in the streams of a connection of QUIC.  What a direction
 * of a stream carries is given in order; requests and responses become the
 * messages of a channel.  See http3.md.
 */
#pragma once

#include "base/buf.h"
#include "dissect/proto/http3_qpack.h"
#include "dissect/sink_inner.h"

/* A field section, and what waits for it in its stream. */
#define HTTP3_SECTION_MAX (64u << 10)
#define HTTP3_HELD_MAX (256u << 10)
#define HTTP3_NO_ERROR 0x100
/* Responses that servers announced and are still to come. */
#define HTTP3_PUSHES 16

enum http3_kind {
	HTTP3_NEW, /* of one direction, its type is still to come */
	HTTP3_REQUEST,
	HTTP3_CONTROL,
	HTTP3_NEW_PUSH, /* its number is still to come */
	HTTP3_PUSH,
	HTTP3_ENCODER,
	HTTP3_OTHER, /* passed over */
};

/* One direction of a stream. */
struct http3_half {
	struct buf held;   /* a frame that is not whole, or waits; owned */
	uint64_t left;     /* of the frame that is being passed … */
	bool body;         /* … which is DATA, … */
	bool endless;      /* … of a size that is not believed */
	bool begun, ended; /* its message */
	bool headed;       /* what comes are trailers */
	bool waits;        /* for the encoder stream, or SETTINGS … */
	uint64_t needs;    /* … until so many entries were added */
	bool lost;         /* where frames begin is not known any more */
	bool over;         /* nothing comes behind what is held */
};

struct http3_stream {
	uint64_t id, channel;
	enum http3_kind kind;
	struct http3_half halves[2];
};

/* What the sections of a side refer to. */
struct http3_table {
	struct http3_qpack *live; /* NULL: not yet known, or lost; owned */
	bool known, lost;
	bool seen;                /* the encoder stream */
};

struct http3_push {
	uint64_t id, channel;
	bool promised;
};

struct http3 {
	uint64_t *channels;        /* how many the connection ever had */
	struct http3_table tables[2];
	struct http3_qpack *plain; /* without a dynamic table; owned */
	bool control[2];           /* the stream was seen */
	bool woken[2];             /* what of a side waits is to be resumed */
	uint64_t refused;          /* request streams from this id on are not
				    * answered (GOAWAY); else UINT64_MAX */
	struct http3_push pushes[HTTP3_PUSHES];
	unsigned pushed;
	size_t memory, charged;    /* of libnghttp3 */
	size_t label_size;
	char label[INNER_LABEL_MAX];
};

/* A part of a stream that something is to be done with. */
struct http3_feed {
	struct http3 *http;
	struct http3_stream *stream;
	enum side side;
	bool force; /* nothing is waited for any more */
	struct sink *sink;
};

/* Of a connection whose calls carry `label` (FIELD_TLS); `channels` is counted
 * up for each new one. */
void http3_begin(struct http3 *h, uint64_t *channels, struct bytes label);
/* Frees what it owns; streams are the caller's.  Without a sink memory is not
 * given back. */
void http3_end(struct http3 *h, struct sink *sink);

/* A stream of which only the id is set. */
void http3_open(struct http3 *h, struct http3_stream *stream);

/* The next bytes of a direction. */
void http3_data(struct http3_feed *f, struct bytes in);

/* `missing` bytes (0: unknown) will not come. */
void http3_gap(struct http3_feed *f, uint64_t missing);

/* The direction ends behind what was given. */
void http3_over(struct http3_feed *f);

/* What waits is tried again; with `force` unknown entries are marked. */
void http3_resume(struct http3_feed *f);

/* The side has given its direction up (RESET_STREAM). */
void http3_reset(struct http3_feed *f, uint64_t code);

/* Nothing of the stream is answered: an error of its call, which is over. */
void http3_fail(struct http3_feed *f, const char *text);

/* Ends what is open of the call, because nothing more will come. */
void http3_close(struct http3_feed *f);

/* Both directions have said all. */
bool http3_is_done(const struct http3_stream *stream);

/* Frees what the stream holds. */
void http3_forget(struct http3_stream *stream, struct sink *sink);

/* "H3_REQUEST_CANCELLED", "error 0x1234" written to `text`. */
const char *http3_error_name(uint64_t code, char text[32]);

/* The inside (http3_control.c). */

/* Whether the type, or number, of a stream of one direction was read; how many
 * bytes of it. */
size_t http3_read_kind(struct http3_feed *f, struct bytes in);

/* A whole frame of a control stream. */
void http3_control(struct http3_feed *f, uint64_t type, struct bytes payload);

/* What the encoder stream carries; how much was taken. */
size_t http3_instruct(struct http3_feed *f, struct bytes in);

/* A hole in a stream that is no call's. */
void http3_lose(struct http3_feed *f);

/* The entries of the side's table are not known any more. */
void http3_lose_table(struct http3 *h, enum side side);

/* The response that a server announced by this number, remembered. */
struct http3_push *http3_find_push(struct http3 *h, uint64_t id);

/* Counts the memory of libnghttp3; what there is no room for is given up. */
void http3_settle_memory(struct http3 *h, struct sink *sink);
