/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/dns_name.h"

#define NAME_LIMIT 255 /* octets, length octets included */

static void
append_label(struct buf *out, struct bytes label)
{
	char text[4 * 63];
	size_t size = 0;

	for (size_t i = 0; i < label.size; i++) {
		uint8_t c = label.data[i];

		if (c == '.' || c == '\\') {
			text[size++] = '\\';
			text[size++] = (char)c;
		} else if (c > ' ' && c < 0x7f) {
			text[size++] = (char)c;
		} else {
			text[size++] = '\\';
			text[size++] = (char)('0' + c / 100);
			text[size++] = (char)('0' + c / 10 % 10);
			text[size++] = (char)('0' + c % 10);
		}
	}
	buf_append(out, text, size);
}

/* Follows a pointer read before `*limit`; false unless it points below it. */
static bool
follow(struct reader *at, struct bytes message, size_t target, size_t *limit)
{
	if (target >= *limit)
		return false;
	*limit = target;
	*at = reader_make(bytes_from(message, target));
	return true;
}

void
dns_name(struct reader *r, struct bytes message, struct buf *out)
{
	size_t limit = reader_left(r) ? (size_t)(r->at - message.data) : 0;
	struct reader at = *r;
	bool jumped = false, first = true;
	size_t used = 0;

	for (;;) {
		uint8_t length = reader_u8(&at);
		struct bytes label;

		if (length >= 0xc0) {
			size_t target = (size_t)(length & 0x3f) << 8 |
					reader_u8(&at);

			if (!jumped)
				*r = at;
			jumped = true;
			if (at.failed || !follow(&at, message, target, &limit))
				break;
			continue;
		}
		used += length + 1u;
		label = reader_take(&at, length);
		if (at.failed || length > 63 || used > NAME_LIMIT)
			break;
		if (!length) {
			if (first && out)
				buf_u8(out, '.');
			if (!jumped)
				*r = at;
			return;
		}
		if (out && !first)
			buf_u8(out, '.');
		if (out)
			append_label(out, label);
		first = false;
	}
	r->failed = true;
}
