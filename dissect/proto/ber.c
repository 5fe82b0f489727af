/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/ber.h"

/* Octets of a long length. */
#define LENGTH_OCTETS 4

enum verdict
ber_head(struct bytes in, uint8_t *tag, size_t *head, size_t *length)
{
	size_t count;

	if (in.size < 1)
		return VERDICT_MAYBE;
	*tag = in.data[0];
	if ((*tag & 0x1f) == 0x1f) /* more octets of the tag */
		return VERDICT_NO;
	if (in.size < 2)
		return VERDICT_MAYBE;
	*head = 2;
	*length = in.data[1];
	if (*length < 0x80)
		return VERDICT_YES;
	count = *length & 0x7f;
	if (!count || count > LENGTH_OCTETS)
		return VERDICT_NO;
	if (in.size < 2 + count)
		return VERDICT_MAYBE;
	*length = 0;
	for (size_t i = 0; i < count; i++)
		*length = *length << 8 | in.data[2 + i];
	*head = 2 + count;
	return VERDICT_YES;
}

struct ber
ber_next_cut(struct reader *r, bool *whole)
{
	struct ber out = { 0, { NULL, 0 } };
	size_t head, length;

	*whole = true;
	if (ber_head(bytes_make(r->at, reader_left(r)), &out.tag, &head,
		     &length) != VERDICT_YES) {
		r->failed = true;
		return (struct ber){ 0, { NULL, 0 } };
	}
	reader_skip(r, head);
	if (length > reader_left(r)) {
		*whole = false;
		length = reader_left(r);
	}
	out.value = reader_take(r, length);
	return out;
}

struct ber
ber_next(struct reader *r)
{
	bool whole;
	struct ber out = ber_next_cut(r, &whole);

	if (whole)
		return out;
	r->failed = true;
	return (struct ber){ 0, { NULL, 0 } };
}

struct bytes
ber_take(struct reader *r, uint8_t tag)
{
	struct ber element = ber_next(r);

	if (element.tag != tag) {
		r->failed = true;
		return bytes_make(NULL, 0);
	}
	return element.value;
}

bool
ber_integer(struct bytes value, int64_t *out)
{
	uint64_t number;

	if (!value.size || value.size > 8)
		return false;
	number = value.data[0] & 0x80 ? UINT64_MAX : 0;
	for (size_t i = 0; i < value.size; i++)
		number = number << 8 | value.data[i];
	*out = (int64_t)number;
	return true;
}

int64_t
ber_take_integer(struct reader *r, uint8_t tag)
{
	int64_t out = 0;

	if (!ber_integer(ber_take(r, tag), &out))
		r->failed = true;
	return out;
}

void
ber_put_oid(struct buf *out, struct bytes value)
{
	uint64_t number = 0;
	bool first = true, open = false;

	for (size_t i = 0; i < value.size; i++) {
		if (number >> 57) {
			buf_text(out, "?");
			return;
		}
		number = number << 7 | (value.data[i] & 0x7f);
		open = value.data[i] & 0x80;
		if (open)
			continue;
		if (first) {
			unsigned root = number < 80 ? (unsigned)number / 40 : 2;

			buf_format(out, "%u.%llu", root,
				   (unsigned long long)(number - root * 40));
		} else {
			buf_format(out, ".%llu", (unsigned long long)number);
		}
		first = false;
		number = 0;
	}
	if (open)
		buf_text(out, "?");
}
