/* SPDX-License-Identifier: Apache-2.0 */
/* A small database for the fuzz targets that ask one. */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dissect/store/store.h"
#include "dissect/store/store_writer.h"
#include "tests/fuzz/fuzz.h"

/* Made at the first call; the file is gone at once. */
static inline struct store *
fuzz_store(void)
{
	static struct store *store;
	char directory[] = "/tmp/aftertap-fuzz-XXXXXX", path[64], part[64];
	struct coverage coverage = { 0 };
	struct call_event call = {
		.protocol = PROTOCOL_http, .ip_protocol = 6, .status = 200,
		.flags = CALL_HAS_REQUEST | CALL_HAS_RESPONSE,
		.request = { .first_ns = 1, .last_ns = 2, .wire_bytes = 10 },
		.response = { .first_ns = 3, .last_ns = 4, .wire_bytes = 20 },
	};
	struct connection_event connection = { .ip_protocol = 6 };
	struct store_writer *w;
	json_t *meta;
	int code;

	if (store)
		return store;
	if (!mkdtemp(directory))
		abort();
	snprintf(path, sizeof(path), "%s/d.sqlite", directory);
	snprintf(part, sizeof(part), "%s/d.sqlite.part", directory);
	meta = json_object();
	code = store_writer_open(part, meta, &w, NULL);
	json_decref(meta);
	assert(code == 0);
	call.fields[FIELD_METHOD] = bytes_of("GET");
	call.fields[FIELD_PATH] = bytes_of("/users/7");
	for (int i = 0; i < 4; i++)
		(void)store_writer_call(w, &call);
	(void)store_writer_connection(w, &connection);
	code = store_writer_finish(w, &coverage, NULL, path, NULL);
	assert(code == 0);
	code = store_open(path, &store, NULL);
	assert(code == 0);
	unlink(path);
	rmdir(directory);
	store_set_deadline(store, 100000000);
	return store;
}

/* The input as a terminated string; free(3). */
static inline char *
fuzz_string(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}
