/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a configuration file is, it is edited right or refused.  A JSON
 * library says what right is: what it can read must be editable, and must read
 * afterwards as if the library had set the member.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/clients/json_edit.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT ((size_t)1 << 20)

static const struct json_edit strict = { "s", "x", false };
static const struct json_edit loose = { "s", "x", true };

static json_t *
parse(struct bytes text)
{
	return json_loadb((const char *)text.data, text.size,
			  JSON_REJECT_DUPLICATES, NULL);
}

/* What the text must mean afterwards; NULL when it may be refused. */
static json_t *
expected(struct bytes text, json_t *value)
{
	json_t *root = parse(text);
	json_t *servers;

	servers = json_object_get(root, "s");
	if (!json_is_object(root) || (servers && !json_is_object(servers))) {
		json_decref(root);
		return NULL;
	}
	if (!value) {
		json_object_del(servers, "x");
		return root;
	}
	if (!servers)
		json_object_set_new(root, "s", json_object());
	json_object_set(json_object_get(root, "s"), "x", value);
	return root;
}

static void
check_strict(struct bytes text, json_t *value)
{
	json_t *wanted = expected(text, value);
	struct buf out;
	int rc;

	buf_init(&out, LIMIT);
	rc = json_edit_set(text, &strict, value, &out, NULL);
	/* Nesting is the one thing of which the library takes more. */
	if (wanted && rc == 0) {
		json_t *got = parse(buf_view(&out));

		assert(got && json_equal(got, wanted));
		json_decref(got);
	} else if (wanted) {
		assert(memchr(text.data, '[', text.size) ||
		       memchr(text.data, '{', text.size));
		assert(text.size > 128);
	}
	buf_free(&out);
	json_decref(wanted);
}

/* With comments there is no other judge than the editor itself: the member
 * reads as it was set, and once removed it is gone. */
static void
check_loose(struct bytes text, json_t *value)
{
	struct buf set, removed;
	struct bytes got;

	buf_init(&set, LIMIT);
	buf_init(&removed, LIMIT);
	if (json_edit_set(text, &loose, value, &set, NULL) == 0) {
		assert(json_edit_get(buf_view(&set), &loose, &got, NULL) == 0);
		assert(got.size > 0);
		assert(json_edit_set(buf_view(&set), &loose, NULL, &removed,
				     NULL) == 0);
		assert(json_edit_get(buf_view(&removed), &loose, &got, NULL) ==
		       0);
		assert(got.size == 0);
	}
	buf_free(&set);
	buf_free(&removed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *value = json_pack("{s:s,s:[s]}", "command", "a\n\"b", "args",
				  "serve");
	struct bytes text = bytes_make(data, size);

	if (size < 4096)
		check_loose(text, value);
	/* The library takes a NUL for the end of a number. */
	if (size > 0 && size < 4096 && !memchr(data, 0, size)) {
		check_strict(text, value);
		check_strict(text, NULL);
	}
	json_decref(value);
	return 0;
}
