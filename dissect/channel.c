/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/channel.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

/* More are never added: stream_channel.c evicts before. */
#define CHANNEL_LIMIT (1u << 20)
/* What one costs beside its state, its place in the table with it. */
#define CHANNEL_COST (sizeof(struct channel) + 48)

struct channel *
channel_find(const struct channels *c, uint64_t id)
{
	struct channel **place = c->by_id ? map_get(c->by_id, &id) : NULL;

	return place ? *place : NULL;
}

struct channel *
channel_add(struct channels *c, struct stream_context *context, uint64_t id)
{
	struct channel *channel =
		alloc_zero(1, sizeof(*channel) + c->state_size);
	struct channel **place;

	if (!c->by_id)
		c->by_id = map_new(sizeof(id), sizeof(channel), CHANNEL_LIMIT);
	place = map_put(c->by_id, &id, NULL);
	assert(place && !*place);
	*place = channel;
	channel->id = id;
	channel->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = channel;
	c->newest = channel;
	context->buffered += CHANNEL_COST + c->state_size;
	return channel;
}

void
channel_remove(struct channels *c, struct stream_context *context,
	       struct channel *channel)
{
	*(channel->older ? &channel->older->newer : &c->oldest) =
		channel->newer;
	*(channel->newer ? &channel->newer->older : &c->newest) =
		channel->older;
	map_remove(c->by_id, &channel->id);
	context->buffered -= CHANNEL_COST + c->state_size;
	free(channel);
}

size_t
channel_count(const struct channels *c)
{
	return c->by_id ? map_count(c->by_id) : 0;
}

void
channels_free(struct channels *c)
{
	assert(!c->oldest);
	map_free(c->by_id);
	c->by_id = NULL;
}
