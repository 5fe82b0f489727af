/* SPDX-License-Identifier: Apache-2.0 */
#include "naming_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "dissect/store/payload.h"
#include "tests/support/protos.h"

#define LINE "{\"size\":5,\"message\":{\"1\":\"mug\"}}\n"

static void
say_types(struct naming_fixture *f)
{
	const struct protos_field fields[] = {
		{ "name", 1, DESCRIPTOR_STRING, NULL },
		{ NULL, 0, DESCRIPTOR_KINDS, NULL },
	};
	struct descriptor_event event = { .server = { .ip = { 1 }, .port = 1 },
					  .name = bytes_of("shop.proto") };
	struct buf file;

	buf_init(&file, 4096);
	protos_file(&file, "shop.proto", "shop");
	protos_message(&file, "Item", fields);
	protos_service(&file, "Cart", "Add", "Item", "Item");
	event.file = buf_view(&file);
	descriptor_list_add(f->list, &event);
	descriptor_list_groups(f->list);
	buf_free(&file);
}

/* One block: the body, and its line. */
static void
put_payload(struct naming_fixture *f, struct payload_ref refs[2])
{
	struct buf raw, message;
	uint8_t packed[500];
	size_t size;

	buf_init(&raw, 400);
	buf_init(&message, 100);
	protos_text(&message, 1, "mug");
	protos_frame(&raw, false, buf_view(&message));
	refs[0] = (struct payload_ref){ NAMING_BLOCK_ID, 0,
					(uint32_t)raw.size };
	buf_text(&raw, LINE);
	refs[1] = (struct payload_ref){ NAMING_BLOCK_ID, refs[0].size,
					(uint32_t)strlen(LINE) };
	size = ZSTD_compress(packed, sizeof(packed), raw.data, raw.size, 1);
	assert_false(ZSTD_isError(size));
	assert_int_equal(store_writer_block(f->store, NAMING_BLOCK_ID,
					    PAYLOAD_BODIES, (uint32_t)raw.size,
					    bytes_make(packed, size)), 0);
	buf_free(&raw);
	buf_free(&message);
}

int
naming_setup_fixture(void **state)
{
	struct naming_fixture *f = calloc(1, sizeof(*f));
	json_t *meta = json_object();
	struct payload_ref refs[2];
	int fd;

	memcpy(f->path, "/tmp/at-naming-XXXXXX", 22);
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	snprintf(f->final, sizeof(f->final), "%s.done", f->path);
	assert_int_equal(store_writer_open(f->path, meta, &f->store, NULL), 0);
	json_decref(meta);
	f->list = descriptor_list_new();
	say_types(f);
	put_payload(f, refs);
	for (uint8_t i = 0; i < NAMING_CALL_COUNT; i++) {
		struct call_event call = {
			.protocol = PROTOCOL_grpc,
			.server = { .ip = { i ? 1 : 2 }, .port = 1 },
			.flags = CALL_HAS_REQUEST,
			.ip_protocol = 6,
			.status = -1,
			.fields = { [FIELD_METHOD] =
					    bytes_of("shop.Cart/Add") },
		};

		call.request.body_ref = refs[0];
		call.request.messages_ref = refs[1];
		assert_int_equal(store_writer_call(f->store, &call), 0);
	}
	assert_int_equal(store_writer_commit(f->store), 0);
	f->options.memory_bytes = 256u << 20;
	f->setup = (struct naming_setup){ .options = &f->options,
					  .list = f->list,
					  .receive_limit = 1 << 20 };
	assert_int_equal(store_writer_free_block(f->store,
						 &f->setup.first_block), 0);
	assert_int_equal(f->setup.first_block, NAMING_BLOCK_ID + 1);
	*state = f;
	return 0;
}

int
naming_teardown(void **state)
{
	struct naming_fixture *f = *state;

	store_writer_abort(f->store);
	descriptor_list_free(f->list);
	unlink(f->path);
	unlink(f->final);
	free(f);
	return 0;
}

const char *
naming_run(struct naming_fixture *f)
{
	static char fault[200];
	struct naming *n;

	assert_int_equal(naming_start(&f->setup, f->store, &n, NULL), 0);
	while (!naming_ended(n)) {
		struct pollfd fd = naming_poll(n);

		assert_true(poll(&fd, 1, -1) > 0);
		assert_int_equal(naming_serve(n, fd.revents), 0);
	}
	snprintf(fault, sizeof(fault), "%s",
		 naming_fault(n) ? naming_fault(n) : "");
	naming_free(n);
	return fault;
}

const char *
naming_messages(struct naming_fixture *f, int64_t id)
{
	static char text[500];
	struct coverage coverage = { 0 };
	struct payload_cache *cache;
	sqlite3_stmt *s;
	struct bytes part;
	sqlite3 *db;

	if (f->store)
		assert_int_equal(store_writer_finish(f->store, &coverage, NULL,
						     f->final, NULL), 0);
	f->store = NULL;
	assert_int_equal(sqlite3_open(f->final, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT payload FROM calls"
					    " WHERE id = ?",
					    -1, &s, NULL), SQLITE_OK);
	sqlite3_bind_int64(s, 1, id);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_int_equal(payload_cache_new(db, &cache, NULL), 0);
	part = bytes_make(sqlite3_column_blob(s, 0),
			  (size_t)sqlite3_column_bytes(s, 0));
	assert_int_equal(payload_read(cache, part, PAYLOAD_REQUEST_MESSAGES,
				      &part, NULL), 0);
	snprintf(text, sizeof(text), "%.*s", (int)part.size,
		 (const char *)part.data);
	payload_cache_free(cache);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return text;
}
