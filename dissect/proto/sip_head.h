/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a message of SIP (RFC 3261 §7). */
#pragma once

#include "dissect/sink.h"

/* A longer head is none. */
#define SIP_HEAD (64u << 10)

struct sip_head {
	size_t size;             /* with the empty line */
	bool response;
	uint16_t status;
	struct bytes method, uri, reason;
	struct bytes fields;     /* the lines behind the first */
	/* What they say; empty: nothing. */
	struct bytes branch, call_id, sequence, sequence_method;
	struct bytes content_type;
	uint64_t length;
	bool has_length;
};

/* Whether a message begins at the front of `in`; `whole`: there is no more. */
enum verdict sip_probe(struct bytes in, bool whole);

/* Reads the head at the front of `in`.  MAYBE: it is not whole; of a datagram
 * (`whole`) that is its end. */
enum verdict sip_head(struct bytes in, bool whole, struct sip_head *head);

/* The fields as headers, with their long names, and what they are beside that.
 */
void sip_say_fields(const struct sip_head *head, struct sink *sink);

/* What tells transactions apart: topmost branch (or Call-ID) and CSeq (RFC
 * 3261 §17.1.3). */
uint64_t sip_transaction(const struct sip_head *head);

/* "sip:user@host:port;parameters": the host. */
struct bytes sip_host(struct bytes uri);

/* A header `media` for each that a description has (RFC 8866 §5.14). */
void sip_say_media(struct bytes description, struct sink *sink);
