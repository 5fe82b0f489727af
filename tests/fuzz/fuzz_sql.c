/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a stranger's statement is, it ends and changes nothing. */
#include "tests/fuzz/fuzz_store.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *s = fuzz_store();
	char *text = fuzz_string(data, size);
	json_t *result = NULL;
	struct error e;
	int code = store_sql(s, text, 10, &result, &e);

	if ((code == 0) != (result != NULL))
		abort();
	json_decref(result);
	result = NULL;
	code = store_sql(s, "SELECT count(*) FROM api_calls", 1, &result, &e);
	if (code || json_integer_value(json_array_get(json_array_get(
			    json_object_get(result, "rows"), 0), 0)) != 4)
		abort();
	json_decref(result);
	free(text);
	return 0;
}
