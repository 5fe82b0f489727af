/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls, connections, names and blocks as rows.  Of these only calls are many:
 * they go into a batch, and their strings become ids by one hash each.
 */
#include "dissect/store/writer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "dissect/store/address.h"
#include "dissect/store/payload_refs.h"
#include "dissect/store/store_format.h"

/* Longer fields are cut; headers and bodies are not fields. */
#define FIELD_LIMIT 15360

/* Calls in a zone: fine enough to skip, coarse enough to cost nothing. */
#define ZONE_CALLS 256

/* A batch that needs more memory than this is committed early. */
#define PENDING_LIMIT (32u << 20)

#define CALL_FLAGS_KNOWN (((unsigned)CALL_WITHOUT_KEYS << 1) - 1)

/* Columns of text beside enum field, for struct writer_recent. */
enum { COLUMN_REQUEST_TYPE = FIELD_COUNT, COLUMN_RESPONSE_TYPE };

static bool
is_plain(struct bytes text)
{
	unsigned other = 0;

	/* No way out early: compilers make wide instructions of this. */
	for (size_t i = 0; i < text.size; i++)
		other |= text.data[i] < 0x20 || text.data[i] > 0x7e;
	return !other;
}

struct bytes
writer_text(struct store_writer *w, struct bytes text)
{
	bool cut = text.size > FIELD_LIMIT;

	text = bytes_first(text, FIELD_LIMIT);
	if (!cut && is_plain(text))
		return text;
	buf_reset(&w->text);
	text_escape(&w->text, text);
	if (cut)
		buf_text(&w->text, "…");
	return buf_view(&w->text);
}

static void
bind_text(sqlite3_stmt *s, int at, struct bytes text)
{
	sqlite3_bind_text(s, at, text.size ? (const char *)text.data : "",
			  (int)text.size, SQLITE_STATIC);
}

int64_t
writer_string(struct store_writer *w, struct bytes text)
{
	sqlite3_stmt *s = w->statements[WRITER_STRING];
	bool added;
	uint32_t id;

	if (text.size == 0)
		return 0;
	text = writer_text(w, text);
	id = intern_id(&w->strings, text, &added);
	if (!added)
		return id;
	sqlite3_bind_int64(s, 1, id);
	bind_text(s, 2, text);
	return writer_step(w, WRITER_STRING) ? -1 : (int64_t)id;
}

/* The id of the text of one column of calls. */
static int64_t
column_string(struct store_writer *w, unsigned column, struct bytes text)
{
	struct writer_recent *recent = &w->recent[column];

	if (text.size == 0)
		return 0;
	if (text.size == recent->size &&
	    memcmp(text.data, recent->text, text.size) == 0)
		return recent->id;
	if (text.size > WRITER_RECENT_SIZE)
		return writer_string(w, text);
	recent->id = writer_string(w, text);
	recent->size = recent->id < 0 ? 0 : (uint8_t)text.size;
	memcpy(recent->text, text.data, text.size);
	return recent->id;
}

int64_t
writer_address(struct store_writer *w, const uint8_t ip[16])
{
	sqlite3_stmt *s = w->statements[WRITER_ADDRESS];
	uint32_t id;
	char text[INET6_ADDRSTRLEN];
	bool added;

	id = intern_id(&w->addresses, bytes_make(ip, 16), &added);
	if (!added)
		return id;
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_text(s, 2, address_text(ip, text), -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 3, ip, 16, SQLITE_STATIC);
	return writer_step(w, WRITER_ADDRESS) ? -1 : (int64_t)id;
}

/* The same for one end of a call. */
static int64_t
end_address(struct store_writer *w, struct writer_recent_address *recent,
	    const uint8_t ip[16])
{
	if (recent->id <= 0 || memcmp(recent->ip, ip, sizeof(recent->ip)) != 0) {
		recent->id = writer_address(w, ip);
		memcpy(recent->ip, ip, sizeof(recent->ip));
	}
	return recent->id;
}

