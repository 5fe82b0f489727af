/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of aftertap-capture. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "capture/source/source.h"

#define RECORD_LIST_MAX 64

/* Strings are borrowed from argv, lists from `words`. */
struct record_options {
	const char *home; /* NULL: home_open decides */
	const char *name;
	struct source_options source;
	const char *interfaces[RECORD_LIST_MAX];
	const char *namespaces[RECORD_LIST_MAX];
	char *words[2]; /* what the lists were cut from; free(3) */
	uint64_t quota, segment_bytes;
	int64_t segment_ns, flush_ns;
	int64_t duration_ns; /* 0: until stopped */
	uint64_t packets;    /* 0: any number */
	bool keys;
	uint32_t processes[RECORD_LIST_MAX]; /* whose plaintext is kept */
	size_t process_count;
	bool quiet;
	bool help, version;
	json_t *given; /* what the user said, for capture.json */
};

/* INVALID with a sentence.  Free with record_options_free in any case. */
int record_options_parse(int argc, char **argv, struct record_options *o,
			 struct error *e);
void record_options_free(struct record_options *o);

extern const char record_usage[];
