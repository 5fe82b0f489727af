/* SPDX-License-Identifier: Apache-2.0 */
/* Our own small JSON files: index entries, capture.json, manifests. */
#pragma once

#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

/* Reads one object (new reference).  NOTFOUND, CORRUPT (named), IO. */
int json_file_read(const char *path, json_t **object, struct error *e);

/* Replaces the file without waiting for the disk: whole after a crash of the
 * program, perhaps the old one or empty after one of the machine. */
int json_file_replace(const char *path, const json_t *object, mode_t mode);

/* Writes atomically (file_write_atomic). */
int json_file_write(const char *path, const json_t *object, mode_t mode,
		    struct error *e);
