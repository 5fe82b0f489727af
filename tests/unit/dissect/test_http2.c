/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "dissect/registry.h"
#include "dissect/stream.h"

#define ENTRY 60000
#define REPEATED 1000

struct seen {
	unsigned calls;
	size_t head, path;
	bool truncated;
};

static void
note_call(void *context, struct call_event *call)
{
	struct seen *seen = context;

	seen->calls++;
	seen->head = call->request.head.size;
	seen->path = call->fields[FIELD_PATH].size;
	seen->truncated = call->flags & CALL_REQUEST_TRUNCATED;
}

/* A request whose :path is an entry of ENTRY bytes, said REPEATED times more by
 * a byte each (RFC 7541 §6.2.1, §6.1). */
static void
put_request(struct buf *out)
{
	static const uint8_t table[] = { 0x3f, 0xe1, 0xff, 0x03 }; /* 65536 */
	static const uint8_t size[] = { 0x7f, 0xe1, 0xd3, 0x03 };  /* 60000 */
	struct buf block;

	buf_init(&block, 1 << 17);
	buf_append(&block, table, sizeof(table));
	buf_u8(&block, 0x82); /* :method GET */
	buf_u8(&block, 0x44); /* :path, added to the table */
	buf_append(&block, size, sizeof(size));
	for (int i = 0; i < ENTRY; i++)
		buf_u8(&block, '/');
	for (int i = 0; i < REPEATED; i++)
		buf_u8(&block, 0xbe);
	buf_text(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	buf_append(out, "\0\0\0\4\0\0\0\0\0", 9); /* SETTINGS */
	buf_u8(out, (uint8_t)(block.size >> 16));
	buf_u8(out, (uint8_t)(block.size >> 8));
	buf_u8(out, (uint8_t)block.size);
	buf_append(out, "\1\5\0\0\0\1", 6); /* HEADERS, its end and all's */
	buf_bytes(out, buf_view(&block));
	buf_free(&block);
}

static void
a_table_entry_said_again_and_again_is_kept_up_to_a_limit(void **state)
{
	struct stream_identity identity = { .ip_protocol = 6,
					    .server = { .port = 80 } };
	struct stream_at at = { .time_ns = 1 };
	struct coverage coverage = { 0 };
	struct seen seen = { 0 };
	struct stream_context context = {
		.options = { UINT64_MAX, 1 << 16, 256 << 10, 16 },
		.events = { .context = &seen, .call = note_call },
		.coverage = &coverage,
		.buffered_limit = 16 << 20,
	};
	struct stream *stream = stream_new(&context, &identity);
	struct buf request;

	(void)state;
	buf_init(&request, 1 << 17);
	put_request(&request);
	stream_data(stream, SIDE_CLIENT, buf_view(&request), &at);
	stream_free(stream, CALL_REASON_NO_RESPONSE);
	buf_free(&request);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.path, ENTRY);
	assert_true(seen.head > ENTRY && seen.head <= 512 << 10);
	assert_true(seen.truncated);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_table_entry_said_again_and_again_is_kept_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
