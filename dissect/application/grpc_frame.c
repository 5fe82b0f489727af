/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/grpc_frame.h"

#define PREFIX 5 /* a flag, and a size in four bytes */

bool
grpc_frame_next(struct bytes body, size_t *at, struct grpc_frame *frame)
{
	struct bytes in = bytes_from(body, *at);

	if (in.size < PREFIX || in.data[0] > 1)
		return false;
	frame->compressed = in.data[0];
	frame->offset = *at;
	frame->size = (uint32_t)in.data[1] << 24 | (uint32_t)in.data[2] << 16 |
		      (uint32_t)in.data[3] << 8 | in.data[4];
	frame->bytes = bytes_first(bytes_from(in, PREFIX), frame->size);
	*at += PREFIX + frame->bytes.size;
	return true;
}

bool
grpc_frame_decompress(const struct grpc_reader *reader, enum encoding encoding,
		      struct grpc_frame *frame)
{
	enum encoding of_messages = content_of_messages(encoding);
	uint64_t size;

	if (!frame->compressed || !frame->bytes.size)
		return true;
	buf_reset(reader->scratch);
	if (of_messages == ENCODING_NONE ||
	    content_decode(reader->decoder, of_messages, frame->bytes,
			   reader->ratio_limit, reader->scratch,
			   &size) != CONTENT_WHOLE)
		return false;
	frame->bytes = buf_view(reader->scratch);
	return true;
}
