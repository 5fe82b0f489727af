/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of Apache Kafka.  See kafka.md. */
#include <stdio.h>

#include "base/reader.h"
#include "dissect/proto/kafka_body.h"
#include "dissect/registry.h"
#include "dissect/sink.h"



/* Size, key, version, correlation id, size of the client's id. */
#define REQUEST_HEAD 14
/* Size, correlation id. */
#define RESPONSE_HEAD 8
#define FRAME_LIMIT (128u << 20)
#define CLIENT_LIMIT 256
/* Newer versions than these tables have are headers that can be read. */
#define VERSIONS_AHEAD 4
/* Requests whose answers are to come. */
#define PENDING 64
/* The ids of authentication without headers are above those of requests. */
#define TOKEN_ID (UINT64_C(1) << 32)
#define TOKEN_LIMIT (64u << 10)

struct pending {
	int32_t correlation;
	int16_t key, version;
	bool used;
};

/* What is being read of a side. */
struct half {
	struct kafka_body body;
	uint32_t left;  /* bytes of the message to come; 0: between messages */
	bool described; /* body is in use */
	bool raw;       /* what is not described is kept as it is */
};

struct kafka_conn {
	struct half halves[2];
	struct pending pending[PENDING];
	unsigned next;          /* where the next goes */
	bool sure;              /* the server's bytes are followed */
	/* After SaslHandshake version 0 tokens come without headers. */
	bool tokens;
	uint32_t asked, answered; /* tokens */
};

/* Heads. */

struct request_head {
	uint32_t size; /* of what follows the size itself */
	int key, version;
	int32_t correlation;
	int client_size; /* -1: none */
	const struct kafka_api *api;
	size_t end;      /* bytes of all that, tagged fields too */
};

static bool
is_printable(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] < ' ' || in.data[i] > '~')
			return false;
	return true;
}

/* Passes over the tagged fields of a head: as kafka_varint. */
static int
skip_tags(struct bytes in, size_t *at)
{
	uint32_t count, tag, size;
	int got = kafka_varint(in, at, &count);

	if (got > 0 && count > 16)
		return -1;
	for (; got > 0 && count; count--) {
		got = kafka_varint(in, at, &tag);
		if (got > 0)
			got = kafka_varint(in, at, &size);
		if (got <= 0)
			return got;
		if (size > CLIENT_LIMIT)
			return -1;
		*at += size;
		if (*at > in.size)
			return 0;
	}
	return got;
}

static enum verdict
is_plausible(const struct request_head *h)
{
	if (h->size < REQUEST_HEAD - 4 || h->size > FRAME_LIMIT || !h->api)
		return VERDICT_NO;
	if (h->version < 0 || h->correlation < 0 ||
	    h->version > h->api->version_max + VERSIONS_AHEAD)
		return VERDICT_NO;
	if (h->client_size < -1 || h->client_size > CLIENT_LIMIT ||
	    (uint32_t)(h->client_size + 10) > h->size)
		return VERDICT_NO;
	return VERDICT_YES;
}

static enum verdict
read_request_head(struct bytes in, struct request_head *h)
{
	struct reader r = reader_make(in);
	int got = 1;

	if (in.size >= 1 && in.data[0] > FRAME_LIMIT >> 24)
		return VERDICT_NO;
	if (in.size >= 5 && in.data[4] != 0)
		return VERDICT_NO;
	if (in.size < REQUEST_HEAD)
		return VERDICT_MAYBE;
	h->size = reader_be32(&r);
	h->key = (int16_t)reader_be16(&r);
	h->version = (int16_t)reader_be16(&r);
	h->correlation = (int32_t)reader_be32(&r);
	h->client_size = (int16_t)reader_be16(&r);
	h->api = kafka_api_find(h->key);
	if (is_plausible(h) == VERDICT_NO)
		return VERDICT_NO;
	h->end = REQUEST_HEAD + (h->client_size > 0 ? (size_t)h->client_size
						    : 0);
	if (!is_printable(bytes_first(bytes_from(in, REQUEST_HEAD),
				      h->end - REQUEST_HEAD)))
		return VERDICT_NO;
	if (in.size < h->end)
		return VERDICT_MAYBE;
	if (h->version >= h->api->flexible)
		got = skip_tags(bytes_first(in, (size_t)h->size + 4), &h->end);
	if (got <= 0)
		return got < 0 || in.size >= (size_t)h->size + 4
			       ? VERDICT_NO
			       : VERDICT_MAYBE;
	return VERDICT_YES;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct request_head h;
	enum verdict verdict;

	(void)transport;
	(void)server;
	if (!client.size)
		return VERDICT_NO;
	verdict = read_request_head(client, &h);
	if (verdict != VERDICT_YES)
		return verdict;
	if (h.client_size > 0)
		return VERDICT_YES;
	/* Small numbers alone are no evidence: without a name it has to be
	 * what comes first on a connection, and whole. */
	if (h.client_size == 0 || h.correlation >= 1 << 16 ||
	    (h.key != KAFKA_API_VERSIONS && h.key != KAFKA_SASL_HANDSHAKE &&
	     h.key != KAFKA_METADATA))
		return VERDICT_NO;
	return client.size >= (size_t)h.size + 4 ? VERDICT_YES : VERDICT_MAYBE;
}

