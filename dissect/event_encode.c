/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/event_format.h"

#define VARINT_MAX 10
/* The fixed part of a call or connection, generously; strings come on top. */
#define EVENT_FIXED_MAX 1024

/*
 * Writing: room for the whole event is reserved once, then filled through a
 * bare pointer.  A call has some fifty fields, and this is the busiest path
 * between the processes.
 */

static uint8_t *
put_le64(uint8_t *at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		*at++ = (uint8_t)(value >> (8 * i));
	return at;
}

static uint8_t *
put_time(uint8_t *at, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	if (ns > EVENT_TIME_MAX)
		ns = EVENT_TIME_MAX;
	return put_le64(at, (uint64_t)ns);
}

static uint8_t *
put_count(uint8_t *at, uint64_t count)
{
	return bytes_put_varint(at, count < EVENT_COUNT_MAX ? count
							    : EVENT_COUNT_MAX);
}

static uint8_t *
put_raw(uint8_t *at, const void *data, size_t size)
{
	memcpy(at, data, size);
	return at + size;
}

static uint8_t *
put_string(uint8_t *at, struct bytes in)
{
	at = bytes_put_varint(at, in.size);
	return in.size ? put_raw(at, in.data, in.size) : at;
}

static uint8_t *
put_endpoint(uint8_t *at, const struct endpoint *e)
{
	at = put_raw(at, e->ip, sizeof(e->ip));
	return bytes_put_varint(at, e->port);
}

static uint8_t *
put_packet(uint8_t *at, struct packet_ref packet)
{
	at = bytes_put_varint(at, packet.segment);
	return put_count(at, packet.offset);
}

static uint8_t *
put_payload(uint8_t *at, struct payload_ref ref)
{
	at = bytes_put_varint(at, ref.size);
	if (ref.size == 0)
		return at;
	at = bytes_put_varint(at, ref.block);
	return bytes_put_varint(at, ref.offset);
}

/* The distance from the time before, near 0 in either direction. */
static uint8_t *
put_time_after(uint8_t *at, int64_t *before, int64_t ns)
{
	uint64_t distance;

	if (ns < 0)
		ns = 0;
	if (ns > EVENT_TIME_MAX)
		ns = EVENT_TIME_MAX;
	distance = (uint64_t)(ns - *before);
	*before = ns;
	return bytes_put_varint(at, distance << 1 ^ (0 - (distance >> 63)));
}

static bool
is_remembered(const struct event_memory_text *m, struct bytes text)
{
	return m->size == text.size &&
	       (!text.size || memcmp(m->text, text.data, text.size) == 0);
}

/* Sends a text, or sets its bit. */
static uint8_t *
put_text(uint8_t *at, struct event_memory *memory, unsigned bit,
	 struct bytes text, uint32_t *same)
{
	if (is_remembered(&memory->texts[bit], text)) {
		*same |= 1u << bit;
		return at;
	}
	event_remember(&memory->texts[bit], text);
	return put_string(at, text);
}

static uint8_t *
put_address(uint8_t *at, uint8_t before[16], unsigned bit,
	    const uint8_t ip[16], uint32_t *same)
{
	if (memcmp(before, ip, 16) == 0) {
		*same |= 1u << bit;
		return at;
	}
	memcpy(before, ip, 16);
	return put_raw(at, ip, 16);
}

static uint8_t *
put_half(uint8_t *at, int64_t *before, const struct call_half *half)
{
	at = put_time_after(at, before, half->first_ns);
	at = put_time_after(at, before, half->last_ns);
	at = put_count(at, half->wire_bytes);
	at = put_count(at, half->body_wire_bytes);
	at = put_count(at, half->body_bytes);
	at = bytes_put_varint(at, half->encoding);
	at = put_payload(at, half->head_ref);
	at = put_payload(at, half->body_ref);
	at = put_payload(at, half->messages_ref);
	return put_packet(at, half->packet);
}

static size_t
call_strings(const struct call_event *call)
{
	size_t size = call->request.content_type.size +
		      call->response.content_type.size;

	for (unsigned i = 0; i < FIELD_COUNT; i++)
		size += call->fields[i].size;
	return size;
}

/* Frames what was written between the reserved start and `end`. */
static void
finish(struct buf *out, size_t frame, const uint8_t *end)
{
	out->size = (size_t)(end - out->data);
	frame_end(out, frame);
}

/* Begins a frame with room for `size` bytes; NULL when `out` is full. */
static uint8_t *
start(struct buf *out, enum event_type type, size_t size, size_t *frame)
{
	if (!buf_reserve(out, FRAME_HEADER + size))
		return NULL;
	*frame = frame_begin(out, (uint8_t)type);
	return out->data + out->size;
}

