/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections each address has, so that one cannot take all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_KEY 16

struct map;

struct address_count {
	struct map *counts;
	uint32_t most; /* of one address; 0: no limit, nothing is counted */
};

/* `connections`: how many there can be in all. */
void address_count_init(struct address_count *a, uint32_t most,
			size_t connections);
void address_count_free(struct address_count *a);

/* What stands for an address: of IPv6 its /64, which is what one host has. */
void address_count_key(const struct sockaddr *address,
		       uint8_t key[ADDRESS_KEY]);

/* One more; false: it has too many, and nothing was counted. */
bool address_count_take(struct address_count *a,
			const uint8_t key[ADDRESS_KEY]);
/* One less than address_count_take has counted. */
void address_count_give(struct address_count *a,
			const uint8_t key[ADDRESS_KEY]);
