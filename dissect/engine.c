/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "dissect/connection.h"
#include "dissect/connection_event.h"
#include "dissect/decode.h"
#include "dissect/defrag.h"
#include "dissect/duplicate.h"
#include "dissect/places.h"
#include "dissect/tls/key_store.h"
#include "dissect/who.h"

/* How often, in packet time, idle and waiting connections are looked for. */
#define TICK_NS (100 * CLOCK_NS_PER_MS)
/* Packet time this far behind is a clock that was set back. */
#define SET_BACK_NS (60 * CLOCK_NS_PER_S)
/* Packets as a network namespace's own stack has them (LINKTYPE_RAW). */
#define LINK_TYPE_RAW 101
/* Times are kept where their differences cannot overflow. */
#define TIME_MAX (INT64_MAX / 4)

struct engine {
	struct engine_options options;
	struct event_sink events; /* the caller's */
	struct coverage coverage;
	struct stream_context streams;
	struct reassembly_context reassembly;
	struct connection_table *table;
	struct duplicates *duplicates;
	struct defrag *defrag;
	struct who *who;
	struct places places;
	int64_t tick_ns;
	uint64_t next_id;
	uint64_t calls;              /* emitted so far */
	enum protocol last_protocol; /* of the last call */
	bool started, finished;
};

/* Why a connection is ended. */
enum ending { ENDING_IDLE, ENDING_REPLACED, ENDING_EVICTED, ENDING_CAPTURE };

struct engine_options
engine_defaults(void)
{
	return (struct engine_options){
		.stream = {
			.protocols = UINT64_MAX,
			.body_limit = 4u << 20,
			.head_limit = 256u << 10,
			.pending_limit = 4096,
		},
		.shard_count = 1,
		.connection_limit = 65536,
		.reassembly_limit = 48u << 20,
		.reassembly_connection_limit = 4u << 20,
		.body_memory_limit = 64u << 20,
		.identity_limit = 16u << 20,
		.secret_limit = 65536,
	};
}

/* ---- what the reassembly passes on ---- */

static struct endpoint
connection_client(const struct connection *c)
{
	return c->client_is_low ? c->key.low : c->key.high;
}

static struct endpoint
connection_server(const struct connection *c)
{
	return c->client_is_low ? c->key.high : c->key.low;
}

static struct stream *
connection_stream(struct connection *c)
{
	struct stream_identity identity;

	if (c->stream)
		return c->stream;
	identity = (struct stream_identity){
		.connection = c->id,
		.client = connection_client(c),
		.server = connection_server(c),
		.ip_protocol = (uint8_t)c->key.ip_protocol,
		.midstream = c->midstream,
	};
	c->stream = stream_new(&c->engine->streams, &identity);
	return c->stream;
}

static void
pass_data(void *owner, enum side side, struct bytes data,
	  const struct stream_at *at)
{
	stream_data(connection_stream(owner), side, data, at);
}

static void
pass_gap(void *owner, enum side side, uint64_t missing,
	 const struct stream_at *at)
{
	stream_gap(connection_stream(owner), side, missing, at);
}

static void
pass_finish(void *owner, enum side side, bool clean)
{
	struct connection *c = owner;

	if (c->stream)
		stream_finish(c->stream, side, clean);
}

/* Counts the calls that streams emit while they are freed. */
static void
pass_call(void *context, struct call_event *call)
{
	struct engine *e = context;

	e->calls++;
	e->last_protocol = call->protocol;
	if (e->events.call)
		e->events.call(e->events.context, call);
}

static void
pass_name(void *context, const struct name_event *name)
{
	struct engine *e = context;

	if (e->events.name)
		e->events.name(e->events.context, name);
}

/* ---- life and death ---- */

