/* SPDX-License-Identifier: Apache-2.0 */
/* Which protocol is it: asks every dissector, by content. */
#pragma once

#include "dissect/registry.h"

/* Ports break ties once this much is known and several may be it. */
#define DETECT_ENOUGH 4096

struct detect_hint {
	enum transport transport;
	uint64_t protocols;    /* bit per enum protocol that may be found */
	uint16_t ports[2];     /* of both ends */
	bool known;            /* resuming: the connection speaks the protocol */
	bool last;             /* there will be no more bytes to look at */
};

struct detect_result {
	enum verdict verdict;  /* MAYBE: ask again with more */
	enum protocol protocol; /* when YES */
};

/* The first bytes of both sides of a connection; either may be empty. */
struct detect_result detect_start(const struct detect_hint *hint,
				  struct bytes client, struct bytes server);

/*
 * Bytes of one side from the start of a packet on: do they begin a message
 * beyond doubt?  With `hint->last` a maybe is a no.
 */
struct detect_result detect_resume(const struct detect_hint *hint,
				   bool from_client, struct bytes in);
