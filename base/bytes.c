/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

/* Not tolower(3): header names do not change with the locale. */
static uint8_t
ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool
bytes_equal_nocase(struct bytes a, struct bytes b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++) {
		if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
			return false;
	}
	return true;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct bytes
bytes_trim(struct bytes in)
{
	while (in.size && is_blank(in.data[0])) {
		in.data++;
		in.size--;
	}
	while (in.size && is_blank(in.data[in.size - 1]))
		in.size--;
	return in;
}
