/* SPDX-License-Identifier: Apache-2.0 */
/* One part of a file (RFC 9110, 14.2). */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

enum http_range {
	RANGE_ALL,  /* none asked for, several, or not understood: everything */
	RANGE_PART,
	RANGE_NONE, /* behind the end */
};

/* What of a file of `size` bytes a Range field asks for: [*from, *to). */
enum http_range http_range_parse(struct bytes field, uint64_t size,
				 uint64_t *from, uint64_t *to);
