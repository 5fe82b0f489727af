/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two rings that are one to their reader: a small one that stays in the
 * processor's cache, and a large one for when the reader does not keep up.
 * Which of them packets go into the BPF programs decide (packet_ring_choice);
 * when the small one has been enough for ten seconds the reader sends them
 * back to it.
 *
 * What is in the ring that is not written any more comes first, so packets stay
 * in their order.  Positions of the two never meet: a span of the other one
 * does not go on where the last ended.
 */
#pragma once

#include "capture/bpf/packet_settings.h"
#include "capture/source/ring.h"

struct ring_pair {
	struct ring near, far; /* near: zeroes where there is only one */
	struct ring *reading;  /* the one that the last span is of */
	struct packet_ring_choice *choice; /* shared with the programs */
	int64_t far_ns; /* CLOCK_MONOTONIC when it was last needed; 0: not now */
};

/* Descriptors, which stay the caller's, and sizes; `near` and `choice` are -1
 * where there is one ring alone. */
struct ring_pair_maps {
	int far, near, choice;
	size_t far_bytes, near_bytes;
};

/* Maps the rings.  Free with ring_pair_close in any case. */
int ring_pair_map(struct ring_pair *p, const struct ring_pair_maps *maps,
		  struct error *e);
/* Unmaps; a pair of zeroes is allowed. */
void ring_pair_close(struct ring_pair *p);

/* As ring_peek and ring_release; `now_ns` is CLOCK_MONOTONIC. */
bool ring_pair_peek(struct ring_pair *p, int64_t now_ns,
		    struct source_span *span);
void ring_pair_release(struct ring_pair *p, size_t size);
