/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of TLS is read with keys: the input is a key log, then the parts of a
 * session as any attacker who owns the keys can make them.  First byte: suite
 * and side; then records that session_open is given, 16-bit size each.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/reader.h"
#include "capture/key_log.h"
#include "dissect/tls/certificate.h"
#include "dissect/tls/fingerprint.h"
#include "dissect/tls/session.h"
#include "tests/fuzz/fuzz.h"

static int
add(void *keys, const struct secret *secret)
{
	return key_store_add(keys, secret) ? 0 : ERR_LIMIT;
}

/* The text parsers, on all of it. */
static void
read_texts(struct bytes in)
{
	struct certificate certificate;
	char ja3[FINGERPRINT_JA3_SIZE], ja4[FINGERPRINT_JA4_SIZE];
	struct hello hello;

	if (certificate_read(in, &certificate))
		certificate_free(&certificate);
	for (int client = 0; client < 2; client++) {
		if (!hello_read(in, client, &hello))
			continue;
		fingerprint_ja3(&hello, ja3);
		if (client)
			fingerprint_ja4(&hello, 't', ja4);
	}
}

static void
open_records(struct key_store *keys, struct reader *r)
{
	static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303, 0xc02f,
					   0xcca8, 0xc013, 0xc028, 0x0035 };
	static const uint8_t random[KEY_RANDOM_SIZE];
	uint8_t what = reader_u8(r);
	struct key_query query = { .random = random };
	struct session *s = session_new(keys, &query, what & 1);
	struct session_choice choice = {
		.version = what & 2 ? TLS_VERSION_12 : TLS_VERSION_13,
		.suite = suite_find(suites[what >> 5]),
		.random = random,
		.encrypt_then_mac = what & 4,
	};
	uint8_t *out = malloc(RECORD_BODY_MAX);

	assert(out);
	session_choose(s, &choice);
	while (reader_left(r)) {
		enum side side = reader_u8(r) & 1 ? SIDE_SERVER : SIDE_CLIENT;
		struct bytes record = reader_take(r, reader_be16(r));
		struct session_opened opened;

		if (record.size % 7 == 3)
			session_lost(s, side, record.size);
		if (record.size % 7 == 4)
			session_update(s, side);
		if (session_is_readable(s, side) &&
		    session_open(s, side, record, out, &opened))
			assert(opened.plain.data.size <= RECORD_BODY_MAX);
	}
	free(out);
	session_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_store *keys = key_store_new(64);
	struct bytes in = bytes_make(data, size);
	struct secret secret = { .has_random = true, .size = 48 };
	struct reader r = reader_make(in);

	read_texts(in);
	(void)key_log_visit(in, 0, add, keys);
	(void)key_log_of_block(in, size & 1);
	for (unsigned label = 0; label < SECRET_LABEL_COUNT; label++) {
		secret.label = (uint8_t)label;
		secret.size = label ? (label & 1 ? 32 : 48) : 48;
		(void)key_store_add(keys, &secret);
	}
	open_records(keys, &r);
	key_store_free(keys);
	return 0;
}
