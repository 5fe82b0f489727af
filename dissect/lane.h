/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of a stream: the bytes that wait to be parsed, and which packets
 * they came from.  A packet that is parsed whole is never copied.
 */
#pragma once

#include "base/buf.h"
#include "dissect/message.h"

/* Where the bytes from `position` on came from. */
struct mark {
	uint64_t position;
	int64_t time_ns;
	struct packet_ref packet;
	uint64_t acknowledged;
	uint64_t before; /* highest acknowledged by this side's packets before */
	bool has_before;
};

enum lane_state {
	LANE_DETECT, /* held until the protocol is known */
	LANE_RUN,    /* fed to the dissector */
	LANE_SEARCH, /* skipped until a packet begins with a message */
};

#define LANE_FIRST_BYTES 32

struct lane {
	enum lane_state state;
	bool started;           /* position and origin are known */
	bool broken;            /* the next message is broken_before */
	bool passed_over;       /* LANE_SEARCH: no message begins at `position` */
	bool kick;              /* held bytes are worth another look */
	bool last;              /* LANE_SEARCH: what is held is all to judge by */
	bool finished, clean;   /* the side said FIN; without a reset */
	bool closed;            /* the dissector was told */
	uint64_t origin;        /* first position ever */
	uint64_t position;      /* of the first byte that is not consumed */
	uint64_t arrived;       /* position behind the last byte given */
	uint64_t hole_end;      /* behind the last hole; see `holes` */
	uint32_t holes;
	uint32_t breaks;        /* times that what is open became incomplete:
				 * for messages of channels */
	uint64_t received;      /* bytes given */
	uint64_t undissected;

	uint64_t skip;          /* body bytes to pass (UINT64_MAX: all) */
	bool skipped;           /* they have passed: feed even when empty */
	size_t wanted;          /* bytes that feed asked for */
	struct message *open;
	struct message *outer;  /* goes on when `open`, which is alone, ends */

	struct buf held;        /* begins at `position` */
	struct mark *marks;     /* of held, in order; none: all from `now` */
	uint32_t mark_count, mark_capacity;
	struct mark now;        /* the packet being processed */
	uint64_t acknowledged;  /* highest so far; valid when `received` */
	uint64_t first_acknowledged;

	uint8_t first[LANE_FIRST_BYTES];
	uint8_t first_size;
};

/* A zeroed lane that will hold at most `held_limit` bytes. */
void lane_init(struct lane *lane, size_t held_limit);
/* Frees what the lane holds, the open message with it. */
void lane_free(struct lane *lane, struct stream_context *context);

/* Notes the packet that brings `data`; the caller parses or holds it. */
void lane_arrive(struct lane *lane, struct bytes data,
		 const struct stream_at *at);

/* Appends what arrived to the held bytes; false at the limit. */
bool lane_hold(struct lane *lane, struct stream_context *context,
	       struct bytes data);

/* Forgets the first `size` held bytes, or packets before `position` when
 * nothing is held.  Does not move `position`. */
void lane_drop(struct lane *lane, struct stream_context *context, size_t size);

/* The packet that brought the byte at `position`. */
const struct mark *lane_mark(const struct lane *lane, uint64_t position);

/* The first packet boundary above `position` in the held bytes, or
 * UINT64_MAX. */
uint64_t lane_boundary(const struct lane *lane, uint64_t position);