int
writer_zone_flush(struct store_writer *w)
{
	sqlite3_stmt *s = w->statements[WRITER_ZONE];
	const struct writer_zone *z = &w->zone;
	const int64_t values[] = {
		z->first_id,   z->first_id + z->count - 1, z->min_ts,
		z->max_ts,     z->max_elapsed,             z->max_size,
		z->min_status, z->max_status,              z->errors,
		z->statuses,
	};

	if (z->count == 0)
		return w->error.code;
	for (int i = 0; i < (int)(sizeof(values) / sizeof(*values)); i++)
		sqlite3_bind_int64(s, i + 1, values[i]);
	memset(&w->zone, 0, sizeof(w->zone));
	return writer_step(w, WRITER_ZONE);
}

static int64_t
max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What the columns of a call need and its event does not say directly. */
struct call_times {
	int64_t ts;
	int64_t elapsed; /* -1: not a pair */
	int64_t request, response;
};

static int
zone_add(struct store_writer *w, const struct call_event *c,
	 const struct call_times *t)
{
	struct writer_zone *z = &w->zone;
	int64_t size = (int64_t)(c->request.wire_bytes +
				 c->response.wire_bytes);
	int64_t status = c->status < 0 ? 0 : c->status;

	if (z->count++ == 0) {
		z->first_id = (int64_t)w->counts.calls;
		z->min_ts = z->max_ts = t->ts;
		z->min_status = z->max_status = status;
	}
	z->min_ts = min_i64(z->min_ts, t->ts);
	z->max_ts = max_i64(z->max_ts, t->ts);
	z->max_elapsed = max_i64(z->max_elapsed, t->elapsed);
	z->max_size = max_i64(z->max_size, size);
	z->min_status = min_i64(z->min_status, status);
	z->max_status = max_i64(z->max_status, status);
	z->statuses |= (int64_t)1 << status % 63;
	z->errors += (c->flags & CALL_IS_ERROR) != 0;
	return z->count == ZONE_CALLS ? writer_zone_flush(w) : 0;
}

static struct call_times
call_times(const struct call_event *c)
{
	const struct call_half *q = &c->request, *r = &c->response;
	bool has_request = c->flags & CALL_HAS_REQUEST;
	bool has_response = c->flags & CALL_HAS_RESPONSE;
	struct call_times t = { .ts = has_request ? q->first_ns : r->first_ns,
				.elapsed = -1 };

	if (has_request)
		t.request = max_i64(0, q->last_ns - q->first_ns);
	if (has_response)
		t.response = max_i64(0, r->last_ns - r->first_ns);
	if (has_request && has_response)
		t.elapsed = max_i64(0, r->last_ns - q->first_ns);
	return t;
}

/* Sums of two stay within an int64_t. */
static bool
is_size(uint64_t value)
{
	return value <= INT64_MAX / 2;
}

static bool
half_is_sane(const struct call_half *h)
{
	return h->first_ns >= 0 && h->last_ns >= 0 && is_size(h->wire_bytes) &&
	       is_size(h->body_bytes) && is_size(h->body_wire_bytes) &&
	       is_size(h->packet.offset) && is_size(h->head_ref.block) &&
	       is_size(h->body_ref.block) && is_size(h->messages_ref.block);
}

static bool
ref_is_sane(const struct payload_ref *ref)
{
	return ref->size <= PAYLOAD_BLOCK_LIMIT &&
	       ref->offset <= PAYLOAD_BLOCK_LIMIT - ref->size;
}

static bool
refs_are_sane(const struct call_half *h)
{
	return ref_is_sane(&h->head_ref) && ref_is_sane(&h->body_ref) &&
	       ref_is_sane(&h->messages_ref);
}

static bool
call_is_sane(const struct call_event *c)
{
	return (unsigned)c->protocol < PROTOCOL_COUNT &&
	       (unsigned)c->reason < CALL_REASON_COUNT &&
	       (c->flags & ~CALL_FLAGS_KNOWN) == 0 &&
	       (c->flags & (CALL_HAS_REQUEST | CALL_HAS_RESPONSE)) != 0 &&
	       is_size(c->connection) && c->status >= -1 &&
	       half_is_sane(&c->request) && half_is_sane(&c->response) &&
	       refs_are_sane(&c->request) && refs_are_sane(&c->response);
}

