/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a dissection database: bulk load with no journal into
 * <name>.sqlite.part, one transaction per batch so that readers see what is
 * there so far, indexes last, then fsync and rename.  One writer per file.
 * Nothing the parsers send is trusted: lengths, enums and references are
 * checked.  ERR_CORRUPT refuses one event, as if it had not come; any other
 * error is final.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "dissect/event.h"

struct store_writer;

enum payload_kind { PAYLOAD_HEADS, PAYLOAD_BODIES };

/* For a process that only writes, before anything else of the store: spares it
 * what readers need. */
void store_writer_setup(void);

/*
 * Creates `path` (replacing a stale one) with the schema of schema/sql/.
 * `meta` is an object of strings, numbers and objects kept in the table
 * `meta` (snapshot, dissection, options, versions …), state "running".
 */
int store_writer_open(const char *path, json_t *meta,
		      struct store_writer **out, struct error *e);

/* A zstd-compressed payload block; `block` is the id that payload_refs use. */
int store_writer_block(struct store_writer *w, uint64_t block,
		       enum payload_kind kind, uint32_t raw_size,
		       struct bytes compressed);

/* One call; ids count from 1 in the order they come. */
int store_writer_call(struct store_writer *w, const struct call_event *call);

/* One connection, once, when it has ended. */
int store_writer_connection(struct store_writer *w,
			    const struct connection_event *c);

/* One answer that gave an address a name. */
int store_writer_name(struct store_writer *w, const struct name_event *name);

/* A process, before the connections whose ends refer to it; again when more is
 * known of it. */
int store_writer_process(struct store_writer *w,
			 const struct process_event *event);

/*
 * Afterwards: messages of calls that are there already (payload_refs.h) may be
 * replaced, once more is known of them.
 */
struct store_call_payload {
	int64_t id;
	uint8_t server[16];
	uint16_t server_port;
	struct bytes method, payload; /* borrowed until the visitor returns */
};

/* Visits the calls of a protocol with payload, in order, from behind `after`
 * until the visitor returns false. */
int store_writer_visit(struct store_writer *w, enum protocol protocol,
		       int64_t after,
		       bool (*visit)(void *context,
				     const struct store_call_payload *call),
		       void *context);

/* A block as it was given, its bytes appended to `out`.  ERR_NOTFOUND: there is
 * none. */
int store_writer_read_block(struct store_writer *w, uint64_t block,
			    uint32_t *raw_size, struct buf *out);

/* An id above those of all blocks. */
int store_writer_free_block(struct store_writer *w, uint64_t *block);

/* The messages of a call of that protocol, of request and response; those of
 * size 0 stay what they are. */
int store_writer_messages(struct store_writer *w, enum protocol protocol,
			  int64_t call, const struct payload_ref messages[2]);

/* A fault of the run itself ("parser 2 was killed by signal 31"). */
int store_writer_fault(struct store_writer *w, const char *kind,
		       const char *text);

/* Makes everything so far visible to readers. */
int store_writer_commit(struct store_writer *w);

struct store_counts {
	uint64_t calls, connections;
	uint64_t calls_by_protocol[PROTOCOL_COUNT];
	uint64_t file_bytes;
};

/* What was written so far, committed or not. */
struct store_counts store_writer_counts(const struct store_writer *w);

/* Why the last call failed, for the job's status. */
const char *store_writer_error(const struct store_writer *w);

/*
 * Builds indexes, resolves names, stores coverage and counts, sets state
 * "completed" (or "partial" with `problem` not NULL), fsyncs and renames
 * `path` to `final_path`.  Frees the writer in any case.
 */
int store_writer_finish(struct store_writer *w, const struct coverage *coverage,
			const char *problem, const char *final_path,
			struct error *e);

/* Closes and removes the file.  NULL is allowed. */
void store_writer_abort(struct store_writer *w);
