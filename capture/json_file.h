/* SPDX-License-Identifier: Apache-2.0 */
/* Our own small JSON files: index entries, capture.json, manifests. */
#pragma once

#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

/* Reads one object (new reference).  NOTFOUND, CORRUPT (named), IO. */
int json_file_read(const char *path, json_t **object, struct error *e);

/* Writes atomically (file_write_atomic). */
int json_file_write(const char *path, const json_t *object, mode_t mode,
		    struct error *e);
