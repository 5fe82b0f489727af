/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/grpc_messages.h"

#include "base/text.h"
#include "dissect/application/message_lines.h"
#include "dissect/application/protobuf_json.h"

#define PREFIX    5    /* a flag, and a size in four bytes */
#define RAW_SHOWN 4096 /* bytes of a message that is not protobuf */

struct framed {
	bool compressed;
	size_t offset;      /* of its prefix in the body */
	uint32_t size;      /* that it says */
	struct bytes bytes; /* what is there of it */
};

/* Takes the next message; false at the end. */
static bool
next_message(struct bytes body, size_t *at, struct framed *message)
{
	struct bytes in = bytes_from(body, *at);

	if (in.size < PREFIX || in.data[0] > 1)
		return false;
	message->compressed = in.data[0];
	message->offset = *at;
	message->size = (uint32_t)in.data[1] << 24 |
			(uint32_t)in.data[2] << 16 | (uint32_t)in.data[3] << 8 |
			in.data[4];
	message->bytes = bytes_first(bytes_from(in, PREFIX), message->size);
	*at += PREFIX + message->bytes.size;
	return true;
}

/* The message as it was before it was compressed; false: that is not known. */
static bool
decompress(const struct grpc_reader *reader, enum encoding encoding,
	   struct framed *message)
{
	enum encoding of_messages = content_of_messages(encoding);
	uint64_t size;

	if (!message->compressed || !message->bytes.size)
		return true;
	buf_reset(reader->scratch);
	if (of_messages == ENCODING_NONE ||
	    content_decode(reader->decoder, of_messages, message->bytes,
			   reader->ratio_limit, reader->scratch,
			   &size) != CONTENT_WHOLE)
		return false;
	message->bytes = buf_view(reader->scratch);
	return true;
}

static void
put_raw(struct message_lines *m, struct bytes in)
{
	size_t size = in.size < RAW_SHOWN ? in.size : RAW_SHOWN;

	while (size < in.size && size && text_is_utf8(in) &&
	       (in.data[size] & 0xc0) == 0x80)
		size--;
	json_writer_name(&m->writer, bytes_of("data"));
	json_writer_string(&m->writer, bytes_first(in, size));
}

static void
put_message(const struct grpc_reader *reader, struct message_lines *m,
	    enum encoding encoding, uint32_t type, struct framed message)
{
	bool whole = message.bytes.size == message.size;

	json_writer_name(&m->writer, bytes_of("size"));
	json_writer_number(&m->writer, message.size);
	if (!whole) {
		json_writer_name(&m->writer, bytes_of("incomplete"));
		json_writer_word(&m->writer, "true");
	}
	if (message.compressed) {
		json_writer_name(&m->writer, bytes_of("compressed"));
		json_writer_word(&m->writer, "true");
	}
	if (whole && decompress(reader, encoding, &message)) {
		json_writer_name(&m->writer, bytes_of("message"));
		if (!protobuf_json(message.bytes, reader->descriptors, type,
				   &m->writer)) {
			json_writer_word(&m->writer, "null");
			put_raw(m, message.bytes);
		}
	}
	message_lines_end(m);
}

static size_t
count_messages(struct bytes body, size_t at)
{
	struct framed message;
	size_t count = 0;

	while (next_message(body, &at, &message))
		count++;
	return count;
}

void
grpc_messages(const struct grpc_reader *reader, const struct call_half *half,
	      uint32_t type, struct buf *out)
{
	struct framed message;
	struct message_lines lines;
	size_t at = 0;

	message_lines_init(&lines, half, out);
	while (next_message(half->body, &at, &message)) {
		if (!message_lines_begin(&lines, message.offset,
					 PROTOBUF_JSON_MAX)) {
			message_lines_left(
				&lines,
				count_messages(half->body, message.offset));
			break;
		}
		put_message(reader, &lines, half->encoding, type, message);
	}
}
