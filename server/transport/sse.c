/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/sse.h"

#include <string.h>

#include "base/text.h"

static void
write_id(struct buf *out, const struct sse_id *id)
{
	if (id)
		buf_format(out, "id: %u-%u\n", id->stream, id->number);
}

void
sse_event(struct buf *out, const char *name, const struct sse_id *id,
	  struct bytes data)
{
	if (name)
		buf_format(out, "event: %s\n", name);
	write_id(out, id);
	buf_text(out, "data: ");
	buf_bytes(out, data);
	buf_text(out, "\n\n");
}

void
sse_prime(struct buf *out, const struct sse_id *id, unsigned retry_ms)
{
	write_id(out, id);
	if (retry_ms > 0)
		buf_format(out, "retry: %u\n", retry_ms);
	buf_text(out, "data: \n\n");
}

bool
sse_parse_id(struct bytes text, struct sse_id *id)
{
	const uint8_t *dash = text.size ? memchr(text.data, '-', text.size) :
					  NULL;
	uint64_t stream, number;
	size_t at;

	if (!dash || text.size > 21)
		return false;
	at = (size_t)(dash - text.data);
	if (!text_u64(bytes_first(text, at), &stream) ||
	    !text_u64(bytes_from(text, at + 1), &number) ||
	    stream > UINT32_MAX || number > UINT32_MAX)
		return false;
	id->stream = (uint32_t)stream;
	id->number = (uint32_t)number;
	return true;
}
