/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations as tools accept them: what is read can be written. */
#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = alloc_string_n(data, size);
	char out[CLOCK_TEXT_SIZE];
	int64_t ns, again;

	if (clock_parse(text, 1795442531000000000, &ns)) {
		assert(clock_parse(clock_format(ns, out), 0, &again));
		assert(ns == again);
	}
	if (clock_parse_duration(text, &ns))
		assert(clock_parse_duration(clock_format_duration(ns, out),
					    &again));
	free(text);
	return 0;
}