/* The row of a call, in the order of 1_tables.sql. */

static void
row_optional(struct row_batch *b, bool present, int64_t value)
{
	if (present)
		row_integer(b, value);
	else
		row_null(b);
}

static void
row_string(struct store_writer *w, unsigned column, struct bytes text)
{
	row_integer(w->calls, column_string(w, column, text));
}

static void
row_field(struct store_writer *w, const struct call_event *c, enum field field)
{
	row_string(w, field, c->fields[field]);
}

/* What carried a call; nothing: TCP. */
static int64_t
over_flag(uint8_t ip_protocol)
{
	if (ip_protocol == IPPROTO_UDP)
		return STORE_CALL_OVER_UDP;
	if (ip_protocol == IPPROTO_ICMP || ip_protocol == IPPROTO_ICMPV6)
		return STORE_CALL_OVER_ICMP;
	return 0;
}

static void
row_hot(struct store_writer *w, const struct call_event *c,
	const struct call_times *t)
{
	struct row_batch *b = w->calls;

	row_integer(b, t->ts);
	row_optional(b, t->elapsed >= 0, t->elapsed);
	row_optional(b, c->status >= 0, c->status);
	row_integer(b, (int64_t)c->flags | over_flag(c->ip_protocol));
	row_integer(b, (int64_t)c->protocol);
	row_field(w, c, FIELD_METHOD);
	row_field(w, c, FIELD_HOST);
	row_field(w, c, FIELD_PATH);
	row_integer(b, (int64_t)c->request.wire_bytes);
	row_integer(b, (int64_t)c->response.wire_bytes);
	row_integer(b, end_address(w, &w->recent_client, c->client.ip));
	row_integer(b, end_address(w, &w->recent_server, c->server.ip));
	row_integer(b, c->client.port);
	row_integer(b, c->server.port);
	row_integer(b, (int64_t)c->connection);
	row_text(b, writer_text(w, c->fields[FIELD_QUERY]));
}

/* The content type of a half; an event without it there has it in fields. */
static struct bytes
content_type(const struct call_event *c, const struct call_half *half)
{
	if (half->content_type.size || half == &c->request ||
	    c->request.content_type.size)
		return half->content_type;
	return c->fields[FIELD_CONTENT_TYPE];
}

static void
row_body_sizes(struct row_batch *b, const struct call_half *q,
	       const struct call_half *r)
{
	row_integer(b, (int64_t)q->body_bytes);
	row_integer(b, (int64_t)r->body_bytes);
	row_optional(b, q->body_wire_bytes != q->body_bytes,
		     (int64_t)q->body_wire_bytes);
	row_optional(b, r->body_wire_bytes != r->body_bytes,
		     (int64_t)r->body_wire_bytes);
}

static void
row_packet(struct row_batch *b, bool present, struct packet_ref packet)
{
	row_optional(b, present, packet.segment);
	row_optional(b, present, (int64_t)packet.offset);
}

static void
row_payload(struct row_batch *b, const struct call_event *c)
{
	const struct payload_ref refs[PAYLOAD_PART_COUNT] = {
		c->request.head_ref, c->response.head_ref,
		c->request.body_ref, c->response.body_ref,
		c->request.messages_ref, c->response.messages_ref,
	};
	uint8_t blob[PAYLOAD_REFS_SIZE];
	size_t size = payload_refs_encode(refs, blob);

	if (size)
		row_blob(b, bytes_make(blob, size));
	else
		row_null(b);
}

static void
row_cold(struct store_writer *w, const struct call_event *c,
	 const struct call_times *t)
{
	const struct call_half *q = &c->request, *r = &c->response;
	struct row_batch *b = w->calls;

	row_field(w, c, FIELD_VERSION);
	row_field(w, c, FIELD_STATUS_TEXT);
	row_string(w, COLUMN_REQUEST_TYPE, content_type(c, q));
	row_string(w, COLUMN_RESPONSE_TYPE, content_type(c, r));
	row_field(w, c, FIELD_USER_AGENT);
	row_field(w, c, FIELD_ERROR);
	row_field(w, c, FIELD_SUMMARY);
	row_field(w, c, FIELD_TLS);
	row_integer(b, (int64_t)c->reason);
	row_integer(b, t->request);
	row_integer(b, t->response);
	row_body_sizes(b, q, r);
	row_packet(b, c->flags & CALL_HAS_REQUEST, q->packet);
	row_packet(b, c->flags & CALL_HAS_RESPONSE, r->packet);
	row_payload(b, c);
}

