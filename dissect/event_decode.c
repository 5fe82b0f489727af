/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"
#include "dissect/event_format.h"

/* Reading: the sticky reader, with a range for everything that has one. */

/* A number that must be below `end`. */
static uint64_t
get_below(struct reader *r, uint64_t end)
{
	uint64_t value = reader_varint(r);

	if (value < end)
		return value;
	r->failed = true;
	return 0;
}

static uint64_t
get_count(struct reader *r)
{
	return get_below(r, EVENT_COUNT_MAX + 1);
}

static uint32_t
get_u32(struct reader *r)
{
	return (uint32_t)get_below(r, (uint64_t)UINT32_MAX + 1);
}

static int64_t
get_time(struct reader *r)
{
	uint64_t value = reader_le64(r);

	if (value <= (uint64_t)EVENT_TIME_MAX)
		return (int64_t)value;
	r->failed = true;
	return 0;
}

static void
get_ip(struct reader *r, uint8_t ip[16])
{
	struct bytes in = reader_take(r, 16);

	if (in.data)
		memcpy(ip, in.data, 16);
}

static struct endpoint
get_endpoint(struct reader *r)
{
	struct endpoint e = { 0 };

	get_ip(r, e.ip);
	e.port = (uint16_t)get_below(r, UINT16_MAX + 1);
	return e;
}

static struct packet_ref
get_packet(struct reader *r)
{
	struct packet_ref packet;

	packet.segment = get_u32(r);
	packet.offset = get_count(r);
	return packet;
}

static struct payload_ref
get_payload(struct reader *r)
{
	struct payload_ref ref = { .size = get_u32(r) };

	if (ref.size == 0)
		return ref;
	ref.block = get_below(r, (uint64_t)INT64_MAX + 1);
	ref.offset = get_u32(r);
	if (ref.offset > UINT32_MAX - ref.size)
		r->failed = true;
	return ref;
}

static int64_t
get_time_after(struct reader *r, int64_t *before)
{
	uint64_t code = reader_varint(r);
	uint64_t ns = (uint64_t)*before + (code >> 1 ^ (0 - (code & 1)));

	if (ns > (uint64_t)EVENT_TIME_MAX) {
		r->failed = true;
		ns = 0;
	}
	*before = (int64_t)ns;
	return *before;
}

static struct bytes
get_text(struct reader *r, struct event_memory *memory, unsigned bit,
	 uint32_t same)
{
	struct event_memory_text *m = &memory->texts[bit];
	struct bytes text;

	if (same & 1u << bit)
		return bytes_make(m->text, m->size);
	text = reader_string(r);
	event_remember(m, text);
	return text;
}

static void
get_address(struct reader *r, uint8_t before[16], bool same, uint8_t ip[16])
{
	if (!same)
		get_ip(r, before);
	memcpy(ip, before, 16);
}

static void
get_half(struct reader *r, int64_t *before, struct call_half *half)
{
	/* Not sent: head, body, times and messages. */
	half->head = half->body = half->messages = bytes_make(NULL, 0);
	half->times = NULL;
	half->time_count = 0;
	half->first_ns = get_time_after(r, before);
	half->last_ns = get_time_after(r, before);
	half->wire_bytes = get_count(r);
	half->body_wire_bytes = get_count(r);
	half->body_bytes = get_count(r);
	half->encoding = (enum encoding)get_below(r, ENCODING_UNKNOWN + 1);
	half->head_ref = get_payload(r);
	half->body_ref = get_payload(r);
	half->messages_ref = get_payload(r);
	half->packet = get_packet(r);
}

/* All of the payload must have been meant. */
static int
ended(const struct reader *r)
{
	return r->failed || reader_left(r) > 0 ? ERR_CORRUPT : 0;
}

