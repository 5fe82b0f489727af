/* SPDX-License-Identifier: Apache-2.0 */
/* Raw segments of either format: the first byte chooses. */
#include <assert.h>

#include "capture/source/raw_reader.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct raw_packet p;
	struct raw_reader r;
	uint64_t last = 0;
	uint32_t sum = 0;
	int got;

	if (size == 0)
		return 0;
	raw_reader_init(&r, data[0] & 1 ? RAW_FORMAT_BLOCKS : RAW_FORMAT_RECORDS,
			bytes_make(data + 1, size - 1));
	while ((got = raw_reader_next(&r, &p)) == 1) {
		assert(p.captured <= p.length || p.length > UINT32_MAX - 4);
		assert(p.offset >= last && p.offset < size);
		last = p.offset;
		for (uint32_t i = 0; i < p.captured; i++)
			sum += p.data[i];
	}
	(void)sum;
	assert(raw_reader_offset(&r) <= size);
	assert((got < 0) == (r.problem != NULL));
	raw_reader_free(&r);
	return 0;
}