static uint8_t *
put_texts(uint8_t *at, struct event_memory *memory,
	  const struct call_event *call, uint32_t *same)
{
	at = put_address(at, memory->client, SAME_CLIENT, call->client.ip, same);
	at = put_address(at, memory->server, SAME_SERVER, call->server.ip, same);
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		at = put_text(at, memory, i, call->fields[i], same);
	at = put_text(at, memory, SAME_REQUEST_TYPE, call->request.content_type,
		      same);
	return put_text(at, memory, SAME_RESPONSE_TYPE,
			call->response.content_type, same);
}

void
event_encode_call(struct buf *out, struct event_memory *memory,
		  const struct call_event *call)
{
	size_t frame;
	uint32_t same = 0;
	uint8_t *at = start(out, EVENT_CALL,
			    EVENT_FIXED_MAX + call_strings(call), &frame);
	uint8_t *same_at = at;

	if (!at)
		return;
	at = put_texts(at + SAME_SIZE, memory, call, &same);
	for (unsigned i = 0; i < SAME_SIZE; i++)
		same_at[i] = (uint8_t)(same >> (8 * i));
	at = bytes_put_varint(at, call->protocol);
	at = bytes_put_varint(at, call->connection);
	at = bytes_put_varint(at, call->flags);
	at = bytes_put_varint(at, call->reason);
	at = bytes_put_varint(at, call->client.port);
	at = bytes_put_varint(at, call->server.port);
	*at++ = call->ip_protocol;
	at = bytes_put_varint(at, (uint32_t)call->status);
	at = put_half(at, &memory->time_ns, &call->request);
	at = put_half(at, &memory->time_ns, &call->response);
	finish(out, frame, at);
}

static uint8_t *
put_pair(uint8_t *at, const uint32_t pair[2])
{
	at = bytes_put_varint(at, pair[0]);
	return bytes_put_varint(at, pair[1]);
}

static uint8_t *
put_pair64(uint8_t *at, const uint64_t pair[2])
{
	at = put_count(at, pair[0]);
	return put_count(at, pair[1]);
}

static uint8_t *
put_tcp(uint8_t *at, const struct tcp_facts *tcp)
{
	at = bytes_put_varint(at, tcp->completeness);
	at = put_time(at, tcp->handshake_ns);
	at = put_time(at, tcp->initial_rtt_ns);
	at = put_time(at, tcp->rtt_min_ns);
	at = put_time(at, tcp->rtt_max_ns);
	at = put_time(at, tcp->rtt_sum_ns);
	at = put_time(at, tcp->jitter_ns);
	at = bytes_put_varint(at, tcp->rtt_samples);
	at = put_time(at, tcp->first_data_ns);
	at = put_pair(at, tcp->window_scale);
	at = put_pair64(at, tcp->window_sum);
	at = put_pair(at, tcp->retransmissions);
	at = put_pair(at, tcp->fast_retransmissions);
	at = put_pair(at, tcp->out_of_order);
	at = put_pair(at, tcp->dup_acks);
	at = put_pair(at, tcp->zero_windows);
	at = put_pair(at, tcp->windows_full);
	at = put_pair(at, tcp->keepalives);
	at = put_pair(at, tcp->resets);
	at = put_pair(at, tcp->fins);
	at = put_pair(at, tcp->holes);
	at = put_pair64(at, tcp->missing_bytes);
	at = put_pair(at, tcp->overlaps_differing);
	return put_pair64(at, tcp->payload_bytes);
}

static bool
has_ends(const struct connection_event *c)
{
	return c->ends[0].mechanism || c->ends[1].mechanism;
}

static uint8_t *
put_end(uint8_t *at, const struct connection_end *end)
{
	*at++ = (uint8_t)end->mechanism;
	if (!end->mechanism)
		return at;
	at = bytes_put_varint(at, end->process);
	at = bytes_put_varint(at, end->stream);
	return bytes_put_varint(at, end->thread);
}

void
event_encode_connection(struct buf *out, const struct connection_event *c)
{
	size_t strings = c->first_bytes[0].size + c->first_bytes[1].size;
	size_t frame;
	uint8_t *at = start(out, EVENT_CONNECTION, EVENT_FIXED_MAX + strings,
			    &frame);

	if (!at)
		return;
	at = bytes_put_varint(at, c->id);
	at = put_endpoint(at, &c->client);
	at = put_endpoint(at, &c->server);
	*at++ = c->ip_protocol;
	at = bytes_put_varint(at, c->protocol);
	at = bytes_put_varint(at, c->state);
	*at++ = (uint8_t)((c->midstream ? CONNECTION_BIT_MIDSTREAM : 0) |
			  (c->direction_guessed ? CONNECTION_BIT_GUESSED : 0) |
			  (c->one_direction ? CONNECTION_BIT_ONE_DIRECTION :
					      0) |
			  (has_ends(c) ? CONNECTION_BIT_WHO : 0));
	at = bytes_put_varint(at, c->vlan);
	at = bytes_put_varint(at, c->interface);
	at = put_time(at, c->first_ns);
	at = put_time(at, c->last_ns);
	at = put_pair64(at, c->packets);
	at = put_pair64(at, c->wire_bytes);
	at = put_count(at, c->duplicate_packets);
	at = put_count(at, c->undissected_bytes);
	at = bytes_put_varint(at, c->calls);
	at = put_string(at, c->first_bytes[0]);
	at = put_string(at, c->first_bytes[1]);
	at = put_packet(at, c->packet);
	if (c->ip_protocol == 6)
		at = put_tcp(at, &c->tcp);
	if (has_ends(c)) {
		at = put_end(at, &c->ends[0]);
		at = put_end(at, &c->ends[1]);
	}
	finish(out, frame, at);
}