static void
get_texts(struct reader *r, struct event_memory *memory, uint32_t same,
	  struct call_event *call)
{
	get_address(r, memory->client, same & 1u << SAME_CLIENT,
		    call->client.ip);
	get_address(r, memory->server, same & 1u << SAME_SERVER,
		    call->server.ip);
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		call->fields[i] = get_text(r, memory, i, same);
	call->request.content_type =
		get_text(r, memory, SAME_REQUEST_TYPE, same);
	call->response.content_type =
		get_text(r, memory, SAME_RESPONSE_TYPE, same);
}

int
event_decode_call(struct bytes payload, struct event_memory *memory,
		  struct call_event *call)
{
	struct reader r = reader_make(payload);
	uint32_t same = reader_le16(&r);

	if (same >> SAME_COUNT)
		r.failed = true;
	get_texts(&r, memory, same, call);
	call->protocol = (enum protocol)get_below(&r, PROTOCOL_COUNT);
	call->connection = get_below(&r, (uint64_t)INT64_MAX + 1);
	call->flags = (uint32_t)get_below(&r, CALL_FLAGS_ALL + 1);
	call->reason = (enum call_reason)get_below(&r, CALL_REASON_COUNT);
	call->client.port = (uint16_t)get_below(&r, UINT16_MAX + 1);
	call->server.port = (uint16_t)get_below(&r, UINT16_MAX + 1);
	call->ip_protocol = reader_u8(&r);
	call->status = (int32_t)get_u32(&r);
	get_half(&r, &memory->time_ns, &call->request);
	get_half(&r, &memory->time_ns, &call->response);
	return ended(&r);
}

static void
get_pair(struct reader *r, uint32_t pair[2])
{
	pair[0] = get_u32(r);
	pair[1] = get_u32(r);
}

static void
get_pair64(struct reader *r, uint64_t pair[2])
{
	pair[0] = get_count(r);
	pair[1] = get_count(r);
}

static void
get_tcp(struct reader *r, struct tcp_facts *tcp)
{
	tcp->completeness = (uint32_t)get_below(r, 64);
	tcp->handshake_ns = get_time(r);
	tcp->initial_rtt_ns = get_time(r);
	tcp->rtt_min_ns = get_time(r);
	tcp->rtt_max_ns = get_time(r);
	tcp->rtt_sum_ns = get_time(r);
	tcp->jitter_ns = get_time(r);
	tcp->rtt_samples = get_u32(r);
	tcp->first_data_ns = get_time(r);
	get_pair(r, tcp->window_scale);
	get_pair64(r, tcp->window_sum);
	get_pair(r, tcp->retransmissions);
	get_pair(r, tcp->fast_retransmissions);
	get_pair(r, tcp->out_of_order);
	get_pair(r, tcp->dup_acks);
	get_pair(r, tcp->zero_windows);
	get_pair(r, tcp->windows_full);
	get_pair(r, tcp->keepalives);
	get_pair(r, tcp->resets);
	get_pair(r, tcp->fins);
	get_pair(r, tcp->holes);
	get_pair64(r, tcp->missing_bytes);
	get_pair(r, tcp->overlaps_differing);
	get_pair64(r, tcp->payload_bytes);
}

static struct connection_end
get_end(struct reader *r)
{
	struct connection_end end = { 0 };

	end.mechanism = (enum end_mechanism)reader_u8(r);
	if (end.mechanism == END_UNKNOWN)
		return end;
	if (end.mechanism >= END_MECHANISM_COUNT)
		r->failed = true;
	end.process = reader_varint(r);
	end.stream = get_u32(r);
	end.thread = get_u32(r);
	return end;
}

