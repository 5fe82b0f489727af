/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was at the two ends of a connection: processes and sockets as the
 * recorder left them in the capture (capture/identity/identity_block.h),
 * looked up by addresses, ports and time.
 *
 * A socket with both ends known is found by them.  Where there is none, one
 * that is only bound (a listener, an unconnected UDP socket) stands in, if
 * the packets are known to have been delivered where it is.  Input is
 * hostile: everything is bounded, what does not fit is left out and counted.
 */
#pragma once

#include "capture/identity/identity_block.h"
#include "dissect/event.h"

/* A socket may be noticed this long after its first packet … */
#define WHO_LATE_NS 1000000000LL
/* … and be closed this long before its last ones. */
#define WHO_EARLY_NS 100000000LL

struct who_options {
	uint32_t shard_index, shard_count; /* whose sockets are kept */
	size_t memory_limit;               /* bytes, about */
};

struct who;

/* Call before entering a sandbox; who_free allows NULL. */
struct who *who_new(const struct who_options *options);
void who_free(struct who *w);

/*
 * A network namespace (inode) of a capture's stream as one number, different
 * for different captures; 0 when `netns` is 0, not known.
 */
uint32_t who_realm(uint32_t stream, uint64_t netns);

/* Takes in the body of a custom block; anybody else's is passed over. */
void who_block(struct who *w, uint32_t stream, struct bytes body,
	       int64_t now_ns);

struct who_query {
	struct endpoint local, remote;
	uint8_t ip_protocol;
	uint32_t realm;  /* that packets were sent from or delivered in by
			  * `local`; 0: not known */
	int64_t first_ns, last_ns; /* of the connection */
};

/* Finds out; false: not known, and `*end` is zero. */
bool who_find(struct who *w, const struct who_query *query,
	      struct connection_end *end);

/*
 * The process of an end if it was not given out yet, or has changed since:
 * true, and slices borrowed until the next who_block.
 */
bool who_take_process(struct who *w, const struct connection_end *end,
		      struct process_event *process);

/* The next process that has changed since it was given out; start with
 * `*cursor` 0.  False at the end. */
bool who_next_changed(struct who *w, size_t *cursor,
		      struct process_event *process);

/* Blocks that did not fit. */
uint64_t who_left_out(const struct who *w);
