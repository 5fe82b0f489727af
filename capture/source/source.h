/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a recorder's packets come from: one `const struct source_type` each
 * for BPF on the cgroup root, BPF by interface, AF_PACKET and replay of a
 * file.  A source hands out spans of its own memory; the recorder writes them
 * to disk as they are and gives them back.  Nothing is copied or parsed on the
 * way; raw_reader.h reads them later.
 *
 * A source is used by two threads: one reads (peek, release, ended), the other
 * keeps it going and asks (watch, counts, refresh, describe).  Open and close
 * are called while there is only one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/* How the bytes of a span, and so of a raw segment, are to be read. */
enum raw_format {
	RAW_FORMAT_RECORDS = 1, /* raw_record.h, one after the other */
	RAW_FORMAT_BLOCKS = 2,  /* TPACKET_V3 blocks (linux/if_packet.h), each at
				 * a page boundary, cut to a whole page after
				 * its used length */
};

/* What the times of packets count. */
enum raw_clock {
	RAW_CLOCK_MONOTONIC = 1, /* CLOCK_MONOTONIC of this boot */
	RAW_CLOCK_UTC = 2,       /* nanoseconds since 1970 */
};

/* Kernel features to do without as if they were missing, for tests and to find
 * out what is wrong on a node; a set. */
enum source_avoid {
	SOURCE_AVOID_BPF = 1,    /* AF_PACKET */
	SOURCE_AVOID_DYNPTR = 2, /* records of fixed sizes */
	SOURCE_AVOID_TCX = 4,    /* clsact */
	SOURCE_AVOID_FILTER = 8, /* the recorder filters */
};

/* What the user asked for; borrowed during open only. */
struct source_options {
	const char *const *interfaces; /* NULL: node-wide */
	size_t interface_count;        /* 1 and "all": every interface */
	const char *const *namespaces; /* paths or names as in ip-netns(8);
					* empty: the recorder's own (interface
					* sources), all (cgroup) */
	size_t namespace_count;
	const char *filter;            /* pcap-filter(7); NULL: none */
	const char *cgroup;            /* NULL: the cgroup2 root */
	const char *replay_file;       /* replay only */
	double replay_speed;           /* 0: as fast as it can be written */
	uint32_t snaplen;              /* 0: whole packets */
	uint64_t ring_bytes;           /* a power of two; 0: 64 MiB */
	unsigned avoid;                /* enum source_avoid */
};

/*
 * Committed bytes that have not been given back, in one piece of memory.
 * For RAW_FORMAT_RECORDS `data` lies at the same offset in its page as it has
 * in the stream, so that whole pages can be written with O_DIRECT: the page
 * that `data` lies in may be read from its beginning.
 */
struct source_span {
	const uint8_t *data; /* first byte not given back */
	size_t size;         /* whole records or blocks */
	uint64_t position;   /* of `data` in the stream; congruent to its
			      * address modulo the page size */
	bool more;           /* there is more that is not contiguous */
};

/* Counters since open; each is what the kernel or the source itself says. */
struct source_counts {
	uint64_t seen_packets;     /* that passed the hook (and filter) */
	uint64_t seen_bytes;
	uint64_t captured_packets;
	uint64_t filtered_packets; /* not wanted by the filter */
	uint64_t cut_packets;      /* by snaplen */
	uint64_t lost_ring;        /* no room in the ring */
	uint64_t lost_errors;      /* the program could not copy the packet */
	uint64_t lost_kernel;      /* AF_PACKET's tp_drops and the like */
};

struct source;

struct source_type {
	const char *name;        /* "cgroup", "interface", "af_packet", "replay" */
	enum raw_format format;
	/*
	 * Opens, loads and attaches.  DENIED (a capability is missing),
	 * UNSUPPORTED (this kernel lacks a feature), INVALID (filter,
	 * interface): the sentence names what and what to do.
	 */
	int (*open)(const struct source_options *options, struct source **s,
		    struct error *e);
	/* Readable when there is much to take; otherwise look now and then. */
	int (*descriptor)(const struct source *s);
	/* True and a span when anything is committed. */
	bool (*peek)(struct source *s, struct source_span *span);
	/* Gives back the first `size` bytes of the span. */
	void (*release)(struct source *s, size_t size);
	/* True when nothing will come any more (replay). */
	bool (*ended)(const struct source *s);
	/* Readable when refresh is to be called at once; -1: never. */
	int (*watch)(const struct source *s);
	void (*counts)(const struct source *s, struct source_counts *counts);
	/* Called about once a second: attaches to new interfaces, notices ones
	 * that are gone.  Returns 0 or an error that recording survives. */
	int (*refresh)(struct source *s, struct error *e);
	/*
	 * {"source","mechanism","filter":{"expression","where"},
	 *  "interfaces":[{"ifindex","name","netns","link_type","seen",
	 *    "lost","lost_errors","unseen_ns"}],"degraded":[{"feature","why"}]};
	 * new reference.  "lost" is all of them, in the ring and by errors.
	 * link_type is what packets of that interface begin with: LINKTYPE_*.
	 */
	json_t *(*describe)(const struct source *s);
	void (*close)(struct source *s);
};

/* Every source begins with this. */
struct source {
	const struct source_type *type;
	enum raw_clock clock;
	/* Bytes that can wait to be read before packets are lost; 0: nothing is
	 * lost, however long they wait. */
	uint64_t room;
	/* The expression that the kernel could not run: whoever reads the
	 * packets applies it (raw_filter.h).  NULL: nothing left to do. */
	const char *recorder_filter;
};

extern const struct source_type source_cgroup;
extern const struct source_type source_interface;
extern const struct source_type source_af_packet;
extern const struct source_type source_replay;

/*
 * The best source for these options: replay with a file, cgroup without
 * interfaces, interface with them, AF_PACKET where BPF is not to be had.
 * `*why` (free(3), may be NULL) says what was passed over and why.
 */
int source_open(const struct source_options *options, struct source **s,
		char **why, struct error *e);

/* watch of sources that need none. */
int source_unwatched(const struct source *s);

/* What works here: [{"check","ok","detail","fix"}]; new reference. */
json_t *source_probe(void);
