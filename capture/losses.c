/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/losses.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "capture/segment_index.h"

#define JOIN_NS (2 * CLOCK_NS_PER_S)

static const char *const names[] = {
#define X(name, text, sentence) text,
	LOSS_MAP(X)
#undef X
};

static const char *const sentences[] = {
#define X(name, text, sentence) sentence,
	LOSS_MAP(X)
#undef X
};

const char *
loss_cause_name(enum loss_cause cause)
{
	return names[cause];
}

const char *
loss_cause_text(enum loss_cause cause)
{
	return sentences[cause];
}

static bool
losses_same(const struct loss *a, const struct loss *b)
{
	return a->cause == b->cause && a->netns == b->netns &&
	       strcmp(a->interface, b->interface) == 0;
}

static void
loss_extend(struct loss *into, const struct loss *from)
{
	if (from->from_ns < into->from_ns)
		into->from_ns = from->from_ns;
	if (from->to_ns > into->to_ns)
		into->to_ns = from->to_ns;
	if (from->packets == LOSS_PACKETS_UNKNOWN)
		return;
	if (into->packets == LOSS_PACKETS_UNKNOWN)
		into->packets = 0;
	into->packets += from->packets;
}

/* Whether at most JOIN_NS lie between an end and the next beginning: times come
 * from files, so their difference may be any. */
static bool
loss_follows(int64_t end_ns, int64_t begin_ns)
{
	return begin_ns <= end_ns ||
	       (uint64_t)begin_ns - (uint64_t)end_ns <= (uint64_t)JOIN_NS;
}

/* The newest entry that `loss` may be added to, or NULL. */
static struct loss *
losses_joinable(struct losses *l, const struct loss *loss)
{
	struct loss *cause = NULL;

	for (size_t i = l->count; i-- > 0;) {
		struct loss *item = &l->items[i];

		if (losses_same(item, loss) &&
		    loss_follows(item->to_ns, loss->from_ns) &&
		    loss_follows(loss->to_ns, item->from_ns))
			return item;
		if (!cause && item->cause == loss->cause)
			cause = item;
	}
	if (l->count < LOSSES_MAX)
		return NULL;
	return cause ? cause : &l->items[LOSSES_MAX - 1];
}

void
losses_add(struct losses *l, const struct loss *loss)
{
	struct loss *into = losses_joinable(l, loss);

	if (into)
		loss_extend(into, loss);
	else
		l->items[l->count++] = *loss;
}

void
losses_join(struct losses *l, const struct losses *other)
{
	for (size_t i = 0; i < other->count; i++)
		losses_add(l, &other->items[i]);
}

uint64_t
losses_packets(const struct losses *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].packets != LOSS_PACKETS_UNKNOWN)
			sum += l->items[i].packets;
	return sum;
}

void
losses_window(struct losses *l, int64_t from_ns, int64_t to_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].to_ns >= from_ns && l->items[i].from_ns < to_ns)
			l->items[kept++] = l->items[i];
	l->count = kept;
}

json_t *
losses_json(const struct losses *l)
{
	json_t *array = json_array();

	for (size_t i = 0; i < l->count; i++) {
		const struct loss *item = &l->items[i];
		json_t *object = json_object();

		json_object_set_new(object, "cause",
				    json_string(names[item->cause]));
		json_object_set_new(object, "why",
				    json_string(sentences[item->cause]));
		if (item->interface[0])
			json_object_set_new(object, "interface",
					    json_string(item->interface));
		if (item->netns)
			json_object_set_new(
				object, "netns",
				json_integer((json_int_t)item->netns));
		if (item->packets != LOSS_PACKETS_UNKNOWN)
			json_object_set_new(
				object, "packets",
				json_integer((json_int_t)item->packets));
		json_object_set_new(object, "from",
				    segment_time_json(item->from_ns));
		json_object_set_new(object, "to",
				    segment_time_json(item->to_ns));
		json_object_set_new(object, "from_ns",
				    json_integer(item->from_ns));
		json_object_set_new(object, "to_ns", json_integer(item->to_ns));
		json_array_append_new(array, object);
	}
	return array;
}

static bool
loss_parse_cause(const json_t *object, enum loss_cause *cause)
{
	const char *text = json_string_value(json_object_get(object, "cause"));

	for (int i = 0; text && i < LOSS_CAUSE_COUNT; i++)
		if (strcmp(names[i], text) == 0) {
			*cause = (enum loss_cause)i;
			return true;
		}
	return false;
}

void
losses_parse(const json_t *array, struct losses *l)
{
	const json_t *object;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)array, i, object) {
		const json_t *packets = json_object_get(object, "packets");
		const char *interface = json_string_value(
			json_object_get(object, "interface"));
		struct loss loss = {
			.netns = (uint64_t)json_integer_value(
				json_object_get(object, "netns")),
			.packets = LOSS_PACKETS_UNKNOWN,
			.from_ns = json_integer_value(
				json_object_get(object, "from_ns")),
			.to_ns = json_integer_value(
				json_object_get(object, "to_ns")),
		};

		if (!loss_parse_cause(object, &loss.cause) ||
		    loss.from_ns > loss.to_ns)
			continue;
		if (json_is_integer(packets) && json_integer_value(packets) >= 0)
			loss.packets = (uint64_t)json_integer_value(packets);
		snprintf(loss.interface, sizeof(loss.interface), "%s",
			 interface ? interface : "");
		losses_add(l, &loss);
	}
}
