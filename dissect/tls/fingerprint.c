/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/fingerprint.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"

/* Longer lists than any in use; what is beyond is left out. */
#define LIST_MAX 256
#define TEXT_MAX 8192
#define JA4_HASH 12

#define EXTENSION_NAME 0
#define EXTENSION_ALPN 16

static void
put_number(struct buf *out, uint16_t value, bool first)
{
	buf_format(out, first ? "%u" : "-%u", value);
}

static void
put_numbers(struct buf *out, struct bytes list)
{
	bool first = true;
	uint16_t value;

	while (hello_next_number(&list, &value)) {
		if (hello_is_grease(value))
			continue;
		put_number(out, value, first);
		first = false;
	}
}

static void
put_extensions(struct buf *out, struct bytes extensions)
{
	struct bytes content;
	bool first = true;
	uint16_t type;

	while (hello_next_extension(&extensions, &type, &content)) {
		if (hello_is_grease(type))
			continue;
		put_number(out, type, first);
		first = false;
	}
}

void
fingerprint_md5(struct bytes text, char out[FINGERPRINT_JA3_SIZE])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	out[0] = '\0';
	if (EVP_Digest(text.data, text.size, digest, &size, EVP_md5(),
		       NULL) != 1)
		return; /* a libcrypto without MD5 */
	for (unsigned i = 0; i < size && i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void
fingerprint_ja3(const struct hello *hello, char out[FINGERPRINT_JA3_SIZE])
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_format(&text, "%u,", hello->legacy_version);
	if (hello->client)
		put_numbers(&text, hello->suites);
	else
		put_number(&text, hello->suite, true);
	buf_text(&text, ",");
	put_extensions(&text, hello->extensions);
	if (hello->client) {
		buf_text(&text, ",");
		put_numbers(&text, hello->groups);
		buf_text(&text, ",");
		for (size_t i = 0; i < hello->formats.size; i++)
			put_number(&text, hello->formats.data[i], i == 0);
	}
	fingerprint_md5(buf_view(&text), out);
	buf_free(&text);
}

/* Numbers but GREASE; how many. */
struct numbers {
	uint16_t items[LIST_MAX];
	size_t count;
};

static void
add(struct numbers *numbers, uint16_t value)
{
	if (!hello_is_grease(value) && numbers->count < LIST_MAX)
		numbers->items[numbers->count++] = value;
}

static int
compare(const void *a, const void *b)
{
	const uint16_t *left = a, *right = b;

	return *left - *right;
}

static void
put_hex_list(struct buf *out, const struct numbers *numbers)
{
	for (size_t i = 0; i < numbers->count; i++)
		buf_format(out, i ? ",%04x" : "%04x", numbers->items[i]);
}

/* "_" and the first digits of the hash of `text`; zeros for nothing. */
static void
put_hash(char *out, struct bytes text, bool empty)
{
	char hex[HASH_SHA256_HEX] = "000000000000";

	if (!empty)
		hash_sha256(text, hex);
	snprintf(out, JA4_HASH + 2, "_%.*s", JA4_HASH, hex);
}

static bool
is_alphanumeric(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z');
}

/* First and last character of the first protocol, or of it as hexadecimal
 * digits when one of the two is none to show. */
static void
put_alpn(const struct hello *hello, char out[3])
{
	static const char digits[] = "0123456789abcdef";
	struct bytes rest = hello->alpn, name = { NULL, 0 };
	uint8_t first, last;

	memcpy(out, "00", 3);
	if (!hello_next_alpn(&rest, &name) || !name.size)
		return;
	first = name.data[0];
	last = name.data[name.size - 1];
	if (is_alphanumeric(first) && is_alphanumeric(last)) {
		out[0] = (char)first;
		out[1] = (char)last;
		return;
	}
	out[0] = digits[first >> 4];
	out[1] = digits[last & 15];
}

static const char *
ja4_version(uint16_t version)
{
	static const char *const names[] = { "s3", "10", "11", "12", "13" };

	if (version < 0x0300 || version > 0x0304)
		return "00";
	return names[version - 0x0300];
}

static size_t
two_digits(size_t count)
{
	return count < 99 ? count : 99;
}

void
fingerprint_ja4(const struct hello *hello, char carrier,
		char out[FINGERPRINT_JA4_SIZE])
{
	struct numbers suites = { .count = 0 }, extensions = { .count = 0 };
	struct numbers signatures = { .count = 0 };
	struct bytes rest = hello->suites, content;
	size_t extension_count = 0;
	uint16_t value;
	struct buf text;
	char alpn[3];

	while (hello_next_number(&rest, &value))
		add(&suites, value);
	rest = hello->signatures;
	while (hello_next_number(&rest, &value))
		add(&signatures, value);
	rest = hello->extensions;
	while (hello_next_extension(&rest, &value, &content)) {
		extension_count += !hello_is_grease(value);
		if (value != EXTENSION_NAME && value != EXTENSION_ALPN)
			add(&extensions, value);
	}
	put_alpn(hello, alpn);
	snprintf(out, FINGERPRINT_JA4_SIZE, "%c%s%c%02zu%02zu%s",
		 carrier, ja4_version(hello->version), hello->name.size ? 'd' : 'i',
		 two_digits(suites.count), two_digits(extension_count), alpn);
	qsort(suites.items, suites.count, sizeof(value), compare);
	qsort(extensions.items, extensions.count, sizeof(value), compare);
	buf_init(&text, TEXT_MAX);
	put_hex_list(&text, &suites);
	put_hash(out + 10, buf_view(&text), suites.count == 0);
	buf_reset(&text);
	put_hex_list(&text, &extensions);
	if (signatures.count)
		buf_text(&text, "_");
	put_hex_list(&text, &signatures);
	put_hash(out + 23, buf_view(&text), extension_count == 0);
	buf_free(&text);
}
