/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* The longest escape of one input byte is "\xNN". */
#define ESCAPE_GROWTH 4
#define NAME_MAX_SIZE 100
#define NEAREST_FAR   64

/*
 * The size of the well-formed UTF-8 sequence at the start of `in`, 1 to 4, and
 * its code point; 0 when there is none (RFC 3629 section 4).
 */
static size_t
utf8_decode(struct bytes in, uint32_t *code)
{
	/* the smallest code point that needs a sequence of that size */
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t lead = in.data[0];
	size_t size;

	if (lead < 0x80) {
		*code = lead;
		return 1;
	}
	if (lead < 0xc0 || lead > 0xf4)
		return 0;
	size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (in.size < size)
		return 0;
	*code = lead & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		if ((in.data[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (in.data[i] & 0x3f);
	}
	if (*code < smallest[size] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return size;
}

/* How many bytes at the start of `in` are ASCII, in steps of eight. */
static size_t
ascii_run(struct bytes in)
{
	size_t run = 0;

	while (in.size - run >= 8) {
		uint64_t word;

		memcpy(&word, in.data + run, sizeof(word));
		if (word & 0x8080808080808080)
			break;
		run += 8;
	}
	return run;
}

bool
text_is_utf8(struct bytes in)
{
	while (in.size) {
		uint32_t code;
		size_t size = ascii_run(in);

		if (size == 0)
			size = utf8_decode(in, &code);
		if (size == 0)
			return false;
		in = bytes_from(in, size);
	}
	return true;
}

bool
text_is_plain(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] < ' ' && in.data[i] != '\n' &&
		    in.data[i] != '\t' && in.data[i] != '\r')
			return false;
	return text_is_utf8(in);
}

/* True for what may not reach a terminal as it is. */
static bool
is_harmful(uint32_t code)
{
	if (code == '\n' || code == '\t')
		return false;
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       (code >= 0x202a && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void
text_escape(struct buf *out, struct bytes in)
{
	size_t clean = 0; /* bytes at the front that need no escape */

	while (clean < in.size) {
		uint32_t code = in.data[clean];
		size_t size = utf8_decode(bytes_from(in, clean), &code);

		if (size && !is_harmful(code)) {
			clean += size;
			continue;
		}
		buf_bytes(out, bytes_first(in, clean));
		if (size <= 1)
			buf_format(out, "\\x%02x", in.data[clean]);
		else
			buf_format(out, "\\u{%04x}", code);
		if (out->failed)
			return;
		in = bytes_from(in, clean + (size ? size : 1));
		clean = 0;
	}
	buf_bytes(out, in);
}

/* `size`, or up to three less, so that no UTF-8 sequence is cut. */
static size_t
utf8_boundary(struct bytes in, size_t size)
{
	for (size_t back = 0; back < 4 && back < size; back++) {
		if ((in.data[size - back] & 0xc0) != 0x80)
			return size - back;
	}
	return size;
}

char *
text_printable(struct bytes in, size_t limit)
{
	bool cut = limit && in.size > limit;
	struct buf out;
	char *string;

	if (cut)
		in = bytes_first(in, utf8_boundary(in, limit));
	buf_init(&out, in.size * ESCAPE_GROWTH + sizeof("…"));
	text_escape(&out, in);
	if (cut)
		buf_text(&out, "…");
	string = alloc_string_n(out.data, out.size);
	buf_free(&out);
	return string;
}

bool
text_u64(struct bytes in, uint64_t *value)
{
	uint64_t sum = 0;

	if (in.size == 0)
		return false;
	for (size_t i = 0; i < in.size; i++) {
		uint8_t c = in.data[i];

		if (c < '0' || c > '9')
			return false;
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, c - '0', &sum))
			return false;
	}
	*value = sum;
	return true;
}

bool
text_i64(struct bytes in, int64_t *value)
{
	bool negative = in.size && in.data[0] == '-';
	uint64_t magnitude;

	if (!text_u64(bytes_from(in, negative), &magnitude) ||
	    magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	/* -(m - 1) - 1 reaches INT64_MIN without passing it. */
	if (negative && magnitude)
		*value = -(int64_t)(magnitude - 1) - 1;
	else
		*value = (int64_t)magnitude;
	return true;
}

/* The power of two a unit stands for: "", "k", "MiB" …; -1 for none. */
static int
unit_shift(const char *unit)
{
	static const char letters[] = "kKmMgGtT";
	const char *letter;

	if (*unit == '\0')
		return 0;
	letter = strchr(letters, *unit);
	if (!letter || (unit[1] && strcmp(unit + 1, "iB") != 0))
		return -1;
	return (int)((letter - letters) / 2 + 1) * 10;
}

bool
text_size(const char *text, uint64_t *value)
{
	size_t digits = strspn(text, "0123456789");
	int shift = unit_shift(text + digits);
	uint64_t number;

	if (shift < 0 || !text_u64(bytes_make(text, digits), &number) ||
	    number > UINT64_MAX >> shift)
		return false;
	*value = number << shift;
	return true;
}

const char *
text_format_size(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = {
		"kB", "MB", "GB", "TB", "PB", "EB"
	};
	uint64_t unit = 1000;
	size_t i = 0;
	uint64_t tenths;

	if (bytes < 1000) {
		snprintf(out, size, "%u B", (unsigned)bytes);
		return out;
	}
	for (;; unit *= 1000, i++) {
		tenths = bytes / (unit / 10) +
			 (bytes % (unit / 10) >= unit / 20);
		if (tenths < 10000 || i == 5)
			break;
	}
	snprintf(out, size, "%u.%u %s", (unsigned)(tenths / 10),
		 (unsigned)(tenths % 10), units[i]);
	return out;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned
text_distance(const char *a, const char *b, unsigned limit)
{
	size_t a_size, b_size;
	unsigned *row, distance;

	while (*a && *a == *b)
		a++, b++;
	a_size = strlen(a);
	b_size = strlen(b);
	if ((a_size > b_size ? a_size - b_size : b_size - a_size) > limit)
		return limit + 1;
	/* row[j]: distance of the part of `a` seen so far to j bytes of `b` */
	row = alloc_zero(b_size + 1, sizeof(*row));
	for (size_t j = 0; j <= b_size; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; i < a_size; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < b_size; j++) {
			unsigned change = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] = least(change, least(diagonal, row[j]) + 1);
		}
	}
	distance = row[b_size];
	free(row);
	return least(distance, limit + 1);
}

/* The part of a dotted name behind its last dot; all of it without a dot. */
static const char *
last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

/* True when both names have the same first or the same last dotted part. */
static bool
shares_part(const char *a, const char *b)
{
	size_t n = strcspn(a, ".");

	if (!strchr(a, '.') && !strchr(b, '.'))
		return false;
	return strcmp(last_part(a), last_part(b)) == 0 ||
	       (strcspn(b, ".") == n && memcmp(a, b, n) == 0);
}

const char *
text_nearest(const char *word, const char *const *list)
{
	unsigned near = 1 + (unsigned)least((unsigned)strlen(word), 96) / 3;
	const char *slip = NULL, *relative = NULL;
	unsigned slip_distance = near + 1, relative_distance = NEAREST_FAR;

	for (; *list; list++) {
		unsigned distance = text_distance(word, *list, NEAREST_FAR);

		if (bytes_equal_nocase(bytes_of(word), bytes_of(*list)))
			return *list;
		if (distance < slip_distance) {
			slip = *list;
			slip_distance = distance;
		}
		if (distance < relative_distance && shares_part(word, *list)) {
			relative = *list;
			relative_distance = distance;
		}
	}
	return slip ? slip : relative;
}

bool
text_is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t size = strspn(name, allowed);

	return size > 0 && size <= NAME_MAX_SIZE && name[size] == '\0' &&
	       name[0] != '.' && name[0] != '-';
}

int
text_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
text_base64(struct bytes in, char digits[4])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t group = 0;

	for (size_t i = 0; i < 3; i++)
		group = group << 8 | (i < in.size ? in.data[i] : 0u);
	for (unsigned i = 0; i < 4; i++)
		digits[i] = i > in.size ? '='
					: alphabet[group >> (18 - 6 * i) & 63];
}

void
text_form_decode(struct bytes in, struct buf *out)
{
	for (size_t i = 0; i < in.size; i++) {
		int high = -1, low = -1;

		if (in.data[i] == '%' && i + 2 < in.size) {
			high = text_hex_digit(in.data[i + 1]);
			low = text_hex_digit(in.data[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_u8(out, (uint8_t)(high << 4 | low));
			i += 2;
		} else {
			buf_u8(out, in.data[i] == '+' ? ' ' : in.data[i]);
		}
	}
}
