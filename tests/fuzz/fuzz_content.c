/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in every encoding: byte 0 chooses it, byte 1 the ratio, the rest is
 * the body. */
#include "tests/fuzz/fuzz.h"

#include <assert.h>

#include "dissect/content.h"

#define KEEP (64u << 10)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct content_decoder *decoder;
	enum content_result result;
	uint64_t decoded;
	struct buf out;

	if (size < 2)
		return 0;
	decoder = content_decoder_new();
	buf_init(&out, KEEP);
	buf_text(&out, "before");
	result = content_decode(decoder,
				(enum encoding)(data[0] %
						(ENCODING_UNKNOWN + 1)),
				bytes_make(data + 2, size - 2), data[1], &out,
				&decoded);
	assert(memcmp(out.data, "before", 6) == 0);
	assert(out.size <= KEEP && !out.failed);
	assert(decoded >= out.size - 6 && decoded <= 16 * KEEP);
	assert(result != CONTENT_BAD || out.size == 6);
	assert(result != CONTENT_WHOLE || decoded == out.size - 6);
	buf_free(&out);
	content_decoder_free(decoder);
	return 0;
}