struct engine *
engine_new(const struct engine_options *options, struct event_sink events)
{
	struct engine *e = alloc_zero(1, sizeof(*e));
	struct hash_key key = hash_key_random();

	e->options = *options;
	if (e->options.shard_count == 0)
		e->options.shard_count = 1;
	e->events = events;
	e->streams = (struct stream_context){
		.options = options->stream,
		.events = { .context = e,
			    .call = pass_call,
			    .name = pass_name },
		.coverage = &e->coverage,
		.buffered_limit = options->body_memory_limit,
	};
	e->reassembly = (struct reassembly_context){
		.data = pass_data,
		.gap = pass_gap,
		.finish = pass_finish,
		.limit = options->reassembly_limit,
		.recent = alloc_zero(REASSEMBLY_RECENT_SIZE, 1),
		.connection_limit = options->reassembly_connection_limit,
	};
	e->table = connection_table_new(options->connection_limit);
	e->duplicates = duplicates_new(key.k0);
	e->defrag = defrag_new();
	e->who = who_new(&(struct who_options){
		.shard_index = e->options.shard_index,
		.shard_count = e->options.shard_count,
		.memory_limit = options->identity_limit,
	});
	return e;
}

void
engine_secret(struct engine *e, const struct secret *secret)
{
	if (!e->streams.keys)
		e->streams.keys = key_store_new(e->options.secret_limit);
	if (!key_store_add(e->streams.keys, secret))
		e->coverage.tls_secrets_left_out++;
}

static enum connection_state
end_state(const struct connection *c, enum ending ending)
{
	const struct tcp *t = c->tcp;

	if (t && t->reset)
		return CONNECTION_RESET;
	if (t && tcp_closed(t))
		return CONNECTION_CLOSED;
	if (ending == ENDING_EVICTED)
		return CONNECTION_EVICTED;
	if (c->packets[SIDE_SERVER] == 0 && !c->midstream &&
	    (!t || !(t->facts.completeness & 4)))
		return CONNECTION_HALF_OPEN;
	if (!t && ending == ENDING_IDLE)
		return CONNECTION_CLOSED;
	return CONNECTION_OPEN;
}

/* One side only, which acknowledged what the other must have sent. */
static bool
end_one_direction(const struct connection *c)
{
	return c->tcp && (c->packets[0] == 0) != (c->packets[1] == 0) &&
	       (c->tcp->sides[0].ack || c->tcp->sides[1].ack);
}

static enum call_reason
end_reason(const struct connection_event *event, enum ending ending)
{
	if (event->one_direction)
		return CALL_REASON_ONE_DIRECTION;
	if (event->state == CONNECTION_EVICTED)
		return CALL_REASON_EVICTED;
	if (ending == ENDING_CAPTURE && event->state != CONNECTION_CLOSED &&
	    event->state != CONNECTION_RESET)
		return CALL_REASON_CAPTURE_ENDED;
	return CALL_REASON_NO_RESPONSE;
}

static void
event_describe(struct connection_event *event, const struct connection *c,
	       enum ending ending)
{
	*event = (struct connection_event){
		.id = c->id,
		.client = connection_client(c),
		.server = connection_server(c),
		.ip_protocol = (uint8_t)c->key.ip_protocol,
		.state = end_state(c, ending),
		.midstream = c->midstream,
		.direction_guessed = c->direction_guessed,
		.one_direction = end_one_direction(c),
		.vlan = c->vlan,
		.interface = c->interface,
		.first_ns = c->first_ns,
		.last_ns = c->last_ns,
		.packets = { c->packets[0], c->packets[1] },
		.wire_bytes = { c->wire_bytes[0], c->wire_bytes[1] },
		.duplicate_packets = c->duplicates,
		.packet = c->first_packet,
	};
	if (c->tcp)
		event->tcp = *tcp_finish(c->tcp);
}

/* Reads what the stream found and frees it; `first` keeps the first bytes. */
static void
event_end_stream(struct engine *e, struct connection *c,
		 struct connection_event *event, uint8_t first[2][32],
		 enum call_reason reason)
{
	uint64_t calls;
	bool reversed;