/* Whether `in` is whole messages from its first to its last byte. */
static bool
are_whole(struct bytes in)
{
	while (in.size >= RESPONSE_HEAD) {
		struct reader r = reader_make(in);
		uint32_t size = reader_be32(&r);

		if (size < 4 || size > FRAME_LIMIT ||
		    (int32_t)reader_be32(&r) < 0)
			return false;
		if ((size_t)size + 4 > in.size)
			return false;
		in = bytes_from(in, (size_t)size + 4);
	}
	return in.size == 0;
}

/* For the server: feed looks whether somebody waits for it. */
static enum verdict
resync(enum side side, struct bytes in)
{
	struct request_head h;
	struct reader r = reader_make(in);
	uint32_t size;

	if (side == SIDE_CLIENT)
		return read_request_head(in, &h);
	if (in.size < RESPONSE_HEAD)
		return in.data[0] > FRAME_LIMIT >> 24 ? VERDICT_NO
						      : VERDICT_MAYBE;
	size = reader_be32(&r);
	return size >= 4 && size <= FRAME_LIMIT &&
			       (int32_t)reader_be32(&r) >= 0
		       ? VERDICT_YES
		       : VERDICT_NO;
}

/* Requests that wait. */

static void
remember(struct kafka_conn *conn, const struct request_head *h)
{
	conn->pending[conn->next++ % PENDING] = (struct pending){
		.correlation = h->correlation,
		.key = (int16_t)h->key,
		.version = (int16_t)h->version,
		.used = true,
	};
}

static struct pending *
find_pending(struct kafka_conn *conn, int32_t correlation)
{
	for (unsigned i = 1; i <= PENDING; i++) {
		struct pending *p =
			&conn->pending[(conn->next - i) % PENDING];

		if (p->used && p->correlation == correlation)
			return p;
	}
	return NULL;
}

/* Messages. */

static void
end_message(struct kafka_conn *conn, enum side side, size_t size,
	    struct sink *sink)
{
	struct half *half = &conn->halves[side];

	if (half->described)
		kafka_body_end(&half->body, sink);
	if (side == SIDE_CLIENT && half->described &&
	    half->body.api->key == 0 && half->body.acks == 0) {
		sink_flags(sink, MESSAGE_NO_RESPONSE);
		conn->pending[(conn->next - 1) % PENDING].used = false;
	}
	half->left = 0;
	half->described = false;
	sink_end(sink, size);
}

/* A message that is only a head: some have no fields. */
static void
end_empty(struct kafka_conn *conn, enum side side, size_t size,
	  struct sink *sink)
{
	struct half *half = &conn->halves[side];

	if (half->described)
		kafka_body_read(&half->body, bytes_make(NULL, 0), 0, sink);
	end_message(conn, side, size, sink);
}

static void
begin_body(struct half *half, const struct kafka_api *api, int version,
	   bool response)
{
	kafka_body_start(&half->body, api, (int16_t)version, response);
	half->described = true;
	half->raw = half->body.state == KAFKA_END && !api->hidden;
}

static void
say_version(const struct request_head *h, struct sink *sink)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", h->version);
	sink_field(sink, FIELD_VERSION, bytes_of(text));
}

static struct step
begin_request(struct kafka_conn *conn, const struct request_head *h,
	      struct bytes in, struct sink *sink)
{
	struct half *half = &conn->halves[SIDE_CLIENT];

	if (h->end > (size_t)h->size + 4)
		return step_bad();
	sink_begin(sink);
	sink_id(sink, (uint32_t)h->correlation);
	sink_field(sink, FIELD_METHOD, bytes_of(h->api->name));
	say_version(h, sink);
	if (h->client_size > 0)
		sink_field(sink, FIELD_USER_AGENT,
			   bytes_make(in.data + REQUEST_HEAD,
				      (size_t)h->client_size));
	remember(conn, h);
	conn->tokens = h->key == KAFKA_SASL_HANDSHAKE && h->version == 0;
	begin_body(half, h->api, h->version, false);
	half->left = (uint32_t)(h->size + 4 - h->end);
	if (!half->left)
		end_empty(conn, SIDE_CLIENT, h->end, sink);
	return step_done(h->end);
}

/* A token of SASL: a size and bytes that are not kept. */
static struct step
begin_token(struct kafka_conn *conn, enum side side, uint32_t size,
	    struct sink *sink)
{
	struct half *half = &conn->halves[side];
	uint32_t *number = side == SIDE_CLIENT ? &conn->asked : &conn->answered;

	sink_begin(sink);
	sink_id(sink, TOKEN_ID + (*number)++);
	if (side == SIDE_CLIENT) {
		sink_field(sink, FIELD_METHOD, bytes_of("SASL token"));
		sink_field(sink, FIELD_SUMMARY, bytes_of("SASL token"));
	}
	half->raw = false;
	half->left = size;
	if (!size)
		end_message(conn, side, 4, sink);
	return step_done(4);
}

