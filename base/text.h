/* SPDX-License-Identifier: Apache-2.0 */
/* Text from strangers: checking, escaping and strict number parsing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

/* True when `in` is well-formed UTF-8 (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
bool text_is_utf8(struct bytes in);

/* Whether it is UTF-8 without control characters (below U+0020) but tabs and
 * ends of lines: fit to be shown as text. */
bool text_is_plain(struct bytes in);

/*
 * Appends `in` with every invalid byte, C0/C1 control character except \n and
 * \t, DEL, and bidirectional override (U+202A–E, U+2066–9) replaced by a visible
 * \xNN or \u{NNNN}; what is appended is valid UTF-8 and harmless on a terminal.
 */
void text_escape(struct buf *out, struct bytes in);

/* The same as a new string, of at most `limit` bytes of input (0: no limit);
 * a cut is shown by an ellipsis.  Free with free(3). */
char *text_printable(struct bytes in, size_t limit);

/* Decimal without blanks or leading '+'; false unless all of `in` is one
 * number that fits.  Only text_i64 takes a leading '-'. */
bool text_u64(struct bytes in, uint64_t *value);
bool text_i64(struct bytes in, int64_t *value);

/* "64MiB", "10GiB", "500k", "4096": bytes; powers of 1024 for K/M/G/T with or
 * without "iB", and for plain k/m/g/t.  False when it is not a size. */
bool text_size(const char *text, uint64_t *value);

/* The value of a hexadecimal digit of either case, or -1. */
int text_hex_digit(uint8_t c);

/* Appends `in` with percent-encoding undone and '+' as a blank
 * (application/x-www-form-urlencoded). */
void text_form_decode(struct bytes in, struct buf *out);

/* The base64 digits (RFC 4648 §4) of the first three bytes of `in`; where there
 * are fewer (at least one) they end in '='. */
void text_base64(struct bytes in, char digits[4]);

/* "1.4 GB"-like text for people, into a caller's buffer of >= 16 bytes. */
const char *text_format_size(uint64_t bytes, char *out, size_t size);

/* Levenshtein distance, capped at `limit` + 1. */
unsigned text_distance(const char *a, const char *b, unsigned limit);

/* The entry of a NULL-terminated list nearest to `word`, or NULL when none is
 * near enough to be a likely slip (distance <= 1 + length/3, or a shared
 * dotted suffix or prefix). */
const char *text_nearest(const char *word, const char *const *list);

/*
 * True when `name` may name a capture, snapshot or dissection: 1 to 100
 * characters of [A-Za-z0-9._-], not starting with '.' or '-'.  Such a name is
 * safe as one path component.
 */
bool text_is_name(const char *name);
