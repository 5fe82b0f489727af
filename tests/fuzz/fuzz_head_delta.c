/* SPDX-License-Identifier: Apache-2.0 */
/* A head out of a block that may be anything: nothing outside is read.  The
 * first byte says where in the block it begins. */
#include <assert.h>

#include "dissect/head_delta.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes block = bytes_make(data, size), head;
	struct buf scratch;

	if (size == 0)
		return 0;
	buf_init(&scratch, 1 << 16);
	head = head_delta_read(block, bytes_from(block, data[0]), &scratch);
	assert(head.size <= 4096 || head.size <= size);
	for (size_t i = 0; i < head.size; i++)
		assert(head.data[i] == head.data[i]);
	buf_free(&scratch);
	return 0;
}
