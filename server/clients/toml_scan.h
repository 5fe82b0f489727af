/* SPDX-License-Identifier: Apache-2.0 */
/* One TOML statement after the other, for toml_edit.c: where it begins and
 * ends, and the keys of which it speaks.  Values are skipped, not kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define TOML_KEYS_MAX 8

enum toml_kind {
	TOML_END,
	TOML_BAD,    /* `line` says where */
	TOML_TABLE,  /* [a.b] */
	TOML_ARRAY,  /* [[a.b]] */
	TOML_PAIR,   /* a.b = value */
};

struct toml_scan {
	struct bytes text;
	size_t at;
};

/* `keys` are as written, without quotes; with more than TOML_KEYS_MAX of them
 * the rest is dropped. */
struct toml_statement {
	enum toml_kind kind;
	size_t start;   /* of its first line, blanks included */
	size_t end;     /* behind its last line's end */
	struct bytes keys[TOML_KEYS_MAX];
	size_t key_count;
	unsigned line;
};

/* The next statement, over blank lines and comments; `at` is behind it. */
struct toml_statement toml_scan_next(struct toml_scan *s);
