/* SPDX-License-Identifier: Apache-2.0 */
/* memcached's binary protocol. */
#include <stdio.h>

#include "dissect/proto/memcached_parts.h"

#define REQUEST 0x80
#define RESPONSE 0x81
#define VALUE_MAX (1u << 30)

struct header {
	uint8_t magic, opcode, extras, type;
	uint16_t key, status; /* of a request: the virtual bucket */
	uint32_t body, opaque;
};

/* What a key and extras may be. */
enum need { NONE, SOME, ANY };

static const struct operation {
	const char *name;
	bool quiet;
	enum need key;
	uint8_t extras;     /* of a request */
	uint8_t fewest;     /* the same, where they may be left out */
	bool value;
} operations[] = {
	[0x00] = { "GET", false, SOME, 0, 0, false },
	[0x01] = { "SET", false, SOME, 8, 8, true },
	[0x02] = { "ADD", false, SOME, 8, 8, true },
	[0x03] = { "REPLACE", false, SOME, 8, 8, true },
	[0x04] = { "DELETE", false, SOME, 0, 0, false },
	[0x05] = { "INCR", false, SOME, 20, 20, false },
	[0x06] = { "DECR", false, SOME, 20, 20, false },
	[0x07] = { "QUIT", false, NONE, 0, 0, false },
	[0x08] = { "FLUSH_ALL", false, NONE, 4, 0, false },
	[0x09] = { "GET", true, SOME, 0, 0, false },
	[0x0a] = { "NOOP", false, NONE, 0, 0, false },
	[0x0b] = { "VERSION", false, NONE, 0, 0, false },
	[0x0c] = { "GET", false, SOME, 0, 0, false },
	[0x0d] = { "GET", true, SOME, 0, 0, false },
	[0x0e] = { "APPEND", false, SOME, 0, 0, true },
	[0x0f] = { "PREPEND", false, SOME, 0, 0, true },
	[0x10] = { "STATS", false, ANY, 0, 0, false },
	[0x11] = { "SET", true, SOME, 8, 8, true },
	[0x12] = { "ADD", true, SOME, 8, 8, true },
	[0x13] = { "REPLACE", true, SOME, 8, 8, true },
	[0x14] = { "DELETE", true, SOME, 0, 0, false },
	[0x15] = { "INCR", true, SOME, 20, 20, false },
	[0x16] = { "DECR", true, SOME, 20, 20, false },
	[0x17] = { "QUIT", true, NONE, 0, 0, false },
	[0x18] = { "FLUSH_ALL", true, NONE, 4, 0, false },
	[0x19] = { "APPEND", true, SOME, 0, 0, true },
	[0x1a] = { "PREPEND", true, SOME, 0, 0, true },
	[0x1b] = { "VERBOSITY", false, NONE, 4, 4, false },
	[0x1c] = { "TOUCH", false, SOME, 4, 4, false },
	[0x1d] = { "GAT", false, SOME, 4, 4, false },
	[0x1e] = { "GAT", true, SOME, 4, 4, false },
	[0x20] = { "SASL MECHANISMS", false, NONE, 0, 0, false },
	[0x21] = { "SASL AUTH", false, SOME, 0, 0, true },
	[0x22] = { "SASL STEP", false, SOME, 0, 0, true },
	[0x23] = { "GAT", false, SOME, 4, 4, false },
	[0x24] = { "GAT", true, SOME, 4, 4, false },
};

static const struct operation *
operation_of(uint8_t opcode)
{
	if (opcode >= sizeof(operations) / sizeof(*operations) ||
	    !operations[opcode].name)
		return NULL;
	return &operations[opcode];
}

static bool
is_secret(uint8_t opcode)
{
	return opcode == 0x21 || opcode == 0x22;
}

static struct header
read_header(struct bytes in)
{
	struct reader r = reader_make(in);
	struct header header = { .magic = reader_u8(&r) };

	header.opcode = reader_u8(&r);
	header.key = reader_be16(&r);
	header.extras = reader_u8(&r);
	header.type = reader_u8(&r);
	header.status = reader_be16(&r);
	header.body = reader_be32(&r);
	header.opaque = reader_be32(&r);
	return header;
}

static bool
fits_request(const struct header *header, const struct operation *operation)
{
	if (header->extras != operation->extras &&
	    header->extras != operation->fewest)
		return false;
	if ((operation->key == NONE && header->key) ||
	    (operation->key == SOME && !header->key))
		return false;
	return operation->value ||
	       header->body == (uint32_t)header->key + header->extras;
}

