/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dissector may say that carries another stream inside its own: TLS,
 * whose records hold the bytes of a protocol that is found by content again.
 * The stream inside has positions of its own; times, packets and
 * acknowledgements come from the packets that carried the bytes.
 */
#pragma once

#include "dissect/sink.h"
#include "dissect/stream_context.h"

/* What the stream was given: keys, counters, the memory budget. */
struct stream_context *sink_context(struct sink *s);

/* Who talks. */
const struct stream_identity *sink_identity(const struct sink *s);

/* When the first byte of the slice given to feed was captured. */
int64_t sink_time(struct sink *s);

/*
 * When what is told came, and in which packet: that of the datagram being fed,
 * unless what is told had to wait for others.  Of datagrams only; once set it
 * holds until the next one.
 */
struct sink_moment {
	int64_t time_ns;
	struct packet_ref packet;
};
struct sink_moment sink_moment(const struct sink *s);
void sink_set_moment(struct sink *s, const struct sink_moment *moment);

/*
 * A stream begins inside, of both sides, whose calls carry `tls` (FIELD_TLS,
 * copied, cut to INNER_LABEL_MAX).  One that was open ends.  False when there
 * is no memory left for it.
 */
#define INNER_LABEL_MAX 400
bool sink_inner_open(struct sink *s, struct bytes tls);

/* True while there is one. */
bool sink_inner_is_open(const struct sink *s);

/*
 * The stream inside that was just opened is of this dissector, which is given
 * `settings` (at most INNER_SETTINGS_MAX bytes) by `upgraded`: it goes on with what
 * its outer part knows.
 */
#define INNER_SETTINGS_MAX 256
void sink_inner_adopt(struct sink *s, const char *protocol,
		      struct bytes settings);

/*
 * The next bytes of the side being fed, copied or parsed before this returns.
 * `offset` of the slice given to feed is where the first of them was carried,
 * and the others behind it; what carried them all ends at `end`.  Where there
 * is more inside than outside, what is left over came with the last of them.
 */
void sink_inner_data(struct sink *s, struct bytes plain, size_t offset,
		     size_t end);

/* `missing` bytes (0: unknown) of the side being fed will not come; what comes
 * next is carried at `end` of the slice given to feed, or beyond. */
void sink_inner_gap(struct sink *s, uint64_t missing, size_t end);

/* To be said before sink_inner_open: not all of that side will be inside. */
void sink_inner_lost(struct sink *s, enum side side);

/* What comes next inside is carried by what begins at the front of the slice
 * given to feed, of which sink_inner_data will be given a later one. */
void sink_inner_resume(struct sink *s);

/* The side being fed has said all. */
void sink_inner_finish(struct sink *s);