	stream_settle(c->stream);
	reversed = stream_reversed(c->stream);
	event->protocol = stream_protocol(c->stream);
	event->calls = stream_calls(c->stream);
	calls = e->calls; /* freeing may add to them */
	event->undissected_bytes = stream_undissected(c->stream);
	for (unsigned i = 0; i < 2; i++) {
		struct bytes b = bytes_first(
			stream_first_bytes(c->stream, (enum side)i), 32);

		if (b.size > 0)
			memcpy(first[i], b.data, b.size);
		event->first_bytes[i] = bytes_make(first[i], b.size);
	}
	stream_free(c->stream, reason);
	c->stream = NULL;
	event->calls += (uint32_t)(e->calls - calls);
	if (event->protocol == PROTOCOL_UNKNOWN && e->calls > calls)
		event->protocol = e->last_protocol;
	if (reversed)
		connection_event_reverse(event);
}

/* Asks who was at one end, and introduces the process. */
static void
find_end(struct engine *e, const struct connection *c,
	 struct connection_event *event, enum side side)
{
	struct connection_end *end = &event->ends[side];
	const struct endpoint *local =
		side == SIDE_CLIENT ? &event->client : &event->server;
	bool is_low = memcmp(local, &c->key.low, sizeof(*local)) == 0;
	struct who_query query = {
		.local = *local,
		.remote = side == SIDE_CLIENT ? event->server : event->client,
		.ip_protocol = event->ip_protocol,
		.realm = c->realms[is_low ? 0 : 1],
		.first_ns = event->first_ns,
		.last_ns = event->last_ns,
	};
	struct process_event process;

	if (!who_find(e->who, &query, end))
		return;
	e->coverage.ends_known++;
	if (who_take_process(e->who, end, &process) && e->events.process)
		e->events.process(e->events.context, &process);
}

static void
find_ends(struct engine *e, const struct connection *c,
	  struct connection_event *event)
{
	find_end(e, c, event, SIDE_CLIENT);
	find_end(e, c, event, SIDE_SERVER);
	if (!event->ends[SIDE_CLIENT].mechanism &&
	    !event->ends[SIDE_SERVER].mechanism)
		e->coverage.connections_anonymous++;
}

/* Processes that ended, or became known better, after they were given. */
static void
give_changed_processes(struct engine *e)
{
	struct process_event process;
	size_t cursor = 0;

	while (who_next_changed(e->who, &cursor, &process))
		if (e->events.process)
			e->events.process(e->events.context, &process);
}

static void
count_ended(struct engine *e, const struct connection_event *event,
	    bool had_stream)
{
	struct coverage *v = &e->coverage;

	v->connections_evicted += event->state == CONNECTION_EVICTED;
	if (had_stream && event->protocol == PROTOCOL_UNKNOWN) {
		v->unknown_connections++;
		v->unknown_bytes += event->undissected_bytes;
	}
	for (unsigned i = 0; i < 2; i++) {
		v->holes += event->tcp.holes[i];
		v->missing_bytes += event->tcp.missing_bytes[i];
	}
}

static void
end_connection(struct engine *e, struct connection *c, enum ending ending)
{
	uint8_t first[2][32];
	struct connection_event event;
	bool had_stream;

	if (c->tcp)
		reassembly_flush(
			&c->tcp->reassembly, &e->reassembly,
			&(struct stream_at){ .time_ns = c->last_ns,
					     .packet = c->last_packet });
	event_describe(&event, c, ending);
	had_stream = c->stream;
	if (c->stream)
		event_end_stream(e, c, &event, first,
				 end_reason(&event, ending));
	event.calls += c->reports;
	count_ended(e, &event, had_stream);
	find_ends(e, c, &event);
	if (e->events.connection)
		e->events.connection(e->events.context, &event);
	connection_remove(e->table, c);
}

static void
end_all(struct engine *e, enum ending ending)
{
	struct connection *c;

	while ((c = connection_victim(e->table)))
		end_connection(e, c, ending);
}

static void
update_coverage(struct engine *e)
{
	e->coverage.bytes_given_up += e->reassembly.given_up;
	e->reassembly.given_up = 0;
	if (e->options.shard_index == 0)
		e->coverage.fragments_lost = defrag_lost(e->defrag);
	e->coverage.identities_left_out = who_left_out(e->who);
}

