/* SPDX-License-Identifier: Apache-2.0 */
/* Import jobs: captures/.jobs/<capture>.{json,lock,log}. */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

struct import_files {
	char *status;
	char *lock;
	char *log;
};

/* Makes captures/.jobs when it is missing. */
int imports_files(const char *home, const char *name,
		  struct import_files *files, struct error *e);
void imports_files_free(struct import_files *files);

/* Imports that have not given a capture: [{"name","state":"importing"|
 * "failed"|"cancelled","progress","errors"}]. */
json_t *imports_list(const char *home);

/* A capture's name from a file's: "/tmp/Some trace.pcap.gz" → "Some-trace";
 * free(3). */
char *imports_name(const char *path);
