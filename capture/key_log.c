/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/key_log.h"

#include <string.h>

#include "base/file.h"
#include "base/reader.h"
#include "base/text.h"

#define TYPE_TLS_KEY_LOG 0x544c534bu

/* All of `text` as bytes; their number, or 0 when it is not hexadecimal or
 * does not fit. */
static size_t
read_hex(struct bytes text, uint8_t *out, size_t size)
{
	if (text.size % 2 || text.size / 2 > size)
		return 0;
	for (size_t i = 0; i < text.size / 2; i++) {
		int high = text_hex_digit(text.data[2 * i]);
		int low = text_hex_digit(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return 0;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return text.size / 2;
}

/* The characters up to `separator`, which are taken from `rest` with it. */
static struct bytes
take_until(struct bytes *rest, uint8_t separator)
{
	const uint8_t *at = rest->size ? memchr(rest->data, separator,
						rest->size)
				       : NULL;
	struct bytes out = *rest;

	if (at)
		out.size = (size_t)(at - rest->data);
	*rest = bytes_from(*rest, out.size + (at != NULL));
	return out;
}

static bool
read_line(struct bytes line, struct secret *secret)
{
	struct bytes label = take_until(&line, ' ');
	struct bytes random = take_until(&line, ' ');
	int found = secret_label_find(label);
	size_t digits = 0;

	/* Others read no further either: what is behind came with an editor. */
	while (digits < line.size && text_hex_digit(line.data[digits]) >= 0)
		digits++;
	line.size = digits;
	if (found < 0 || read_hex(random, secret->random,
				  SECRET_RANDOM_SIZE) != SECRET_RANDOM_SIZE)
		return false;
	secret->label = (uint8_t)found;
	secret->has_random = true;
	secret->size = (uint8_t)read_hex(line, secret->value,
					 SECRET_SIZE_MAX);
	return secret->size > 0;
}

int
key_log_visit(struct bytes text, int64_t time_ns, secrets_visitor *visit,
	      void *context)
{
	struct secret secret;
	int rc = 0;

	while (text.size && rc == 0) {
		struct bytes line = take_until(&text, '\n');

		secret = (struct secret){ .time_ns = time_ns };
		if (read_line(line, &secret))
			rc = visit(context, &secret);
	}
	explicit_bzero(&secret, sizeof(secret));
	return rc;
}

/* Counts what passes. */
struct counted {
	secrets_visitor *visit;
	void *context;
	size_t count;
};

static int
count_secret(void *context, const struct secret *secret)
{
	struct counted *counted = context;

	counted->count++;
	return counted->visit(counted->context, secret);
}

int
key_log_visit_file(const char *path, int64_t time_ns, secrets_visitor *visit,
		   void *context, struct error *e)
{
	struct counted counted = { visit, context, 0 };
	struct buf text;
	int rc;

	buf_init(&text, KEY_LOG_FILE_MAX);
	rc = file_read(path, &text, e);
	if (rc == 0)
		rc = key_log_visit(buf_view(&text), time_ns, count_secret,
				   &counted);
	if (rc == 0 && counted.count == 0)
		rc = error_set(e, ERR_INVALID,
			       "%s has no line of a TLS key log", path);
	if (text.data)
		explicit_bzero(text.data, text.size);
	buf_free(&text);
	return rc;
}

struct bytes
key_log_of_block(struct bytes body, bool big_endian)
{
	struct reader r = reader_make(body);
	uint32_t type = big_endian ? reader_be32(&r) : reader_le32(&r);
	uint32_t size = big_endian ? reader_be32(&r) : reader_le32(&r);

	if (type != TYPE_TLS_KEY_LOG)
		return bytes_make(NULL, 0);
	return reader_take(&r, size < reader_left(&r) ? size
						      : reader_left(&r));
}
