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

/* A name being read, perhaps from several places of the message. */
struct walk {
	struct reader at;
	size_t limit; /* pointers must point below */
	size_t used;  /* of the wire form, pointers followed */
	bool jumped;
};

/* The next label, behind any pointers; the first pointer ends the name where
 * `r` stands.  False when the name is malformed. */
static bool
next_label(struct walk *w, struct bytes message, struct reader *r,
	   struct bytes *label)
{
	uint8_t length = reader_u8(&w->at);

	while (length >= 0xc0) {
		size_t target = (size_t)(length & 0x3f) << 8 |
				reader_u8(&w->at);

		if (!w->jumped)
			*r = w->at;
		w->jumped = true;
		if (w->at.failed || !follow(&w->at, message, target, &w->limit))
			return false;
		length = reader_u8(&w->at);
	}
	w->used += length + 1u;
	*label = reader_take(&w->at, length);
	return !w->at.failed && length <= 63 && w->used <= NAME_LIMIT;
}

void
dns_name(struct reader *r, struct bytes message, struct buf *out)
{
	struct walk w = { .at = *r };
	struct bytes label;

	w.limit = reader_left(r) ? (size_t)(r->at - message.data) : 0;
	for (bool first = true; next_label(&w, message, r, &label);
	     first = false) {
		if (out && first == (label.size == 0))
			buf_u8(out, '.');
		if (label.size == 0) {
			if (!w.jumped)
				*r = w.at;
			return;
		}
		if (out)
			append_label(out, label);
	}
	r->failed = true;
}