static struct step
start_request(struct kafka_conn *conn, struct bytes in, struct sink *sink)
{
	struct request_head h;
	enum verdict verdict = read_request_head(in, &h);
	struct reader r = reader_make(in);
	uint32_t size;

	if (verdict == VERDICT_YES)
		return begin_request(conn, &h, in, sink);
	if (!conn->tokens)
		return verdict == VERDICT_NO
			       ? step_bad()
			       : step_more(in.size + 1);
	size = reader_be32(&r);
	if (r.failed)
		return step_more(4);
	if (size > TOKEN_LIMIT)
		return step_bad();
	/* A short token is all there is before its answer. */
	if (verdict == VERDICT_MAYBE && in.size < (size_t)size + 4)
		return step_more(in.size + 1);
	return begin_token(conn, SIDE_CLIENT, size, sink);
}

static struct step
start_response(struct kafka_conn *conn, struct bytes in, struct sink *sink)
{
	struct half *half = &conn->halves[SIDE_SERVER];
	struct reader r = reader_make(in);
	uint32_t size = reader_be32(&r);
	int32_t correlation = (int32_t)reader_be32(&r);
	struct pending *pending = find_pending(conn, correlation);
	const struct kafka_api *api = NULL;
	size_t end = RESPONSE_HEAD;

	if (conn->answered < conn->asked)
		return in.size < 4	   ? step_more(4)
		       : size > TOKEN_LIMIT ? step_bad()
					    : begin_token(conn, SIDE_SERVER,
							  size, sink);
	if (in.size < RESPONSE_HEAD)
		return in.size && in.data[0] > FRAME_LIMIT >> 24
			       ? step_bad()
			       : step_more(RESPONSE_HEAD);
	if (size < 4 || size > FRAME_LIMIT || correlation < 0 ||
	    (!conn->sure && !pending && !are_whole(in)))
		return step_bad();
	if (pending)
		api = kafka_api_find(pending->key);
	if (api && pending->version >= api->flexible &&
	    api->key != KAFKA_API_VERSIONS) {
		int got = skip_tags(bytes_first(in, (size_t)size + 4), &end);

		if (got <= 0)
			return got < 0 || in.size >= (size_t)size + 4
				       ? step_bad()
				       : step_more(in.size + 1);
	}
	sink_begin(sink);
	sink_id(sink, (uint32_t)correlation);
	conn->sure = true;
	half->raw = false;
	if (api) {
		sink_field(sink, FIELD_METHOD, bytes_of(api->name));
		begin_body(half, api, pending->version, true);
		pending->used = false;
	}
	half->left = (uint32_t)((size_t)size + 4 - end);
	if (!half->left)
		end_empty(conn, SIDE_SERVER, end, sink);
	return step_done(end);
}

/* What is left of a message and not described. */
static struct step
pass_rest(struct kafka_conn *conn, enum side side, struct bytes in,
	  struct sink *sink)
{
	struct half *half = &conn->halves[side];
	size_t size = in.size < half->left ? in.size : half->left;

	if (!size)
		return step_more(1);
	if (half->raw)
		sink_body(sink, bytes_first(in, size));
	half->left -= (uint32_t)size;
	if (!half->left)
		end_message(conn, side, size, sink);
	return step_done(size);
}

static struct step
go_on(struct kafka_conn *conn, enum side side, struct bytes in,
      struct sink *sink)
{
	struct half *half = &conn->halves[side];
	struct step step;

	if (!half->described || half->body.state == KAFKA_END)
		return pass_rest(conn, side, in, sink);
	step = kafka_body_read(&half->body, bytes_first(in, half->left),
			       half->left, sink);
	if (step.kind != STEP_DONE)
		return step;
	if (!step.n)
		return pass_rest(conn, side, in, sink);
	half->left -= (uint32_t)step.n;
	if (!half->left)
		end_message(conn, side, (size_t)step.n, sink);
	return step;
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct kafka_conn *conn = state;

	if (conn->halves[side].left)
		return go_on(conn, side, in, sink);
	return side == SIDE_CLIENT ? start_request(conn, in, sink)
				   : start_response(conn, in, sink);
}

/* Holes. */

/* Nothing more of the open message is read. */
static void
give_up(struct half *half, struct sink *sink)
{
	sink_incomplete(sink);
	half->raw = false;
	if (half->described)
		kafka_body_end(&half->body, sink);
	half->described = false;
}

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct kafka_conn *conn = state;
	struct half *half = &conn->halves[side];
	uint64_t size = pending.size + missing;

	if (half->left)
		give_up(half, sink);
	if (half->left && missing && size <= half->left) {
		half->left -= (uint32_t)size;
		if (!half->left)
			end_message(conn, side, (size_t)size, sink);
		return true;
	}
	half->left = 0;
	if (side == SIDE_SERVER)
		conn->sure = false;
	return false;
}

static void
finish(void *state, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	(void)clean;
	gap(state, side, pending, 0, sink);
}

static const uint16_t ports[] = { 9092, 9093, 0 };

const struct dissector dissector_kafka = {
	.name = "kafka",
	.title = "Kafka",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_BY_ID,
	.conn_size = sizeof(struct kafka_conn),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.finish = finish,
};