static const char *
status_text(uint16_t status)
{
	switch (status) {
	case 0x00:
		return "OK";
	case 0x01:
		return "NOT_FOUND";
	case 0x02:
		return "EXISTS";
	case 0x03:
		return "Too large";
	case 0x04:
		return "Invalid arguments";
	case 0x05:
		return "NOT_STORED";
	case 0x06:
		return "Non-numeric value";
	case 0x07:
		return "Wrong server";
	case 0x08:
	case 0x20:
		return "Authentication error";
	case 0x09:
	case 0x21:
		return "Authentication continues";
	case 0x81:
		return "Unknown command";
	case 0x82:
		return "Out of memory";
	case 0x83:
		return "Not supported";
	case 0x84:
		return "Internal error";
	case 0x85:
		return "Busy";
	case 0x86:
		return "Temporary failure";
	default:
		return NULL;
	}
}

static bool
is_failure(uint16_t status)
{
	return status && status != 0x01 && status != 0x02 && status != 0x05 &&
	       status != 0x21 && status != 0x09;
}

/* Whether the header can be one of that side; `in` has all of it. */
static bool
is_header(enum side side, const struct header *header)
{
	const struct operation *operation = operation_of(header->opcode);

	if (header->magic != (side == SIDE_CLIENT ? REQUEST : RESPONSE) ||
	    !operation || header->type || header->key > MEMCACHED_KEY ||
	    header->body > VALUE_MAX ||
	    header->body < (uint32_t)header->key + header->extras)
		return false;
	if (side == SIDE_CLIENT)
		return fits_request(header, operation);
	return status_text(header->status) &&
	       (header->extras == 0 || header->extras == 4);
}

enum verdict
memcached_is_binary(enum side side, struct bytes in)
{
	struct header header = read_header(in);

	if (in.size < 8)
		return in.size > 1 && !operation_of(in.data[1])
			       ? VERDICT_NO
			       : VERDICT_MAYBE;
	if (in.size < MEMCACHED_HEADER)
		return header.type || header.key > MEMCACHED_KEY
			       ? VERDICT_NO
			       : VERDICT_MAYBE;
	return is_header(side, &header) ? VERDICT_YES : VERDICT_NO;
}

/* The header at the front with its extras and key, all of which are here; a
 * step that is not DONE says why not. */
static struct step
read_head(enum side side, struct bytes in, struct header *header)
{
	size_t size;

	if (in.size < MEMCACHED_HEADER)
		return step_more(MEMCACHED_HEADER);
	*header = read_header(in);
	if (!is_header(side, header))
		return step_bad();
	size = MEMCACHED_HEADER + (size_t)header->key + header->extras;
	if (in.size < size)
		return step_more(size);
	return step_done(size);
}

static struct bytes
key_of(const struct header *header, struct bytes in)
{
	return bytes_first(bytes_from(in, MEMCACHED_HEADER + header->extras),
			   header->key);
}

static void
begin_request(const struct operation *operation, struct bytes key,
	      struct sink *sink)
{
	char summary[MEMCACHED_KEY + 32];

	sink_begin(sink);
	sink_field(sink, FIELD_METHOD, bytes_of(operation->name));
	sink_field(sink, FIELD_PATH, key);
	snprintf(summary, sizeof(summary), "%s%s%.*s", operation->name,
		 key.size ? " " : "", (int)key.size,
		 key.size ? (const char *)key.data : "");
	sink_field(sink, FIELD_SUMMARY, bytes_of(summary));
}

/* Flags and time of what is stored; by how much a number grows. */
static void
say_extras(const struct header *header, struct bytes in, struct sink *sink)
{
	struct reader r = reader_make(bytes_first(
		bytes_from(in, MEMCACHED_HEADER), header->extras));
	char text[24];

	if (header->extras == 8) {
		snprintf(text, sizeof(text), "0x%x", reader_be32(&r));
		sink_header(sink, bytes_of("flags"), bytes_of(text));
	} else if (header->extras == 20) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)reader_be64(&r));
		sink_header(sink, bytes_of("amount"), bytes_of(text));
		reader_skip(&r, 8);
	}
	if (header->extras >= 4) {
		snprintf(text, sizeof(text), "%u", reader_be32(&r));
		sink_header(sink, bytes_of("expires"), bytes_of(text));
	}
}

static struct step
request_ends(struct memcached_conn *conn, size_t size, struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_CLIENT];

	half->state = MEMCACHED_START;
	if (!half->more) {
		sink_end(sink, size);
		conn->quiet = 0;
	}
	return step_done(size);
}

