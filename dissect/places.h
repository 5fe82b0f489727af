/* SPDX-License-Identifier: Apache-2.0 */
/* Where packets were seen: what is known of a stream's interfaces. */
#pragma once

#include <stdint.h>

struct place {
	uint32_t realm; /* who_realm; 0: not known */
	uint32_t apart; /* the realm that connections here have to themselves,
			 * whatever their addresses; 0: they have none */
};

/* By number; begins as zeroes, free with places_free. */
struct places {
	struct place *items;
	uint32_t count;
};

/* Notes the realm of an interface; 0 says nothing. */
void places_note(struct places *p, uint32_t number, uint32_t realm);

/* Gives the interface a realm of its own. */
void places_set_apart(struct places *p, uint32_t number);

/* What is known of an interface. */
struct place places_at(const struct places *p, uint32_t number);

/* Frees them. */
void places_free(struct places *p);
