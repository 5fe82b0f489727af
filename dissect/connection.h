/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of connections: found by both endpoints and the IP protocol in
 * either direction, ended by idleness, bounded in number.
 *
 * Memory of one: struct connection, for TCP struct tcp (both under 1 KiB
 * together), and the stream once payload was seen.
 */
#pragma once

#include "dissect/packet.h"
#include "dissect/stream.h"
#include "dissect/tcp.h"

/* How long a connection may be idle depends on what it is; each kind is a list
 * in order of last activity.  In order of which to evict first. */
enum connection_kind {
	CONNECTION_ENDED,     /* TCP after FINs or RST: for late packets */
	CONNECTION_UNANSWERED, /* TCP, one side seen only */
	CONNECTION_DATAGRAMS, /* everything but TCP */
	CONNECTION_STREAM,
	CONNECTION_KINDS
};

#define CONNECTION_ENDED_NS 10000000000LL
#define CONNECTION_UNANSWERED_NS 180000000000LL
#define CONNECTION_DATAGRAMS_NS 60000000000LL
#define CONNECTION_STREAM_NS 3600000000000LL

/* Both ends in a fixed order, so that both directions have one key.  Loopback
 * addresses mean something else in each network namespace. */
struct connection_key {
	struct endpoint low, high;
	uint32_t realm; /* of loopback addresses, where known; else 0 */
	uint32_t ip_protocol;
	uint32_t about; /* ICMP: digest of the connection reported on; 0: none */
};

struct engine;

struct connection {
	struct connection *chain;          /* same bucket */
	struct connection *older, *newer;  /* same kind */
	struct connection *wait_previous, *wait_next; /* reassembly waits */
	struct engine *engine;
	struct tcp *tcp;                   /* owned; NULL unless TCP */
	struct stream *stream;             /* NULL until payload was seen */
	uint64_t hash;
	struct connection_key key;
	bool client_is_low : 1;
	bool midstream : 1, direction_guessed : 1;
	bool waits : 1;
	uint8_t kind;
	uint16_t vlan;
	uint32_t interface;
	/* In which realm each end (low, high) sends and receives; 0: unknown. */
	uint32_t realms[2];
	int64_t active_ns;                 /* rounded, for the lists */
	int64_t first_ns, last_ns;
	uint64_t id;
	uint64_t packets[2], wire_bytes[2];
	uint32_t duplicates;
	uint32_t reports; /* calls of ICMP about it */
	struct packet_ref first_packet, last_packet;
};

struct connection_table;

/* A table of at most `limit` connections; it must be empty to be freed. */
struct connection_table *connection_table_new(uint32_t limit);
void connection_table_free(struct connection_table *t);

/* The key of what `source` sent; `realm` is that of the interface (who_realm),
 * `*source_is_low` says which end sent it. */
struct connection_key connection_key(const struct endpoint *source,
				     const struct endpoint *target,
				     uint8_t ip_protocol, uint32_t realm,
				     bool *source_is_low);

/* Where a packet belongs. */
struct connection_keys {
	struct connection_key key;
	bool source_is_low;
	/* Of an ICMP message that quotes a packet: the connection that it is
	 * about, which its own key names too; else the same as `key`. */
	struct connection_key about;
};
struct connection_keys connection_keys(const struct packet *p, uint32_t realm);

/* 127.0.0.0/8 or ::1. */
bool connection_is_loopback(const uint8_t ip[16]);

/* A keyed hash of it, different in every process; a digest, never 0, and the
 * shard of `count` that has it, the same in every process. */
uint64_t connection_hash(const struct connection_table *t,
			 const struct connection_key *key);
uint32_t connection_digest(const struct connection_key *key);
uint32_t connection_shard(const struct connection_key *key, uint32_t count);

/* Asks for what will be wanted of the connection of this hash in a moment. */
void connection_prefetch(const struct connection_table *t, uint64_t hash);

/* The connection of this key, or NULL. */
struct connection *connection_find(const struct connection_table *t,
				   const struct connection_key *key,
				   uint64_t hash);

/* No more can be added before one is removed. */
bool connection_table_full(const struct connection_table *t);

/* A new connection, zeroed but for its key, hash, kind and tcp.  There must
 * be room for it. */
struct connection *connection_add(struct connection_table *t,
				  const struct connection_key *key,
				  uint64_t hash, int64_t now_ns);

/* Forgets and frees it (its stream is the caller's to free before). */
void connection_remove(struct connection_table *t, struct connection *c);

/* It was active, as a connection of this kind. */
void connection_touch(struct connection_table *t, struct connection *c,
		      enum connection_kind kind, int64_t now_ns);

/* One that has been idle too long, or NULL. */
struct connection *connection_idle(const struct connection_table *t,
				   int64_t now_ns);

/* The one to give up first; NULL when there is none. */
struct connection *connection_victim(const struct connection_table *t);

/* The list of those whose reassembly waits for something. */
void connection_wait(struct connection_table *t, struct connection *c,
		     bool waits);
struct connection *connection_waiting(const struct connection_table *t);
