/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever text a filter is, compiling it ends, and what compiles also runs. */
#include "tests/fuzz/fuzz_store.h"

static void
check(int code)
{
	if (code && code != ERR_INVALID && code != ERR_TIMEOUT)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *s = fuzz_store();
	char *text = fuzz_string(data, size);
	struct store_calls_query calls = { .filter = text, .limit = 10,
					   .to_ns = INT64_MAX };
	struct store_flows_query flows = { .filter = text, .limit = 10,
					   .to_ns = INT64_MAX };
	json_t *result = NULL;

	check(store_calls(s, &calls, &result, NULL));
	json_decref(result);
	result = NULL;
	check(store_flows(s, &flows, &result, NULL));
	json_decref(result);
	free(text);
	return 0;
}
