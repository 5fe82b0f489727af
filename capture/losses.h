/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recorder could not record: how much, why, and when.  Kept per
 * segment, in its index entry, and summed up for captures and snapshots:
 * [{"cause","why","interface","netns","packets","from","to","from_ns","to_ns"}],
 * without "packets" where nobody could count them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

#define LOSS_INTERFACE_SIZE 32
#define LOSSES_MAX 128

/* Cause, its name, and how it is told ("… packets lost: <text>"). */
#define LOSS_MAP(X)                                                       \
	X(RING_FULL, "ring_full", "the ring between kernel and recorder was full") \
	X(COPY_ERROR, "copy_error", "the kernel could not copy the packet")  \
	X(KERNEL, "kernel", "the kernel dropped them before the recorder")   \
	X(DISK_FULL, "disk_full", "the disk was full")                       \
	X(DISK_ERROR, "disk_error", "the disk refused to write")             \
	X(QUOTA, "quota", "the quota was too small to seal them first")      \
	X(EVICTED, "evicted", "the quota had them removed since")            \
	X(UNSEEN_INTERFACE, "unseen_interface", "an interface was not watched yet") \
	X(RECORDER_DOWN, "recorder_down", "the recorder did not run")        \
	X(DAMAGED, "damaged", "what was recorded was damaged")

enum loss_cause {
#define X(name, text, sentence) LOSS_##name,
	LOSS_MAP(X)
#undef X
	LOSS_CAUSE_COUNT
};

#define LOSS_PACKETS_UNKNOWN UINT64_MAX

struct loss {
	enum loss_cause cause;
	char interface[LOSS_INTERFACE_SIZE]; /* empty: not of one alone */
	uint64_t netns;                      /* its namespace's inode, or 0 */
	uint64_t packets;                    /* or LOSS_PACKETS_UNKNOWN */
	int64_t from_ns, to_ns;              /* UTC, within which it happened */
};

/* Plain value, bounded: what does not fit is added to the newest entry of the
 * same cause.  {0} is empty. */
struct losses {
	size_t count;
	struct loss items[LOSSES_MAX];
};

/* Adds one; joined to the newest of the same cause and place where less
 * than two seconds lie between them. */
void losses_add(struct losses *l, const struct loss *loss);

/* Adds all of `other`. */
void losses_join(struct losses *l, const struct losses *other);

/* Packets of all entries whose number is known. */
uint64_t losses_packets(const struct losses *l);

/* Only what lies, in part at least, in [from, to). */
void losses_window(struct losses *l, int64_t from_ns, int64_t to_ns);

/* New reference. */
json_t *losses_json(const struct losses *l);

/* Adds what an array as losses_json makes holds; passes over what is none. */
void losses_parse(const json_t *array, struct losses *l);

/* "disk_full", and the words for it. */
const char *loss_cause_name(enum loss_cause cause);
const char *loss_cause_text(enum loss_cause cause);
