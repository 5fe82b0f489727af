/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a TOML file is, it is edited or refused; an edited one has the
 * table, is the same when edited again, and loses it when it is removed.
 */
#include <assert.h>

#include "server/clients/toml_edit.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT ((size_t)1 << 20)

static const char *const keys[] = { "command", "url", NULL };
static const struct toml_edit edit = { "s", "x", keys };

static void
check(struct bytes text, const json_t *value)
{
	struct buf set, again, removed;
	bool table, command;

	buf_init(&set, LIMIT);
	buf_init(&again, LIMIT);
	buf_init(&removed, LIMIT);
	if (toml_edit_set(text, &edit, value, &set, NULL) == 0) {
		assert(toml_edit_get(buf_view(&set), &edit, "command", &table,
				     &command, NULL) == 0);
		assert(table && command);
		assert(toml_edit_set(buf_view(&set), &edit, value, &again,
				     NULL) == 0);
		assert(bytes_equal(buf_view(&set), buf_view(&again)));
		assert(toml_edit_set(buf_view(&set), &edit, NULL, &removed,
				     NULL) == 0);
		assert(toml_edit_get(buf_view(&removed), &edit, "command",
				     &table, &command, NULL) == 0);
		assert(!table);
	}
	buf_free(&set);
	buf_free(&again);
	buf_free(&removed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *value = json_pack("{s:s}", "command", "a\"b");

	if (size < 4096)
		check(bytes_make(data, size), value);
	json_decref(value);
	return 0;
}
