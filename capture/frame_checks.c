/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/frame_checks.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#define KEY    "frame_checks"
#define DIGITS 8

uint32_t
frame_check(struct bytes frame)
{
	return (uint32_t)XXH3_64bits(frame.data, frame.size);
}

void
frame_checks_add(struct frame_checks *c, uint32_t check)
{
	if (c->count == FRAME_CHECKS_MAX)
		return;
	if (c->count == c->capacity) {
		c->capacity = c->capacity * 2 + 8;
		c->items = alloc_resize(c->items, c->capacity,
					sizeof(*c->items));
	}
	c->items[c->count++] = check;
}

void
frame_checks_free(struct frame_checks *c)
{
	free(c->items);
	*c = (struct frame_checks){ 0 };
}

void
frame_checks_set(json_t *entry, const struct frame_checks *c)
{
	struct buf text;

	buf_init(&text, FRAME_CHECKS_MAX * DIGITS);
	for (uint32_t i = 0; i < c->count; i++)
		buf_format(&text, "%08x", c->items[i]);
	json_object_set_new(entry, KEY, json_string(buf_cstr(&text)));
	buf_free(&text);
}

/* False when a character is not a hexadecimal digit. */
static bool
frame_checks_digits(const char *text, uint32_t *check)
{
	uint32_t value = 0;

	for (int i = 0; i < DIGITS; i++) {
		int digit = text_hex_digit((uint8_t)text[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*check = value;
	return true;
}

int
frame_checks_get(const json_t *entry, struct frame_checks *c)
{
	const json_t *member = json_object_get(entry, KEY);
	const char *text = json_string_value(member);
	size_t size = json_string_length(member);
	struct frame_checks found = { 0 };
	uint32_t check;

	if (c)
		*c = found;
	if (!member)
		return 0;
	if (!text || size % DIGITS != 0 || size / DIGITS > FRAME_CHECKS_MAX)
		return ERR_CORRUPT;
	for (size_t at = 0; at < size; at += DIGITS) {
		if (!frame_checks_digits(text + at, &check)) {
			frame_checks_free(&found);
			return ERR_CORRUPT;
		}
		if (c)
			frame_checks_add(&found, check);
	}
	if (c)
		*c = found;
	return 0;
}
