/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/kafka_field.h"

#include <ctype.h>

/* "3", "2-4", "-3": reads both ends. */
static bool
covers(const char *text, int version)
{
	int low = 0, high = INT16_MAX;

	if (isdigit((uint8_t)*text))
		for (low = 0; isdigit((uint8_t)*text); text++)
			low = low * 10 + (*text - '0');
	if (*text == '-')
		for (text++, high = 0; isdigit((uint8_t)*text); text++)
			high = high * 10 + (*text - '0');
	return version >= low && version <= high;
}

struct kafka_field
kafka_field_read(const char *at, int version)
{
	struct kafka_field d = { .here = true };
	const char *end;

	while (*at == ' ')
		at++;
	d.type = *at;
	if (!*at || *at == ']') {
		d.next = at + (*at ? 1 : 0);
		return d;
	}
	at++;
	if (d.type == '*') {
		d.plain = true;
		d.type = *at++;
	}
	end = at + strcspn(at, " @");
	d.name = bytes_make(at, (size_t)(end - at));
	if (*end == '@')
		d.here = covers(end + 1, version);
	d.next = end + strcspn(end, " ");
	return d;
}

const char *
kafka_field_behind_array(const char *at)
{
	for (unsigned depth = 1; depth && *at;) {
		struct kafka_field d = kafka_field_read(at, 0);

		if (d.type == ']')
			depth--;
		else if (d.type == '[')
			depth++;
		at = d.next;
	}
	return at;
}
