/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/http_range.h"

#include "base/text.h"

/* "-500": the last 500 bytes. */
static enum http_range
parse_suffix(struct bytes count, uint64_t size, uint64_t *from)
{
	uint64_t n;

	if (!text_u64(count, &n))
		return RANGE_ALL;
	if (n == 0 || size == 0)
		return RANGE_NONE;
	*from = n < size ? size - n : 0;
	return RANGE_PART;
}

enum http_range
http_range_parse(struct bytes field, uint64_t size, uint64_t *from,
		 uint64_t *to)
{
	const uint8_t *dash;
	struct bytes first, last;
	uint64_t end;

	*from = 0;
	*to = size;
	if (!bytes_starts_with(field, "bytes="))
		return RANGE_ALL;
	field = bytes_from(field, 6);
	dash = field.size ? memchr(field.data, '-', field.size) : NULL;
	if (!dash)
		return RANGE_ALL;
	first = bytes_first(field, (size_t)(dash - field.data));
	last = bytes_from(field, first.size + 1);
	if (first.size == 0)
		return parse_suffix(last, size, from);
	if (!text_u64(first, from) ||
	    (last.size > 0 && (!text_u64(last, &end) || end < *from))) {
		*from = 0;
		return RANGE_ALL;
	}
	if (*from >= size)
		return RANGE_NONE;
	if (last.size > 0 && end < size)
		*to = end + 1;
	return RANGE_PART;
}
