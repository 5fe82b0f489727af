/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a line says beside its message (when it came, its size on the wire) is
 * known nowhere else, so that lines are changed and not made again.  Whether a
 * line and a message of the body belong together is seen by writing the message
 * as it was written: bodies may be cut, and messages in them left out.
 */
#include "dissect/application/grpc_names.h"

#include "base/text.h"
#include "dissect/application/grpc_frame.h"
#include "dissect/application/protobuf_json.h"

#define MESSAGE  ",\"message\":"
#define LEFT_OUT "{\"left_out\":"
/* Of a line before its message: a time, a size, whether it was compressed. */
#define START_MAX 160
/* Beside a message: what is before it, and a last line that counts. */
#define OVERHEAD (2 * START_MAX)

struct renaming {
	const struct descriptors *descriptors;
	uint32_t type;
	struct bytes lines, body;
	size_t at; /* in the body */
	struct buf *scratch, *out;
	struct json_writer writer;
	bool in_step; /* lines and body, so far */
	bool changed;
};

/* Takes a line, without its end. */
static struct bytes
next_line(struct bytes *lines)
{
	const uint8_t *end = memchr(lines->data, '\n', lines->size);
	struct bytes line = *lines;

	if (end)
		line = bytes_first(line, (size_t)(end - line.data));
	*lines = bytes_from(*lines, line.size + 1);
	return line;
}

/* The size of what is before the message of a line; 0: it has none. */
static size_t
start_of(struct bytes line)
{
	struct bytes in = bytes_first(line, START_MAX);
	const uint8_t *found =
		memmem(in.data, in.size, MESSAGE, strlen(MESSAGE));

	return found ? (size_t)(found - line.data) + strlen(MESSAGE) : 0;
}

static bool
write_message(struct renaming *r, struct bytes message, uint32_t type,
	      struct buf *out)
{
	bool good;

	json_writer_to(&r->writer, out);
	good = protobuf_json(message, r->descriptors, type, &r->writer);
	json_writer_flush(&r->writer);
	return good && !out->failed;
}

/* Is this the message that the line shows, by number? */
static bool
shows(struct renaming *r, struct bytes shown, struct bytes message)
{
	buf_reset(r->scratch);
	if (!write_message(r, message, DESCRIPTORS_NONE, r->scratch))
		return false;
	buf_u8(r->scratch, '}');
	return bytes_equal(shown, buf_view(r->scratch));
}

/* Writes the line anew; false: it stays as it is. */
static bool
rename_line(struct renaming *r, struct bytes line)
{
	size_t start = start_of(line);
	struct grpc_frame frame;

	if (!r->in_step || !grpc_frame_next(r->body, &r->at, &frame)) {
		r->in_step = false;
		return false;
	}
	/* What is no message, or is cut, says nothing about the rest. */
	if (!start || frame.compressed || frame.bytes.size != frame.size ||
	    line.data[start] != '{')
		return false;
	r->in_step = shows(r, bytes_from(line, start), frame.bytes);
	if (!r->in_step)
		return false;
	buf_bytes(r->out, bytes_first(line, start));
	write_message(r, frame.bytes, r->type, r->out);
	buf_u8(r->out, '}');
	r->changed = true;
	return true;
}

/* How many messages a line is about. */
static uint64_t
weight(struct bytes line)
{
	uint64_t count = 1;

	if (bytes_starts_with(line, LEFT_OUT) && line.data[line.size - 1] == '}')
		(void)text_u64(bytes_first(bytes_from(line, strlen(LEFT_OUT)),
					   line.size - strlen(LEFT_OUT) - 1),
			       &count);
	return count;
}

/* Everything from this line on is not shown. */
static void
leave_out(struct renaming *r, struct bytes line)
{
	uint64_t count = weight(line);

	while (r->lines.size)
		count += weight(next_line(&r->lines));
	buf_format(r->out, LEFT_OUT "%llu}\n", (unsigned long long)count);
}

static bool
has_room(const struct buf *out, struct bytes line)
{
	size_t most = line.size > PROTOBUF_JSON_MAX ? line.size
						    : PROTOBUF_JSON_MAX;

	return out->size + most + OVERHEAD <= out->limit;
}

bool
grpc_names(const struct descriptors *descriptors, uint32_t type,
	   struct bytes lines, struct bytes body, struct buf *scratch,
	   struct buf *out)
{
	struct renaming r = {
		.descriptors = descriptors,
		.type = type,
		.lines = lines,
		.body = body,
		.scratch = scratch,
		.out = out,
		.in_step = true,
	};

	while (r.lines.size) {
		struct bytes line = next_line(&r.lines);

		if (bytes_starts_with(line, LEFT_OUT) || !has_room(out, line)) {
			leave_out(&r, line);
			break;
		}
		if (!rename_line(&r, line))
			buf_bytes(out, line);
		buf_u8(out, '\n');
	}
	return r.changed && !out->failed;
}