void
engine_free(struct engine *e)
{
	if (!e)
		return;
	e->events = (struct event_sink){ 0 };
	end_all(e, ENDING_CAPTURE);
	connection_table_free(e->table);
	duplicates_free(e->duplicates);
	defrag_free(e->defrag);
	who_free(e->who);
	places_free(&e->places);
	key_store_free(e->streams.keys);
	free(e->reassembly.recent);
	free(e);
}

void
engine_finish(struct engine *e)
{
	if (e->finished)
		return;
	e->finished = true;
	defrag_flush(e->defrag);
	end_all(e, ENDING_CAPTURE);
	give_changed_processes(e);
	update_coverage(e);
}

const struct coverage *
engine_coverage(const struct engine *e)
{
	return &e->coverage;
}

/* ---- time ---- */

static void
tick(struct engine *e)
{
	int64_t now = e->reassembly.now_ns;
	struct connection *c, *next;

	e->tick_ns = now + TICK_NS;
	for (c = connection_waiting(e->table); c; c = next) {
		next = c->wait_next;
		if (!reassembly_expire(&c->tcp->reassembly, &e->reassembly))
			connection_wait(e->table, c, false);
	}
	while ((c = connection_idle(e->table, now)))
		end_connection(e, c, ENDING_IDLE);
	update_coverage(e);
}

/* Packet time that does not run backwards, unless the clock was set. */
static void
advance_time(struct engine *e, int64_t time_ns)
{
	int64_t now = e->reassembly.now_ns;

	if (!e->started || time_ns > now) {
		e->reassembly.now_ns = time_ns;
	} else if (now - time_ns > SET_BACK_NS) {
		e->reassembly.now_ns = time_ns;
		e->tick_ns = time_ns;
	}
	e->started = true;
	if (e->reassembly.now_ns >= e->tick_ns)
		tick(e);
}

/* ---- interfaces and who was there ---- */

void
engine_interface(struct engine *e, uint32_t number, uint32_t stream,
		 uint64_t netns)
{
	places_note(&e->places, number, who_realm(stream, netns));
}

void
engine_interface_apart(struct engine *e, uint32_t number)
{
	places_set_apart(&e->places, number);
}

void
engine_custom_block(struct engine *e, uint32_t stream, struct bytes body)
{
	who_block(e->who, stream, body, e->reassembly.now_ns);
}

/* ---- packets ---- */

static void
count_packet(struct engine *e, const struct packet_record *record)
{
	e->coverage.packets++;
	e->coverage.packet_bytes += record->captured;
	e->coverage.cut_packets += record->captured < record->length;
}

/* Packets without a connection, by what they are. */
static void
count_verdict(struct engine *e, enum packet_verdict verdict)
{
	struct coverage *v = &e->coverage;

	v->fragments += verdict == PACKET_FRAGMENT;
	v->non_ip_packets += verdict == PACKET_NON_IP;
	v->malformed_packets += verdict == PACKET_MALFORMED;
	v->unsupported_packets += verdict == PACKET_UNSUPPORTED;
}

/* Replaces a fragment by the packet that it completes, if it does. */
static enum packet_verdict
defragment(struct engine *e, struct packet *p)
{
	enum packet_verdict verdict = PACKET_FRAGMENT;
	struct bytes data;
	uint32_t length;

	/* Not deeper: what is reassembled next would lie in the same memory. */
	switch (defrag_add(e->defrag, p, e->reassembly.now_ns, &data,
			   &length)) {
	case DEFRAG_WHOLE:
		verdict = decode_reassembled(p, data, length);
		break;
	case DEFRAG_DUPLICATE:
		if (e->options.shard_index == 0)
			e->coverage.duplicate_packets++;
		break;
	case DEFRAG_WAIT:
	case DEFRAG_BAD:
		break;
	}
	return verdict;
}

/* The side that looks like the server's by its port. */
static bool
source_serves(const struct packet *p)
{
	if (p->ip_protocol == IP_PROTOCOL_TCP)
		return p->source.port < p->target.port;
	return p->answer || (p->source.port > 0 && p->source.port < 1024 &&
			     p->target.port >= 1024);
}

