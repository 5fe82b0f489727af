/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are in the file already, and what may still change of them. */
#include "dissect/store/payload_refs.h"
#include "dissect/store/writer.h"

static struct bytes
column_bytes(sqlite3_stmt *s, int column)
{
	const void *data = sqlite3_column_blob(s, column);

	return bytes_make(data, (size_t)sqlite3_column_bytes(s, column));
}

/* A row: 1, 0 when there is none, or the sticky error. */
static int
step(struct store_writer *w, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return writer_fail(w, ERR_IO, "cannot read");
}

int
store_writer_visit(struct store_writer *w, enum protocol protocol,
		   int64_t after,
		   bool (*visit)(void *context,
				 const struct store_call_payload *call),
		   void *context)
{
	sqlite3_stmt *s = w->statements[WRITER_VISIT];
	int rc;

	if (writer_begin(w))
		return w->error.code;
	sqlite3_bind_int64(s, 1, after);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)protocol);
	while ((rc = step(w, s)) == 1) {
		struct bytes ip = column_bytes(s, 1);
		struct store_call_payload call = {
			.id = sqlite3_column_int64(s, 0),
			.server_port = (uint16_t)sqlite3_column_int64(s, 2),
			.method = column_bytes(s, 3),
			.payload = column_bytes(s, 4),
		};

		if (ip.size == sizeof(call.server))
			memcpy(call.server, ip.data, ip.size);
		if (!visit(context, &call)) {
			rc = 0;
			break;
		}
	}
	sqlite3_reset(s);
	return rc;
}

int
store_writer_read_block(struct store_writer *w, uint64_t block,
			uint32_t *raw_size, struct buf *out)
{
	sqlite3_stmt *s = w->statements[WRITER_READ_BLOCK];
	int rc;

	if (writer_begin(w))
		return w->error.code;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)block);
	rc = step(w, s);
	if (rc == 1) {
		*raw_size = (uint32_t)sqlite3_column_int64(s, 0);
		buf_bytes(out, column_bytes(s, 1));
	}
	sqlite3_reset(s);
	return rc == 0 ? ERR_NOTFOUND : rc < 0 ? rc : 0;
}

int
store_writer_free_block(struct store_writer *w, uint64_t *block)
{
	sqlite3_stmt *s = w->statements[WRITER_LAST_BLOCK];
	int rc;

	if (writer_begin(w))
		return w->error.code;
	rc = step(w, s);
	if (rc == 1)
		*block = (uint64_t)sqlite3_column_int64(s, 0) + 1;
	sqlite3_reset(s);
	return rc < 0 ? rc : 0;
}

/* The references of the call as they are. */
static int
read_refs(struct store_writer *w, enum protocol protocol, int64_t call,
	  struct payload_ref refs[PAYLOAD_PART_COUNT])
{
	sqlite3_stmt *s = w->statements[WRITER_PAYLOAD];
	int rc, bad = 0;

	sqlite3_bind_int64(s, 1, call);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)protocol);
	rc = step(w, s);
	if (rc == 1)
		bad = payload_refs_decode(column_bytes(s, 0), refs);
	sqlite3_reset(s);
	if (rc < 0)
		return rc;
	return rc == 0 || bad ? writer_fail(w, ERR_CORRUPT,
					    "messages of another call")
			      : 0;
}

int
store_writer_messages(struct store_writer *w, enum protocol protocol,
		      int64_t call, const struct payload_ref messages[2])
{
	sqlite3_stmt *s = w->statements[WRITER_SET_PAYLOAD];
	struct payload_ref refs[PAYLOAD_PART_COUNT];
	uint8_t blob[PAYLOAD_REFS_SIZE];
	size_t size;

	if (writer_begin(w) || read_refs(w, protocol, call, refs))
		return w->error.code;
	for (int side = 0; side < 2; side++) {
		const struct payload_ref *ref = &messages[side];

		if (ref->size > PAYLOAD_BLOCK_LIMIT ||
		    ref->offset > PAYLOAD_BLOCK_LIMIT - ref->size ||
		    ref->block > INT64_MAX / 2)
			return writer_fail(w, ERR_CORRUPT,
					   "impossible messages");
		if (ref->size)
			refs[PAYLOAD_REQUEST_MESSAGES + side] = *ref;
	}
	size = payload_refs_encode(refs, blob);
	sqlite3_bind_blob(s, 1, blob, (int)size, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 2, call);
	return writer_step(w, WRITER_SET_PAYLOAD);
}
