/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairs requests with responses, and says how certain that is.
 *
 * In order: while no byte of either side is missing since the last certain
 * pair, the n-th response answers the n-th request.  After a hole the TCP
 * numbers decide.  A response that begins at server position s answers the
 * request r that was sent when the client had received exactly the bytes below
 * s (r->acknowledged == s): what answers r cannot begin below s, and what
 * begins at s was not there before r.  That is certain when also nothing unseen
 * was outstanding before r:
 *  1. everything below r->start is known to be answered; or
 *  2. the server's packets before s acknowledged exactly r->start; or
 *  3. the request directly before r was sent with a lower acknowledgement, and
 *     its response may be in a hole.
 * 2 and 3 need a client that was never seen to pipeline: not to send a request
 * before the answer to the one before, nor to be acknowledged more than the
 * request that is being answered.  Otherwise a pair is marked uncertain, or
 * the halves are left alone when the numbers contradict.
 *
 * A response whose acknowledgement is not above r->start was sent before the
 * server had any byte of r, and never answers it (an unsolicited 408).
 *
 * A request that is understood only after the server, which had received it,
 * was heard to answer something unknown (its side was being searched for a
 * message) may have been answered so, and is left alone.
 *
 * tests/unit/dissect/test_pair.c plays this against a simulated network.
 */
#pragma once

#include "dissect/dissector.h"
#include "dissect/exchange.h"
#include "dissect/lane.h"

enum pair_chain {
	CHAIN_LOST,    /* order says nothing */
	CHAIN_LIKELY,  /* the last pair was uncertain, nothing lost since */
	CHAIN_CERTAIN, /* the first open request is the next to be answered */
};

struct pair {
	struct exchange_place place;
	const struct lane *lanes;    /* of the stream, by side */
	enum pairing kind;

	struct message *first, **tail; /* open requests, oldest first */
	uint32_t count;

	enum pair_chain chain;
	bool pipelined;              /* seen on this connection */
	bool has_interim;            /* so were interim responses */
	uint64_t answered;           /* all client bytes below are answered */
	bool answered_known;
	uint64_t last_acknowledged;  /* of the newest request */
	bool has_last;
	uint64_t response_acknowledged; /* of the newest final response */
	bool has_response;
	uint64_t stray_acknowledged; /* most of responses without a request */
	bool has_stray;
};

/* Nothing is open; `lanes` (two, by side) outlive the pair. */
void pair_init(struct pair *p, const struct exchange_place *place,
	       const struct lane *lanes);

/* The protocol is known from here on. */
void pair_start(struct pair *p, enum protocol protocol, enum pairing kind);

/* A message of `side` begins, and ends.  From its end on the pair owns it.  A
 * response in order has its request (m->peer) after its begin, or NULL. */
void pair_begin(struct pair *p, struct message *m, enum side side);
void pair_end(struct pair *p, struct message *m, enum side side);

/* A pair or a half (the other NULL) of a channel; `reason`, or a better one,
 * says why a half is alone. */
void pair_emit(struct pair *p, struct message *request,
	       struct message *response, enum call_reason reason);

/* Notes in `request` that `response` (1xx) came, and releases it. */
void pair_interim(struct pair *p, struct message *request,
		  struct message *response);

/* Emits every open request with `reason`, or with a better one. */
void pair_flush(struct pair *p, enum call_reason reason);