static void
find_direction(struct connection *c, const struct packet *p, bool source_is_low)
{
	bool from_server = source_serves(p);

	if (c->tcp && (p->tcp.flags & TCP_SYN)) {
		from_server = p->tcp.flags & TCP_ACK;
	} else if (c->tcp) {
		c->midstream = true;
		c->direction_guessed = true;
	} else {
		c->direction_guessed = from_server && !p->answer;
	}
	c->client_is_low = source_is_low != from_server;
}

static struct connection *
open_connection(struct engine *e, const struct connection_key *key,
		uint64_t hash, const struct packet_record *record)
{
	struct connection *c;

	while (connection_table_full(e->table))
		end_connection(e, connection_victim(e->table), ENDING_EVICTED);
	c = connection_add(e->table, key, hash, e->reassembly.now_ns);
	c->engine = e;
	c->id = e->next_id++ * e->options.shard_count + e->options.shard_index;
	c->interface = record->interface;
	c->first_packet =
		(struct packet_ref){ record->segment, record->offset };
	c->first_ns = c->last_ns = record->time_ns;
	if (c->tcp) {
		c->tcp->reassembly.owner = c;
		tcp_init(c->tcp, record->time_ns);
	}
	e->coverage.connections++;
	return c;
}

static enum side
packet_side(const struct connection *c, bool source_is_low)
{
	return source_is_low == c->client_is_low ? SIDE_CLIENT : SIDE_SERVER;
}

static enum connection_kind
kind_of(const struct connection *c)
{
	if (!c->tcp)
		return CONNECTION_DATAGRAMS;
	if (tcp_closed(c->tcp))
		return CONNECTION_ENDED;
	if (!c->tcp->sides[0].seen || !c->tcp->sides[1].seen)
		return CONNECTION_UNANSWERED;
	return CONNECTION_STREAM;
}

static void
count_in_connection(struct connection *c, enum side side,
		    const struct packet *p, const struct stream_at *at)
{
	c->packets[side]++;
	c->wire_bytes[side] += p->ip_length;
	if (at->time_ns < c->first_ns)
		c->first_ns = at->time_ns;
	if (at->time_ns > c->last_ns)
		c->last_ns = at->time_ns;
	/* In parts, as it was written: the whole would wait for these writes. */
	c->last_packet.segment = at->packet.segment;
	c->last_packet.offset = at->packet.offset;
	if (c->vlan == 0)
		c->vlan = p->vlan;
}

static void
take_tcp(struct engine *e, struct connection *c, enum side side,
	 const struct packet *p, const struct stream_at *at)
{
	const struct reassembly *r = &c->tcp->reassembly;

	if (p->tcp.flags & TCP_SYN)
		c->midstream = false; /* overtaken by its first bytes */
	if (tcp_is_part(c->tcp, side, p, at->time_ns)) {
		e->coverage.duplicate_packets++;
		c->duplicates++;
	} else {
		count_in_connection(c, side, p, at);
		tcp_observe(c->tcp, side, p, at->time_ns);
	}
	tcp_reassemble(c->tcp, &e->reassembly, side, p, at);
	connection_wait(e->table, c, r->sides[0].count + r->sides[1].count > 0);
}

static void
take_packet(struct engine *e, struct connection *c, enum side side,
	    const struct packet *p, const struct packet_record *record)
{
	struct stream_at at = {
		.time_ns = record->time_ns,
		.packet = { record->segment, record->offset },
	};

	if (c->tcp) {
		take_tcp(e, c, side, p, &at);
	} else {
		struct bytes message = packet_datagram(p);

		count_in_connection(c, side, p, &at);
		if (message.size > 0)
			stream_data(connection_stream(c), side, message, &at);
	}
	connection_touch(e->table, c, kind_of(c), e->reassembly.now_ns);
}

/* The end of a connection that is where the packet was seen: what leaves the
 * namespace's own stack, or is delivered to it, passes no link header; and
 * loopback addresses never leave it. */
static void
note_realm(struct connection *c, const struct packet_record *record,
	   struct place place, bool source_is_low)
{
	bool outbound = record->direction == PACKET_OUTBOUND;
	uint32_t realm = place.realm;

