/* SPDX-License-Identifier: Apache-2.0 */
/* Text from strangers: what is escaped is valid, harmless, and stays so. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

static void
check_escape(struct bytes in)
{
	struct buf once, twice;

	buf_init(&once, in.size * 4 + 1);
	buf_init(&twice, in.size * 4 + 1);
	text_escape(&once, in);
	assert(!once.failed);
	assert(text_is_utf8(buf_view(&once)));
	text_escape(&twice, buf_view(&once));
	assert(bytes_equal(buf_view(&once), buf_view(&twice)));
	for (size_t i = 0; i < once.size; i++)
		assert(once.data[i] >= 0x20 || once.data[i] == '\n' ||
		       once.data[i] == '\t');
	buf_free(&once);
	buf_free(&twice);
}

static void
check_printable(struct bytes in)
{
	char *cut = text_printable(in, in.size / 2 + 1);

	assert(text_is_utf8(bytes_of(cut)));
	free(cut);
}

static void
check_numbers(struct bytes in)
{
	char *string = alloc_string_n(in.data, in.size);
	const char *list[] = { "status_code", "src.pod.name", string, NULL };
	uint64_t number, size;
	int64_t negative;

	if (text_u64(in, &number) && number <= INT64_MAX) {
		assert(text_i64(in, &negative));
		assert(negative == (int64_t)number);
	}
	if (text_size(string, &size) && text_u64(bytes_of(string), &number))
		assert(size == number);
	if (text_is_name(string))
		assert(!strchr(string, '/') && text_is_utf8(bytes_of(string)));
	if (in.size < 200)
		assert(text_nearest(string, list));
	free(string);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_make(data, size);

	check_escape(in);
	check_printable(in);
	check_numbers(in);
	return 0;
}
