/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled pattern: what pattern_compile.c writes and pattern.c runs. */
#pragma once

#include <stdint.h>

#include "dissect/store/pattern.h"

#define PATTERN_STEPS 2000

enum pattern_op {
	STEP_BYTE,   /* a byte of the set; on to the next step */
	STEP_SPLIT,  /* on at both targets */
	STEP_JUMP,   /* on at the first target */
	STEP_BEGIN,  /* ^ */
	STEP_END,    /* $ */
	STEP_WORD,   /* \b */
	STEP_NO_WORD,
	STEP_MATCH,
};

struct pattern_step {
	enum pattern_op op;
	int32_t target[2]; /* relative, so that code can be moved */
	uint32_t set;      /* which of the pattern's sets */
};

struct pattern_set {
	uint64_t bits[4]; /* one for each byte */
};

/* States to be looked at: dense list and the place of each in it. */
struct pattern_states {
	uint32_t *list, *place;
	uint32_t count;
};

struct pattern {
	struct pattern_step *steps;
	uint32_t step_count;
	struct pattern_set *sets;
	uint32_t set_count;
	struct pattern_states now, then;
	uint32_t *stack;
};

static inline bool
pattern_set_has(const struct pattern_set *set, uint8_t byte)
{
	return set->bits[byte >> 6] >> (byte & 63) & 1;
}

static inline bool
pattern_is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '_';
}
