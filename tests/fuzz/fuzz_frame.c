/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from another process: whole, in order, and never past the input. */
#include <assert.h>

#include "base/err.h"
#include "base/frame.h"
#include "base/reader.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT 4096

/* Reads a payload with every getter until nothing is left. */
static void
read_payload(struct bytes payload)
{
	struct reader r = reader_make(payload);

	while (reader_left(&r)) {
		uint8_t kind = reader_u8(&r);

		switch (kind % 4) {
		case 0:
			reader_be64(&r);
			break;
		case 1:
			reader_le32(&r);
			break;
		case 2:
			reader_varint(&r);
			break;
		default:
			assert(reader_string(&r).size <= payload.size);
			break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_make(data, size);
	struct frame frame;
	size_t taken = 0;
	int rc;

	while ((rc = frame_next(&in, LIMIT, &frame)) == 1) {
		assert(frame.payload.size < LIMIT);
		taken += FRAME_HEADER + frame.payload.size;
		assert(in.size == size - taken);
		read_payload(frame.payload);
	}
	assert(rc == 0 || rc == ERR_CORRUPT);
	return 0;
}
