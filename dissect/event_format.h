/* SPDX-License-Identifier: Apache-2.0 */
/* What event_encode.c writes and event_decode.c reads, for the two alone. */
#pragma once

#include <string.h>

#include "dissect/event_wire.h"

#define CALL_FLAGS_ALL ((CALL_WITHOUT_KEYS << 1) - 1)

/* What is the same as in the call before: a bit a text, then addresses. */
enum same_bit {
	SAME_REQUEST_TYPE = FIELD_COUNT,
	SAME_RESPONSE_TYPE,
	SAME_CLIENT,
	SAME_SERVER,
	SAME_COUNT,
	SAME_SIZE = 2 /* bytes that the bits take */
};

_Static_assert(SAME_COUNT <= 8 * SAME_SIZE, "a bit each");

enum connection_bit {
	CONNECTION_BIT_MIDSTREAM = 1 << 0,
	CONNECTION_BIT_GUESSED = 1 << 1,
	CONNECTION_BIT_ONE_DIRECTION = 1 << 2,
	CONNECTION_BIT_WHO = 1 << 3, /* an end's process is known */
	CONNECTION_BITS_ALL = (1 << 4) - 1,
};

/* Strings of a process; each travels cut to IDENTITY_STRING_MAX. */
#define PROCESS_STRINGS 9

/* What the next call's text is compared with. */
static inline void
event_remember(struct event_memory_text *m, struct bytes text)
{
	if (text.size > EVENT_MEMORY_TEXT)
		return;
	m->size = (uint8_t)text.size;
	if (text.size)
		memcpy(m->text, text.data, text.size);
}