struct step
memcached_binary_request(struct memcached_conn *conn, struct bytes in,
			 struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_CLIENT];
	const struct operation *operation;
	struct header header;
	struct step step;
	struct bytes key;

	if (half->state == MEMCACHED_TAIL) {
		/* Nothing stands behind a value: the next header does. */
		half->state = MEMCACHED_START;
		if (!half->more) {
			sink_end(sink, 0);
			conn->quiet = 0;
		}
	}
	step = read_head(SIDE_CLIENT, in, &header);
	if (step.kind != STEP_DONE)
		return step;
	operation = operation_of(header.opcode);
	key = key_of(&header, in);
	/* Whatever proves who somebody is is not kept. */
	half->left = header.body - (uint32_t)(step.n - MEMCACHED_HEADER);
	if (is_secret(header.opcode))
		step.n += half->left;
	if (is_secret(header.opcode) && in.size < step.n)
		return step_more(step.n);
	if (!conn->quiet)
		begin_request(operation, key, sink);
	else if (key.size)
		sink_header(sink, bytes_of("key"), key);
	say_extras(&header, in, sink);
	conn->quiet++;
	half->more = operation->quiet && conn->quiet < MEMCACHED_GROUP;
	sink_note(sink, memcached_note(MEMCACHED_BINARY, conn->quiet, 0));
	if (header.opcode == 0x17) { /* the connection ends with it */
		half->more = false;
		sink_flags(sink, MESSAGE_NO_RESPONSE);
	}
	if (is_secret(header.opcode) || !half->left)
		return request_ends(conn, (size_t)step.n, sink);
	half->state = MEMCACHED_DATA;
	return step;
}

static void
say_status(struct memcached_conn *conn, const struct header *header,
	   struct sink *sink)
{
	const char *text = status_text(header->status);
	bool gets = strcmp(operation_of(header->opcode)->name, "GET") == 0 ||
		    strcmp(operation_of(header->opcode)->name, "GAT") == 0;

	if (conn->failed || (conn->hits && header->opcode == 0x0a))
		return;
	sink_status(sink, header->status);
	if (gets && header->status <= 1)
		text = header->status ? "MISS" : "HIT";
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(text));
	if (!is_failure(header->status))
		return;
	conn->failed = true;
	sink_field(sink, FIELD_ERROR, bytes_of(text));
	sink_flags(sink, MESSAGE_IS_ERROR);
}

/* What the body of an answer is: a value, a pair of statistics, a number. */
static void
say_value(struct memcached_conn *conn, const struct header *header,
	  struct bytes key, uint64_t size, struct sink *sink)
{
	char text[MEMCACHED_KEY + 32];

	if (header->opcode == 0x10) {
		sink_body(sink, bytes_of(conn->answers++ ? "\n" : ""));
		sink_body(sink, key);
		sink_body(sink, bytes_of(size ? " " : ""));
		return;
	}
	if (!header->status && header->extras == 4) {
		snprintf(text, sizeof(text), "%.*s%s%llu bytes", (int)key.size,
			 key.size ? (const char *)key.data : "",
			 key.size ? " " : "", (unsigned long long)size);
		memcached_value(conn, bytes_of(text), sink);
	}
}

static struct step
answer_ends(struct memcached_conn *conn, size_t size, struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_SERVER];

	half->state = MEMCACHED_START;
	if (!half->more)
		memcached_end_answer(conn, size, sink);
	return step_done(size);
}

/* The new number of INCR and DECR. */
static void
say_number(struct bytes in, struct sink *sink)
{
	struct reader r = reader_make(in);
	char text[24];

	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)reader_be64(&r));
	sink_body(sink, bytes_of(text));
}

struct step
memcached_binary_response(struct memcached_conn *conn, struct bytes in,
			  struct sink *sink)
{
	struct memcached_side *half = &conn->sides[SIDE_SERVER];
	const struct operation *operation;
	struct header header;
	struct step step;
	bool counts;

	if (half->state == MEMCACHED_TAIL) {
		half->state = MEMCACHED_START;
		if (!half->more)
			memcached_end_answer(conn, 0, sink);
	}
	step = read_head(SIDE_SERVER, in, &header);
	if (step.kind != STEP_DONE)
		return step;
	operation = operation_of(header.opcode);
	half->left = header.body - (uint32_t)(step.n - MEMCACHED_HEADER);
	counts = !header.status && half->left == 8 &&
		 (operation == &operations[5] || operation == &operations[6]);
	if (counts || is_secret(header.opcode))
		step.n += half->left;
	if (in.size < step.n)
		return step_more(step.n);
	if (!conn->answering)
		memcached_begin_answer(conn, sink);
	/* Statistics end with one that has no name. */
	half->more = operation->quiet ||
		     (header.opcode == 0x10 && header.key && !header.status);
	say_status(conn, &header, sink);
	if (counts)
		say_number(bytes_from(in, (size_t)step.n - 8), sink);
	else
		say_value(conn, &header, key_of(&header, in), half->left, sink);
	if (counts || is_secret(header.opcode) || !half->left)
		return answer_ends(conn, (size_t)step.n, sink);
	half->state = MEMCACHED_DATA;
	return step;
}
