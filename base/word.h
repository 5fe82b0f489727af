/* SPDX-License-Identifier: Apache-2.0 */
/* Eight bytes at a time, in the machine's order: to compare, not to keep. */
#pragma once

#include <stdint.h>
#include <string.h>

#define WORD sizeof(uint64_t)

/* The WORD bytes at `at`, aligned or not. */
static inline uint64_t
word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, WORD);
	return word;
}
