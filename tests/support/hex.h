/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of specifications as they are printed there. */
#pragma once

#include <assert.h>
#include <string.h>

#include "base/text.h"

struct hex {
	uint8_t data[128];
	size_t size;
};

/* The bytes that digits say, two for each. */
static inline struct hex
hex(const char *digits)
{
	struct hex out = { .size = strlen(digits) / 2 };

	assert(out.size <= sizeof(out.data));
	for (size_t i = 0; i < out.size; i++)
		out.data[i] =
			(uint8_t)(text_hex_digit((uint8_t)digits[2 * i]) << 4 |
				  text_hex_digit((uint8_t)digits[2 * i + 1]));
	return out;
}
