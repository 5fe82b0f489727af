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
/* Losses are told by interface for so many at once that lost most. */
#define NAMED_MAX 8

void
recorder_lose(struct recorder *r, const struct loss *loss)
{
	losses_add(&r->losses, loss);
	losses_add(&r->total, loss);
	r->changed = true;
}

static int64_t
member_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

#define KEY_SIZE 48

static const char *
interface_key(const json_t *interface, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%lld/%lld",
		 (long long)member_of(interface, "netns"),
		 (long long)member_of(interface, "ifindex"));
	return key;
}

/* What was told of an interface already; borrowed. */
static json_t *
recorder_told(struct recorder *r, const json_t *interface)
{
	char text[KEY_SIZE];
	const char *key = interface_key(interface, text);
	json_t *told = json_object_get(r->told_interfaces, key);

	if (!told) {
		told = json_object();
		json_object_set_new(r->told_interfaces, key, told);
	}
	return told;
}

/* Forgets what was told of interfaces that are no more. */
static void
recorder_forget_told(struct recorder *r, json_t *about)
{
	json_t *kept = json_object(), *interface;
	char key[KEY_SIZE];
	size_t i;

	json_array_foreach (json_object_get(about, "interfaces"), i, interface)
		json_object_set(kept, interface_key(interface, key),
				recorder_told(r, interface));
	json_array_foreach (json_object_get(about, "sockets"), i, interface)
		json_object_set(kept, interface_key(interface, key),
				recorder_told(r, interface));
	json_decref(r->told_interfaces);
	r->told_interfaces = kept;
}

/* Names the place of a loss. */
static void
loss_set_interface(struct loss *loss, const json_t *interface)
{
	const char *name = json_string_value(json_object_get(interface, "name"));

	if (name)
		snprintf(loss->interface, sizeof(loss->interface), "%s", name);
	else if (member_of(interface, "ifindex"))
		snprintf(loss->interface, sizeof(loss->interface),
			 "ifindex %lld",
			 (long long)member_of(interface, "ifindex"));
	loss->netns = (uint64_t)member_of(interface, "netns_inode");
}

/* What an interface lost by a cause so far. */
static uint64_t
interface_lost(const json_t *interface, enum loss_cause cause)
{
	uint64_t errors = (uint64_t)member_of(interface, "lost_errors");

	if (cause == LOSS_KERNEL)
		return (uint64_t)member_of(interface, "lost_kernel");
	if (cause == LOSS_COPY_ERROR)
		return errors;
	return cause == LOSS_RING_FULL
		       ? (uint64_t)member_of(interface, "lost") - errors
		       : 0;
}

/* And how much of that was not told yet. */
static uint64_t
interface_owes(struct recorder *r, const json_t *interface,
	       enum loss_cause cause)
{
	uint64_t told = (uint64_t)member_of(recorder_told(r, interface),
					    loss_cause_name(cause));
	uint64_t lost = interface_lost(interface, cause);

	/* It may be another one that begins anew. */
	return lost < told ? lost : lost - told;
}

/* Tells on which interface most was lost; how much of it. */
static uint64_t
recorder_lose_there(struct recorder *r, json_t *interfaces, struct loss loss)
{
	const json_t *interface, *worst = NULL;
	uint64_t most = 0;
	size_t i;

	json_array_foreach (interfaces, i, interface) {
		uint64_t owes = interface_owes(r, interface, loss.cause);

		if (owes <= most)
			continue;
		most = owes;
		worst = interface;
	}
	if (!worst)
		return 0;
	/* It may have lost more since the sum was asked for. */
	if (loss.packets > most)
		loss.packets = most;
	json_object_set_new(
		recorder_told(r, worst), loss_cause_name(loss.cause),
		json_integer((json_int_t)(interface_lost(worst, loss.cause) -
					  most + loss.packets)));
	loss_set_interface(&loss, worst);
	recorder_lose(r, &loss);
	return loss.packets;
}

static void
recorder_look_cause(struct recorder *r, enum loss_cause cause, uint64_t now,
		    uint64_t then, int64_t until_ns)
{
	struct loss loss = { .cause = cause,
			     .packets = now - then,
			     .from_ns = r->looked_ns,
			     .to_ns = until_ns };
	uint64_t part = 1;
	json_t *about;

	if (now <= then)
		return;
	about = r->source->type->describe(r->source);
	for (int i = 0; i < NAMED_MAX && part > 0 && loss.packets > 0; i++) {
		part = recorder_lose_there(
			r,
			json_object_get(about, cause == LOSS_KERNEL
						       ? "sockets"
						       : "interfaces"),
			loss);
		loss.packets -= part;
	}
	json_decref(about);
	if (loss.packets > 0)
		recorder_lose(r, &loss);
}

/* An interface that came up before it could be watched. */
static void
recorder_look_interface(struct recorder *r, json_t *interface, int64_t now_ns)
{
	int64_t unseen = member_of(interface, "unseen_ns");
	struct loss loss = { .cause = LOSS_UNSEEN_INTERFACE,
			     .packets = LOSS_PACKETS_UNKNOWN,
			     .from_ns = now_ns - unseen,
			     .to_ns = now_ns };
	json_t *told = recorder_told(r, interface);
	int64_t before = member_of(told, "unseen_ns");

	if (unseen <= 0 || (before > 0 && unseen < before + UNSEEN_STEP_NS))
		return;
	json_object_set_new(told, "unseen_ns", json_integer(unseen));
	loss_set_interface(&loss, interface);
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
	recorder_forget_told(r, about);
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
