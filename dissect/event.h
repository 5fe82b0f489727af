/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leaves the dissector: calls, connections, names, payload blocks,
 * progress and coverage.  Plain values; slices are borrowed for the duration
 * of the callback that gets them.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "capture/identity/identity_block.h"
#include "dissect/registry.h"
#include "dissect/sink.h"

/* Where a packet is: the evidence behind a statement. */
struct packet_ref {
	uint32_t segment; /* index into the manifest */
	uint64_t offset;  /* of its block in the uncompressed segment */
};

struct endpoint {
	uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
};

/* Bytes kept in a payload block: (block, offset, size).  size 0: nothing. */
struct payload_ref {
	uint64_t block;
	uint32_t offset;
	uint32_t size;
};

enum call_flag {
	CALL_HAS_REQUEST = 1 << 0,
	CALL_HAS_RESPONSE = 1 << 1,
	CALL_IS_ERROR = 1 << 2,
	CALL_UNCERTAIN = 1 << 3,         /* the pairing; `reason` says why */
	CALL_REQUEST_INCOMPLETE = 1 << 4,  /* bytes missing inside (hole, snaplen) */
	CALL_RESPONSE_INCOMPLETE = 1 << 5,
	CALL_REQUEST_TRUNCATED = 1 << 6,   /* body longer than was kept */
	CALL_RESPONSE_TRUNCATED = 1 << 7,
	CALL_REQUEST_UNDECODED = 1 << 8,   /* content encoding could not be undone */
	CALL_RESPONSE_UNDECODED = 1 << 9,
	CALL_UPGRADED = 1 << 10,
	CALL_RETRANSMISSION = 1 << 11,
	CALL_CONNECTION_MIDSTREAM = 1 << 12, /* its start was not captured */
	CALL_WITHOUT_KEYS = 1 << 13, /* of TLS, that nobody could decrypt */
};

/* Why a pairing is uncertain or a half is absent. */
#define CALL_REASON_MAP(X)                                                  \
	X(NONE, "")                                                         \
	X(HOLE_BEFORE, "bytes are missing between the request and this "    \
		       "response; paired by TCP sequence")                  \
	X(PIPELINED_HOLE, "requests were pipelined and bytes are missing; " \
			  "order alone pairs them")                         \
	X(REQUEST_NOT_CAPTURED, "the request was not captured")             \
	X(RESPONSE_NOT_CAPTURED, "the response was not captured")           \
	X(NO_RESPONSE, "no response was sent before the connection closed") \
	X(CAPTURE_ENDED, "the capture ended before the response")           \
	X(ONE_DIRECTION, "only one direction was captured")                 \
	X(EVICTED, "given up to stay within memory limits")                 \
	X(STREAM_RESET, "the stream was reset before there was a response")

enum call_reason {
#define X(name, text) CALL_REASON_##name,
	CALL_REASON_MAP(X)
#undef X
	CALL_REASON_COUNT
};

/* From `offset` on the body, as on the wire, came at this time or later. */
struct body_time {
	uint32_t offset;
	int64_t time_ns;
};

/* One half of a call. */
struct call_half {
	int64_t first_ns, last_ns;  /* first and last byte seen; 0: absent */
	uint64_t wire_bytes;        /* of the message, headers and framing too */
	uint64_t body_wire_bytes;   /* of the body as sent */
	uint64_t body_bytes;        /* decoded; known even where not all is kept */
	struct bytes content_type;
	/* Set by the stream; the packer turns them into payload_refs. */
	struct bytes head;          /* (varint size, bytes) name, value, name, … */
	struct bytes body;          /* as on the wire, at most the kept limit */
	enum encoding encoding;
	/* Of a body that comes bit by bit (sink_timed), in order. */
	const struct body_time *times;
	uint32_t time_count;
	/* What the body is made of, a line of JSON each (dissect/application). */
	struct bytes messages;
	struct payload_ref head_ref, body_ref, messages_ref;
	struct packet_ref packet;   /* that carried the first byte */
};

struct call_event {
	enum protocol protocol;
	uint64_t connection;   /* unique in the dissection */
	uint32_t flags;        /* enum call_flag */
	enum call_reason reason;
	struct endpoint client, server;
	uint8_t ip_protocol;   /* 6 TCP, 17 UDP, 1 or 58 ICMP */
	int32_t status;        /* -1: none */
	struct bytes fields[FIELD_COUNT]; /* request's first, else response's */
	struct call_half request, response;
};

/* TCP handshake and ending seen: SYN 1, SYN-ACK 2, ACK 4, DATA 8, FIN 16,
 * RST 32 (the sum is Wireshark's tcp.completeness). */
struct tcp_facts {
	uint32_t completeness;
	int64_t handshake_ns, initial_rtt_ns; /* 0: not seen */
	int64_t rtt_min_ns, rtt_max_ns, rtt_sum_ns, jitter_ns;
	uint32_t rtt_samples;
	int64_t first_data_ns;                /* time to first server byte; 0: none */
	uint32_t window_scale[2];             /* per side; 255: unknown */
	uint64_t window_sum[2];
	/* Per side (of the sender). */
	uint32_t retransmissions[2], fast_retransmissions[2];
	uint32_t out_of_order[2], dup_acks[2], zero_windows[2], windows_full[2];
	uint32_t keepalives[2], resets[2], fins[2];
	uint32_t holes[2];
	uint64_t missing_bytes[2];
	uint32_t overlaps_differing[2];       /* same bytes sent with other content */
	uint64_t payload_bytes[2];            /* distinct stream bytes */
};

