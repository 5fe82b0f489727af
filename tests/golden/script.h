/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-written conversations of golden cases, one step a line:
 *
 *   C "GET / HTTP/1.1\r\n\r\n"   the client sends a packet (also S)
 *   C 'a' * 500 "b" 00ff         strings, repeated strings and hex are joined
 *   S late 1 "…"                 sent before the other side's last packet
 *                                had arrived (so not acknowledging it)
 *   gap S 120                    bytes of the server that were not captured
 *   gap S ?                      the same, when nobody knows how many
 *   fin C | rst S                a side ends, cleanly or not
 *   udp | icmp | icmpv6 | midstream   before the first packet
 *   limit body|head|pending N    one of the stream's options
 *   key LABEL RANDOM SECRET      a line of a TLS key log, before the packets
 *   end close|capture|evicted    how it all ends (default close)
 *   # comment
 *
 * Every packet acknowledges all that the other side sent before it.
 */
#pragma once

#include "base/buf.h"
#include "dissect/stream.h"

enum script_kind { SCRIPT_DATA, SCRIPT_GAP, SCRIPT_FIN, SCRIPT_RST };

struct script_step {
	enum script_kind kind;
	enum side side;
	unsigned line;         /* the time in ms and the packet's offset */
	struct buf data;
	uint64_t missing;      /* SCRIPT_GAP; 0: unknown */
	uint64_t position;
	uint64_t acknowledged;
};

#define SCRIPT_STEPS 256

struct script {
	struct script_step *steps; /* room for SCRIPT_STEPS */
	size_t count;
	uint8_t ip_protocol; /* 6 unless it is said */
	bool midstream;
	struct buf keys; /* a key log */
	struct stream_options options;
	enum call_reason end;
};

/* 0, or the number of the line that makes no sense. */
unsigned script_parse(struct script *script, struct bytes text);
void script_free(struct script *script);