int
writer_calls_flush(struct store_writer *w)
{
	if (row_batch_flush(w->calls) == SQLITE_OK)
		return 0;
	return writer_fail(w, ERR_IO, "cannot write");
}

/* writer_begin for something that takes `size` bytes of memory. */
static int
begin_within(struct store_writer *w, size_t size)
{
	if (w->pending_bytes > PENDING_LIMIT && store_writer_commit(w))
		return w->error.code;
	w->pending_bytes += size;
	return writer_begin(w);
}

int
store_writer_call(struct store_writer *w, const struct call_event *c)
{
	struct call_times t;

	if (!call_is_sane(c))
		return writer_fail(w, ERR_CORRUPT, "an impossible call");
	if (row_batch_full(w->calls) && store_writer_commit(w))
		return w->error.code;
	if (writer_begin(w))
		return w->error.code;
	t = call_times(c);
	row_begin(w->calls, (int64_t)++w->counts.calls, t.ts);
	row_hot(w, c, &t);
	row_cold(w, c, &t);
	row_end(w->calls);
	if (w->error.code)
		return w->error.code;
	w->counts.calls_by_protocol[c->protocol]++;
	writer_span(w, t.ts, t.ts);
	return zone_add(w, c, &t);
}

/* Binds values one after the other. */
struct binder {
	sqlite3_stmt *s;
	int at;
};

static void
put(struct binder *b, int64_t value)
{
	sqlite3_bind_int64(b->s, ++b->at, value);
}

static bool
connection_is_sane(const struct connection_event *c)
{
	const struct tcp_facts *t = &c->tcp;
	bool sane = is_size(c->id) && c->first_ns >= 0 && c->last_ns >= 0 &&
		    (unsigned)c->protocol < PROTOCOL_COUNT &&
		    (unsigned)c->state < STORE_STATE_COUNT &&
		    is_size(c->duplicate_packets) &&
		    is_size(c->undissected_bytes) && is_size(c->packet.offset);

	for (int i = 0; i < 2; i++)
		sane = sane && is_size(c->packets[i]) &&
		       is_size(c->wire_bytes[i]) &&
		       is_size(t->missing_bytes[i]) &&
		       is_size(t->window_sum[i]) &&
		       is_size(t->payload_bytes[i]);
	return sane;
}

static void
put_two(struct binder *b, const uint64_t values[2])
{
	put(b, (int64_t)values[0]);
	put(b, (int64_t)values[1]);
}

static void
put_two_small(struct binder *b, const uint32_t values[2])
{
	put(b, values[0]);
	put(b, values[1]);
}

static void
put_first_bytes(struct binder *b, struct bytes in)
{
	if (in.size)
		sqlite3_bind_blob(b->s, ++b->at, in.data,
				  (int)bytes_first(in, 32).size, SQLITE_STATIC);
	else
		sqlite3_bind_null(b->s, ++b->at);
}