enum connection_state {
	CONNECTION_OPEN,      /* at the end of the capture */
	CONNECTION_CLOSED,    /* FIN both ways, or UDP idle */
	CONNECTION_RESET,
	CONNECTION_HALF_OPEN, /* no answer was seen */
	CONNECTION_EVICTED,
};

/* What told who was at an end. */
#define END_MECHANISM_MAP(X)                                             \
	X(UNKNOWN, "")                                                   \
	X(SOCKET, "socket")         /* the recorder, it does not say how */ \
	X(TRACEPOINT, "tracepoint") /* the socket, seen as it happened */  \
	X(ITERATOR, "iterator")     /* the socket, at the recorder's start */ \
	X(PROC, "proc")             /* the socket, in /proc */            \
	X(LISTENER, "listener")     /* only who was bound to the port */

enum end_mechanism {
#define X(name, text) END_##name,
	END_MECHANISM_MAP(X)
#undef X
	END_MECHANISM_COUNT
};

/* Who was at one end of a connection; zero: not known. */
struct connection_end {
	uint64_t process; /* identity_process.id in that stream's capture */
	uint32_t stream;  /* packet_segment.stream */
	uint32_t thread;  /* 0: unknown */
	enum end_mechanism mechanism;
};

struct connection_event {
	uint64_t id;
	struct endpoint client, server;
	uint8_t ip_protocol;
	enum protocol protocol; /* PROTOCOL_UNKNOWN: not understood */
	enum connection_state state;
	bool midstream;         /* its start was not captured */
	bool direction_guessed;
	bool one_direction;
	uint16_t vlan;          /* 0: none */
	uint32_t interface;
	int64_t first_ns, last_ns;
	uint64_t packets[2], wire_bytes[2]; /* by side; wire: IP length */
	uint64_t duplicate_packets;         /* the same frame seen again */
	uint64_t undissected_bytes;         /* payload no dissector understood */
	uint32_t calls;
	struct bytes first_bytes[2];        /* up to 32, of unknown traffic */
	struct packet_ref packet;           /* the first */
	struct tcp_facts tcp;               /* zero unless ip_protocol is 6 */
	struct connection_end ends[2];      /* client, server */
};

/* A process that ends refer to: given before the first that does, and again
 * when more is known of it. */
struct process_event {
	uint32_t stream;
	struct identity_process process;
};

/* An address learned from an answer in the same traffic. */
struct name_event {
	uint8_t ip[16];
	struct bytes name;
	int64_t time_ns;
};

/* What a dissection rests on; every counter is a total of one parser. */
#define COVERAGE_MAP(X)                                                       \
	X(packets, "packets read in the window")                              \
	X(packet_bytes, "captured bytes of them")                             \
	X(cut_packets, "packets cut by the capture's snap length")            \
	X(duplicate_packets, "frames seen more than once and counted once")   \
	X(malformed_packets, "packets whose headers could not be decoded")    \
	X(unsupported_packets, "packets of link or network types not decoded") \
	X(non_ip_packets, "ARP, LLDP and other packets without IP")           \
	X(fragments, "IP fragments")                                          \
	X(fragments_lost, "IP fragments that never became a packet")          \
	X(connections, "connections")                                         \
	X(connections_evicted, "connections given up to stay within memory")  \
	X(unknown_connections, "connections whose protocol is not understood") \
	X(unknown_bytes, "payload bytes of them")                             \
	X(holes, "places where TCP bytes are missing from the capture")       \
	X(missing_bytes, "TCP bytes missing from the capture")                \
	X(bad_messages, "times a dissector lost the thread")                  \
	X(bytes_given_up, "buffered bytes given up to stay within memory")    \
	X(bodies_truncated, "bodies longer than was kept")                    \
	X(bodies_undecoded, "bodies whose content encoding was not undone")   \
	X(calls_uncertain, "calls whose pairing is uncertain")                \
	X(calls_unpaired, "calls with only one half")                         \
	X(tls_handshakes, "TLS handshakes")                                   \
	X(tls_unread, "TLS handshakes of which no key was there to decrypt "  \
		      "what followed")                                        \
	X(tls_records_lost, "TLS records of sessions with keys that could "   \
			    "not be decrypted")                               \
	X(tls_secrets_left_out, "TLS secrets that did not fit into memory")    \
	X(ends_known, "connection ends whose process is known")               \
	X(connections_anonymous, "connections with no end's process known")   \
	X(identities_left_out, "process and socket records that did not fit") \
	X(descriptors_left_out, "files of gRPC's reflection that did not fit")

struct coverage {
#define X(name, text) uint64_t name;
	COVERAGE_MAP(X)
#undef X
};

/* Receives what a stream or engine finds, in the order it is found. */
struct event_sink {
	void *context;
	/* It is the receiver's to change. */
	void (*call)(void *context, struct call_event *call);
	void (*connection)(void *context, const struct connection_event *c);
	void (*name)(void *context, const struct name_event *name);
	void (*process)(void *context, const struct process_event *process);
};
