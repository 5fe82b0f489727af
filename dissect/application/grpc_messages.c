/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/grpc_messages.h"

#include "base/text.h"
#include "dissect/application/message_lines.h"
#include "dissect/application/protobuf_json.h"

#define RAW_SHOWN 4096 /* bytes of a message that is not protobuf */

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
	    enum encoding encoding, uint32_t type, struct grpc_frame message)
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
	if (whole && grpc_frame_decompress(reader, encoding, &message)) {
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
	struct grpc_frame message;
	size_t count = 0;

	while (grpc_frame_next(body, &at, &message))
		count++;
	return count;
}

void
grpc_messages(const struct grpc_reader *reader, const struct call_half *half,
	      uint32_t type, struct buf *out)
{
	struct grpc_frame message;
	struct message_lines lines;
	size_t at = 0;

	message_lines_init(&lines, half, out);
	while (grpc_frame_next(half->body, &at, &message)) {
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