static void
put_connection(struct store_writer *w, struct binder *b,
	       const struct connection_event *c)
{
	int flags = (c->midstream ? STORE_CONN_MIDSTREAM : 0) |
		    (c->direction_guessed ? STORE_CONN_GUESSED : 0) |
		    (c->one_direction ? STORE_CONN_ONE_DIRECTION : 0);

	put(b, (int64_t)c->id);
	put(b, c->first_ns);
	put(b, max_i64(c->first_ns, c->last_ns));
	put(b, (int64_t)c->protocol);
	put(b, c->ip_protocol);
	put(b, (int64_t)c->state);
	put(b, flags);
	put(b, writer_address(w, c->client.ip));
	put(b, writer_address(w, c->server.ip));
	put(b, c->client.port);
	put(b, c->server.port);
	put(b, c->calls);
	put_two(b, c->packets);
	put_two(b, c->wire_bytes);
	put_two(b, c->tcp.payload_bytes);
	put(b, (int64_t)c->undissected_bytes);
	put(b, (int64_t)c->duplicate_packets);
	put_two(b, c->tcp.missing_bytes);
	put_two_small(b, c->tcp.holes);
	put(b, c->vlan);
	put(b, c->interface);
	put(b, c->packet.segment);
	put(b, (int64_t)c->packet.offset);
	put_first_bytes(b, c->first_bytes[0]);
	put_first_bytes(b, c->first_bytes[1]);
}

static void
put_ends(struct store_writer *w, struct binder *b,
	 const struct connection_event *c)
{
	for (int i = 0; i < 2; i++)
		put(b, writer_process(w, &c->ends[i]));
	for (int i = 0; i < 2; i++)
		put(b, c->ends[i].thread);
	for (int i = 0; i < 2; i++)
		put(b, (int64_t)c->ends[i].mechanism);
}

static void
put_tcp(struct binder *b, const struct tcp_facts *t)
{
	put(b, t->completeness);
	put(b, t->handshake_ns);
	put(b, t->initial_rtt_ns);
	put(b, t->rtt_min_ns);
	put(b, t->rtt_max_ns);
	put(b, t->rtt_sum_ns);
	put(b, t->rtt_samples);
	put(b, t->jitter_ns);
	put(b, t->first_data_ns);
	put_two_small(b, t->window_scale);
	put_two(b, t->window_sum);
	put_two_small(b, t->retransmissions);
	put_two_small(b, t->fast_retransmissions);
	put_two_small(b, t->out_of_order);
	put_two_small(b, t->dup_acks);
	put_two_small(b, t->zero_windows);
	put_two_small(b, t->windows_full);
	put_two_small(b, t->keepalives);
	put_two_small(b, t->resets);
	put_two_small(b, t->fins);
	put_two_small(b, t->overlaps_differing);
}

int
store_writer_connection(struct store_writer *w,
			const struct connection_event *c)
{
	struct binder b = { w->statements[WRITER_CONNECTION], 0 };

	if (!connection_is_sane(c))
		return writer_fail(w, ERR_CORRUPT, "an impossible connection");
	if (writer_begin(w))
		return w->error.code;
	put_connection(w, &b, c);
	put_tcp(&b, &c->tcp);
	put_ends(w, &b, c);
	if (writer_step(w, WRITER_CONNECTION))
		return w->error.code;
	w->counts.connections++;
	writer_span(w, c->first_ns, c->last_ns);
	return 0;
}

int
store_writer_name(struct store_writer *w, const struct name_event *name)
{
	sqlite3_stmt *s = w->statements[WRITER_NAME];
	char ip[INET6_ADDRSTRLEN];

	if (writer_begin(w))
		return w->error.code;
	sqlite3_bind_text(s, 1, address_text(name->ip, ip), -1, SQLITE_STATIC);
	bind_text(s, 2, writer_text(w, name->name));
	sqlite3_bind_int64(s, 3, name->time_ns);
	return writer_step(w, WRITER_NAME);
}

int
store_writer_block(struct store_writer *w, uint64_t block,
		   enum payload_kind kind, uint32_t raw_size,
		   struct bytes compressed)
{
	sqlite3_stmt *s = w->statements[WRITER_BLOCK];

	if (!is_size(block) || raw_size > PAYLOAD_BLOCK_LIMIT ||
	    compressed.size > 2 * PAYLOAD_BLOCK_LIMIT)
		return writer_fail(w, ERR_CORRUPT, "an impossible block");
	if (begin_within(w, compressed.size))
		return w->error.code;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)block);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)kind);
	sqlite3_bind_int64(s, 3, raw_size);
	sqlite3_bind_blob(s, 4, compressed.data, (int)compressed.size,
			  SQLITE_STATIC);
	return writer_step(w, WRITER_BLOCK);
}
