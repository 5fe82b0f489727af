/* SPDX-License-Identifier: Apache-2.0 */
#include "base/frame.h"

#include <assert.h>

#include "base/err.h"

#define SIZE_FIELD 4

size_t
frame_begin(struct buf *out, uint8_t type)
{
	size_t position = out->size;
	uint8_t header[FRAME_HEADER] = { 0, 0, 0, 0, type };

	buf_append(out, header, sizeof(header));
	return position;
}

void
frame_end(struct buf *out, size_t position)
{
	size_t size;

	/* What did not fit is no frame: only whole ones stay in the buffer. */
	if (out->failed) {
		out->size = position < out->size ? position : out->size;
		return;
	}
	assert(out->size >= position + FRAME_HEADER);
	size = out->size - position - SIZE_FIELD;
	assert(size <= UINT32_MAX);
	for (size_t i = 0; i < SIZE_FIELD; i++)
		out->data[position + i] = (uint8_t)(size >> (8 * i));
}

int
frame_next(struct bytes *in, size_t limit, struct frame *frame)
{
	size_t size = 0;

	if (in->size < SIZE_FIELD)
		return 0;
	for (size_t i = 0; i < SIZE_FIELD; i++)
		size |= (size_t)in->data[i] << (8 * i);
	if (size == 0 || size > limit)
		return ERR_CORRUPT;
	if (in->size - SIZE_FIELD < size)
		return 0;
	frame->type = in->data[SIZE_FIELD];
	frame->payload = bytes_make(in->data + FRAME_HEADER, size - 1);
	*in = bytes_from(*in, SIZE_FIELD + size);
	return 1;
}