int
event_decode_connection(struct bytes payload, struct connection_event *c)
{
	struct reader r = reader_make(payload);
	uint8_t bits;

	*c = (struct connection_event){ 0 };
	c->id = get_below(&r, (uint64_t)INT64_MAX + 1);
	c->client = get_endpoint(&r);
	c->server = get_endpoint(&r);
	c->ip_protocol = reader_u8(&r);
	c->protocol = (enum protocol)get_below(&r, PROTOCOL_COUNT);
	c->state = (enum connection_state)get_below(&r,
						    CONNECTION_EVICTED + 1);
	bits = reader_u8(&r);
	if (bits & ~CONNECTION_BITS_ALL)
		r.failed = true;
	c->midstream = bits & CONNECTION_BIT_MIDSTREAM;
	c->direction_guessed = bits & CONNECTION_BIT_GUESSED;
	c->one_direction = bits & CONNECTION_BIT_ONE_DIRECTION;
	c->vlan = (uint16_t)get_below(&r, UINT16_MAX + 1);
	c->interface = get_u32(&r);
	c->first_ns = get_time(&r);
	c->last_ns = get_time(&r);
	get_pair64(&r, c->packets);
	get_pair64(&r, c->wire_bytes);
	c->duplicate_packets = get_count(&r);
	c->undissected_bytes = get_count(&r);
	c->calls = get_u32(&r);
	c->first_bytes[0] = reader_string(&r);
	c->first_bytes[1] = reader_string(&r);
	c->packet = get_packet(&r);
	if (c->ip_protocol == 6)
		get_tcp(&r, &c->tcp);
	if (bits & CONNECTION_BIT_WHO) {
		c->ends[0] = get_end(&r);
		c->ends[1] = get_end(&r);
	}
	return ended(&r);
}

int
event_decode_block(struct bytes payload, struct payload_block *block)
{
	struct reader r = reader_make(payload);

	block->block = get_below(&r, (uint64_t)INT64_MAX + 1);
	block->bodies = get_below(&r, 2);
	block->raw_size = get_u32(&r);
	block->compressed = reader_take(&r, reader_left(&r));
	if (block->raw_size == 0 || block->compressed.size == 0)
		return ERR_CORRUPT;
	return ended(&r);
}

int
event_decode_name(struct bytes payload, struct name_event *name)
{
	struct reader r = reader_make(payload);

	get_ip(&r, name->ip);
	name->time_ns = get_time(&r);
	name->name = reader_string(&r);
	return ended(&r);
}

int
event_decode_descriptor(struct bytes payload, struct descriptor_event *event)
{
	struct reader r = reader_make(payload);

	event->server = get_endpoint(&r);
	event->time_ns = get_time(&r);
	event->name = reader_string(&r);
	event->file = reader_string(&r);
	if (!event->name.size || !event->file.size)
		return ERR_CORRUPT;
	return ended(&r);
}

int
event_decode_process(struct bytes payload, struct process_event *event)
{
	struct identity_process *p = &event->process;
	struct bytes *const strings[PROCESS_STRINGS] = {
		&p->name, &p->executable, &p->cgroup_path, &p->container,
		&p->pod, &p->pod_namespace, &p->pod_uid, &p->pod_container,
		&p->kubernetes_mechanism,
	};
	struct reader r = reader_make(payload);

	event->stream = get_u32(&r);
	p->id = reader_varint(&r);
	p->pid = get_u32(&r);
	p->parent = get_u32(&r);
	p->uid = get_u32(&r);
	p->from_ns = get_time(&r);
	p->to_ns = get_time(&r);
	p->cgroup = reader_varint(&r);
	p->netns = reader_varint(&r);
	p->mechanism = reader_u8(&r);
	r.failed |= p->mechanism >= IDENTITY_MECHANISM_COUNT;
	for (unsigned i = 0; i < PROCESS_STRINGS; i++) {
		*strings[i] = reader_string(&r);
		r.failed |= strings[i]->size > IDENTITY_STRING_MAX;
	}
	return ended(&r);
}

int
event_decode_progress(struct bytes payload, struct event_progress *p)
{
	struct reader r = reader_make(payload);

	p->bytes_read = get_count(&r);
	p->packets = get_count(&r);
	p->time_ns = get_time(&r);
	p->damaged_segments = get_u32(&r);
#define X(name, text) p->coverage.name = get_count(&r);
	COVERAGE_MAP(X)
#undef X
	return ended(&r);
}