void
event_encode_block(struct buf *out, const struct payload_block *block)
{
	size_t frame;
	uint8_t *at = start(out, EVENT_BLOCK,
			    3 * VARINT_MAX + block->compressed.size, &frame);

	if (!at)
		return;
	at = bytes_put_varint(at, block->block);
	*at++ = block->bodies;
	at = bytes_put_varint(at, block->raw_size);
	at = put_raw(at, block->compressed.data, block->compressed.size);
	finish(out, frame, at);
}

void
event_encode_name(struct buf *out, const struct name_event *name)
{
	size_t frame;
	uint8_t *at = start(out, EVENT_NAME, EVENT_FIXED_MAX + name->name.size,
			    &frame);

	if (!at)
		return;
	at = put_raw(at, name->ip, sizeof(name->ip));
	at = put_time(at, name->time_ns);
	at = put_string(at, name->name);
	finish(out, frame, at);
}

void
event_encode_descriptor(struct buf *out, const struct descriptor_event *event)
{
	size_t frame;
	uint8_t *at = start(out, EVENT_DESCRIPTOR,
			    EVENT_FIXED_MAX + event->name.size +
				    event->file.size,
			    &frame);

	if (!at)
		return;
	at = put_endpoint(at, &event->server);
	at = put_time(at, event->time_ns);
	at = put_string(at, event->name);
	at = put_string(at, event->file);
	finish(out, frame, at);
}

static size_t
process_strings(const struct identity_process *p,
		struct bytes strings[PROCESS_STRINGS])
{
	const struct bytes all[PROCESS_STRINGS] = {
		p->name, p->executable, p->cgroup_path, p->container, p->pod,
		p->pod_namespace, p->pod_uid, p->pod_container,
		p->kubernetes_mechanism,
	};
	size_t size = 0;

	for (unsigned i = 0; i < PROCESS_STRINGS; i++) {
		strings[i] = bytes_first(all[i], IDENTITY_STRING_MAX);
		size += strings[i].size;
	}
	return size;
}

void
event_encode_process(struct buf *out, const struct process_event *event)
{
	const struct identity_process *p = &event->process;
	struct bytes strings[PROCESS_STRINGS];
	size_t size = process_strings(p, strings), frame;
	uint8_t *at = start(out, EVENT_PROCESS, EVENT_FIXED_MAX + size, &frame);

	if (!at)
		return;
	at = bytes_put_varint(at, event->stream);
	at = bytes_put_varint(at, p->id);
	at = bytes_put_varint(at, p->pid);
	at = bytes_put_varint(at, p->parent);
	at = bytes_put_varint(at, p->uid);
	at = put_time(at, p->from_ns);
	at = put_time(at, p->to_ns);
	at = bytes_put_varint(at, p->cgroup);
	at = bytes_put_varint(at, p->netns);
	*at++ = p->mechanism;
	for (unsigned i = 0; i < PROCESS_STRINGS; i++)
		at = put_string(at, strings[i]);
	finish(out, frame, at);
}

static void
encode_progress(struct buf *out, enum event_type type,
		const struct event_progress *p)
{
	size_t frame;
	uint8_t *at = start(out, type, EVENT_FIXED_MAX, &frame);

	if (!at)
		return;
	at = put_count(at, p->bytes_read);
	at = put_count(at, p->packets);
	at = put_time(at, p->time_ns);
	at = bytes_put_varint(at, p->damaged_segments);
#define X(name, text) at = put_count(at, p->coverage.name);
	COVERAGE_MAP(X)
#undef X
	finish(out, frame, at);
}

void
event_encode_progress(struct buf *out, const struct event_progress *p)
{
	encode_progress(out, EVENT_PROGRESS, p);
}

void
event_encode_done(struct buf *out, const struct event_progress *p)
{
	encode_progress(out, EVENT_DONE, p);
}

void
event_encode_fault(struct buf *out, const char *text)
{
	size_t frame = frame_begin(out, EVENT_FAULT);

	buf_text(out, text);
	frame_end(out, frame);
}
