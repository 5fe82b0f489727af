/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity_wanted.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "capture/packet_peek.h"
#include "capture/source/raw_record.h"

/* 100 bytes each: 50 MB at the most, in a process that only seals. */
#define ENDS_MAX ((size_t)512 << 10)

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

/* An end without padding, so that it can be compared byte by byte. */
struct wanted_key {
	uint64_t cookie, netns;
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint8_t ip_protocol, either;
	uint8_t zero[2];
};

struct identity_wanted {
	struct map *ends; /* wanted_key → identity_span */
	struct identity_span range;
	bool overflowed;
};

struct identity_wanted *
identity_wanted_new(void)
{
	struct identity_wanted *w = alloc_zero(1, sizeof(*w));

	identity_wanted_reset(w);
	return w;
}

void
identity_wanted_free(struct identity_wanted *w)
{
	if (!w)
		return;
	map_free(w->ends);
	free(w);
}

void
identity_wanted_reset(struct identity_wanted *w)
{
	map_free(w->ends);
	*w = (struct identity_wanted){
		.ends = map_new(sizeof(struct wanted_key),
				sizeof(struct identity_span), ENDS_MAX),
		.range = { INT64_MAX, INT64_MIN },
	};
}

static void
span_add(struct identity_span *span, int64_t time_ns)
{
	if (time_ns < span->first_ns)
		span->first_ns = time_ns;
	if (time_ns > span->last_ns)
		span->last_ns = time_ns;
}

void
identity_wanted_add(struct identity_wanted *w, int64_t time_ns,
		    const struct identity_end *end)
{
	struct wanted_key key = {
		.cookie = end->cookie,
		.netns = end->netns,
		.local_port = end->local_port,
		.remote_port = end->remote_port,
		.ip_protocol = end->ip_protocol,
		.either = end->either,
	};
	struct identity_span *span;
	bool added;

	span_add(&w->range, time_ns);
	if (end->ip_protocol != PROTOCOL_TCP &&
	    end->ip_protocol != PROTOCOL_UDP)
		return;
	memcpy(key.local, end->local, sizeof(key.local));
	memcpy(key.remote, end->remote, sizeof(key.remote));
	span = map_put(w->ends, &key, &added);
	if (!span) {
		w->overflowed = true;
		return;
	}
	if (added)
		*span = (struct identity_span){ time_ns, time_ns };
	span_add(span, time_ns);
}

void
identity_wanted_packet(struct identity_wanted *w,
		       const struct identity_packet *packet)
{
	struct identity_end end = {
		.cookie = packet->cookie,
		.netns = packet->netns,
		.either = packet->direction != RAW_INGRESS &&
			  packet->direction != RAW_EGRESS,
	};
	struct bytes inside;
	struct packet_layer layer;
	uint16_t type = packet_peek_link(packet->link_type, packet->data,
					 &inside);

	if (type == 0 || !packet_peek_layer(inside, type, &layer))
		return;
	end.ip_protocol = layer.protocol;
	if (packet->direction == RAW_INGRESS) {
		memcpy(end.local, layer.target, sizeof(end.local));
		memcpy(end.remote, layer.source, sizeof(end.remote));
		end.local_port = layer.target_port;
		end.remote_port = layer.source_port;
	} else {
		memcpy(end.local, layer.source, sizeof(end.local));
		memcpy(end.remote, layer.target, sizeof(end.remote));
		end.local_port = layer.source_port;
		end.remote_port = layer.target_port;
	}
	identity_wanted_add(w, packet->time_ns, &end);
}

size_t
identity_wanted_count(const struct identity_wanted *w)
{
	return map_count(w->ends);
}

bool
identity_wanted_overflowed(const struct identity_wanted *w)
{
	return w->overflowed;
}

bool
identity_wanted_next(const struct identity_wanted *w, size_t *cursor,
		     struct identity_end *end, struct identity_span *span)
{
	const void *key;
	void *value;

	if (!map_next(w->ends, cursor, &key, &value))
		return false;
	*span = *(const struct identity_span *)value;
	*end = (struct identity_end){
		.cookie = ((const struct wanted_key *)key)->cookie,
		.netns = ((const struct wanted_key *)key)->netns,
		.local_port = ((const struct wanted_key *)key)->local_port,
		.remote_port = ((const struct wanted_key *)key)->remote_port,
		.ip_protocol = ((const struct wanted_key *)key)->ip_protocol,
		.either = ((const struct wanted_key *)key)->either != 0,
	};
	memcpy(end->local, ((const struct wanted_key *)key)->local,
	       sizeof(end->local));
	memcpy(end->remote, ((const struct wanted_key *)key)->remote,
	       sizeof(end->remote));
	return true;
}

struct identity_span
identity_wanted_range(const struct identity_wanted *w)
{
	return w->range;
}
