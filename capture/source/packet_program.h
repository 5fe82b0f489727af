/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet programs of capture/bpf, loaded: with ring buffer dynptrs where
 * the kernel has them, else with records of fixed sizes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"
#include "capture/bpf/packet_settings.h"
#include "capture/source/source.h"

struct bpf_object;

struct packet_program_options {
	bool interface; /* programs for interfaces, else for cgroups */
	bool loopback_once; /* leave out what comes in over loopback */
	bool fixed_sizes; /* do not even try dynptrs */
	size_t ring_bytes;
	size_t near_bytes; /* of a small ring in front of it; 0: none */
	uint64_t netns;   /* said of every packet; 0: ask for each */
	uint32_t snaplen; /* 0: whole packets */
	const uint64_t *namespaces; /* cookies of the wanted; borrowed */
	uint32_t namespace_count;   /* 0: all */
};

struct packet_program {
	struct bpf_object *object;
	int ingress, egress; /* programs */
	int ring, places, elsewhere, totals; /* maps */
	int near, choice; /* of the small ring; -1: there is none */
	bool fixed_sizes;
	bool netns_known; /* records say in which namespace they were */
	struct packet_counts forgotten; /* of places taken out */
};

/*
 * Loads; what has to be done without is added to `degraded`.  With `shared`
 * the maps are those of that program, which must outlive this one.  DENIED,
 * UNSUPPORTED, as kernel_explain says.  Close in any case.
 */
int packet_program_load(const struct packet_program_options *options,
			const struct packet_program *shared, json_t *degraded,
			struct packet_program *p, struct error *e);
void packet_program_close(struct packet_program *p);

/* The sum over all places, and what was filtered. */
void packet_program_counts(const struct packet_program *p,
			   struct source_counts *counts);

struct packet_place_counts {
	struct packet_place place; /* zeroes: those that found no room */
	struct packet_counts counts;
};

/* Takes a place out, which no packets come from any more; its counts stay in
 * the sum.  Should one come all the same, it is a new place. */
void packet_program_forget(struct packet_program *p,
			   const struct packet_place *place);

/* Every place there is; `*list` is the caller's (free). */
size_t packet_program_places(const struct packet_program *p,
			     struct packet_place_counts **list);