	if (realm == 0)
		return;
	if (c->key.realm && !place.apart)
		c->realms[0] = c->realms[1] = realm;
	else if (record->direction && record->link_type == LINK_TYPE_RAW)
		c->realms[outbound == source_is_low ? 0 : 1] = realm;
}

/* An ICMP message about a connection that was seen: a call of it, which
 * changes nothing else in it. */
static void
take_report(struct engine *e, struct connection *c, const struct packet *p,
	    const struct packet_record *record)
{
	struct stream_identity identity = {
		.connection = c->id,
		.client = p->target,
		.server = p->source,
		.ip_protocol = p->ip_protocol,
	};
	struct stream_at at = {
		.time_ns = record->time_ns,
		.packet = { record->segment, record->offset },
	};
	struct stream *s = stream_new(&e->streams, &identity);

	stream_data(s, SIDE_SERVER, p->transport, &at);
	c->reports += stream_calls(s);
	stream_free(s, CALL_REASON_NONE);
}

/* Whether `p` reports on a connection that was seen, and was taken there. */
static bool
is_report(struct engine *e, const struct packet *p,
	  const struct packet_record *record, const struct connection_keys *at)
{
	struct connection *about;

	if (!p->quotes)
		return false;
	about = connection_find(e->table, &at->about,
				connection_hash(e->table, &at->about));
	if (about)
		take_report(e, about, p, record);
	return about;
}

/* A packet of this shard and within the filter. */
static void
find_and_take(struct engine *e, const struct packet *p,
	      const struct packet_record *record,
	      const struct connection_keys *at)
{
	struct place place = places_at(&e->places, record->interface);
	bool low = at->source_is_low;
	uint64_t hash = connection_hash(e->table, &at->key), print;
	struct connection *c;

	connection_prefetch(e->table, hash);
	print = duplicates_print(e->duplicates, p, hash);
	c = connection_find(e->table, &at->key, hash);
	if (c)
		__builtin_prefetch(c->tcp, 1);
	if (duplicates_check(e->duplicates, p, print, record->time_ns)) {
		e->coverage.duplicate_packets++;
		if (c) {
			c->duplicates++;
			note_realm(c, record, place, low);
		}
		return;
	}
	if (is_report(e, p, record, at))
		return;
	if (c && c->tcp && tcp_begins_another(c->tcp, packet_side(c, low), p)) {
		end_connection(e, c, ENDING_REPLACED);
		c = NULL;
	}
	if (!c) {
		c = open_connection(e, &at->key, hash, record);
		find_direction(c, p, low);
	}
	note_realm(c, record, place, low);
	take_packet(e, c, packet_side(c, low), p, record);
}

void
engine_packet(struct engine *e, const struct packet_record *record)
{
	enum packet_verdict verdict;
	struct packet_record clamped;
	struct connection_keys at;
	struct packet p;
	struct place place;
	bool fragment;

	assert(!e->finished);
	if (record->time_ns < 0 || record->time_ns > TIME_MAX) {
		clamped = *record;
		clamped.time_ns = record->time_ns < 0 ? 0 : TIME_MAX;
		record = &clamped;
	}
	advance_time(e, record->time_ns);
	verdict = decode_packet(record, &p);
	fragment = verdict == PACKET_FRAGMENT;
	if (verdict != PACKET_OK && e->options.shard_index == 0) {
		count_packet(e, record);
		count_verdict(e, verdict);
	}
	if (fragment)
		verdict = defragment(e, &p);
	if (verdict != PACKET_OK)
		return;
	place = places_at(&e->places, record->interface);
	at = connection_keys(&p, place.realm);
	/* Where sockets of these ends are known (who.c). */
	if (connection_shard(&at.about, e->options.shard_count) !=
	    e->options.shard_index)
		return;
	if (place.apart)
		at.key.realm = at.about.realm = place.apart;
	if (!fragment)
		count_packet(e, record);
	if (engine_filter_passes(&e->options.filter, &p))
		find_and_take(e, &p, record, &at);
}
