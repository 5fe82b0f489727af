/* SPDX-License-Identifier: Apache-2.0 */
/* What the source counted as lost, by cause and time. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "capture/recorder/recorder_internal.h"

/* A gap is told on once more when it has grown by so much. */
#define UNSEEN_STEP_NS CLOCK_NS_PER_S
/* Asking for the interfaces costs more than asking for the counts. */
#define INTERFACES_NS (10 * CLOCK_NS_PER_S)

void
recorder_lose(struct recorder *r, const struct loss *loss)
{
	losses_add(&r->losses, loss);
	losses_add(&r->total, loss);
	r->changed = true;
}

static void
recorder_look_cause(struct recorder *r, enum loss_cause cause, uint64_t now,
		    uint64_t then, int64_t until_ns)
{
	struct loss loss = { .cause = cause,
			     .packets = now - then,
			     .from_ns = r->looked_ns,
			     .to_ns = until_ns };

	if (now > then)
		recorder_lose(r, &loss);
}

/* An interface that came up before it could be watched. */
static void
recorder_look_interface(struct recorder *r, json_t *interface, int64_t now_ns)
{
	const char *name = json_string_value(json_object_get(interface, "name"));
	int64_t unseen =
		json_integer_value(json_object_get(interface, "unseen_ns"));
	struct loss loss = { .cause = LOSS_UNSEEN_INTERFACE,
			     .packets = LOSS_PACKETS_UNKNOWN,
			     .from_ns = now_ns - unseen,
			     .to_ns = now_ns };
	char key[96];
	int64_t told;

	snprintf(key, sizeof(key), "%lld/%lld",
		 (long long)json_integer_value(
			 json_object_get(interface, "netns")),
		 (long long)json_integer_value(
			 json_object_get(interface, "ifindex")));
	told = json_integer_value(json_object_get(r->seen_interfaces, key));
	if (unseen <= 0 || (told > 0 && unseen < told + UNSEEN_STEP_NS))
		return;
	json_object_set_new(r->seen_interfaces, key, json_integer(unseen));
	snprintf(loss.interface, sizeof(loss.interface), "%s",
		 name ? name : "?");
	recorder_lose(r, &loss);
}

static void
recorder_look_interfaces(struct recorder *r, int64_t now_ns)
{
	json_t *about, *interface;
	size_t i;

	if (now_ns - r->interfaces_ns < INTERFACES_NS &&
	    now_ns >= r->interfaces_ns)
		return;
	r->interfaces_ns = now_ns;
	about = r->source->type->describe(r->source);
	json_array_foreach (json_object_get(about, "interfaces"), i, interface)
		recorder_look_interface(r, interface, now_ns);
	json_decref(about);
}

void
recorder_look(struct recorder *r)
{
	struct source_counts now = r->counts;
	const struct source_counts *then = &r->counts;
	int64_t now_ns = clock_wall_ns();

	if (!r->source)
		return;
	r->source->type->counts(r->source, &now);
	if (now_ns < r->looked_ns)
		r->looked_ns = now_ns;
	recorder_look_cause(r, LOSS_RING_FULL, now.lost_ring, then->lost_ring,
			    now_ns);
	recorder_look_cause(r, LOSS_COPY_ERROR, now.lost_errors,
			    then->lost_errors, now_ns);
	recorder_look_cause(r, LOSS_KERNEL, now.lost_kernel, then->lost_kernel,
			    now_ns);
	recorder_look_interfaces(r, now_ns);
	r->counts = now;
	r->looked_ns = now_ns;
}
