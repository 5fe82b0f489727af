/* SPDX-License-Identifier: Apache-2.0 */
/* Copying one capture file into segments. */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "capture/capture.h"
#include "capture/secrets.h"
#include "capture/segment_writer.h"

/* One import, through all its files. */
struct import {
	const struct import_request *request;
	struct segment_writer *writer;
	json_t *warnings;            /* sentences */
	uint32_t file_number;        /* of the one being read */
	struct secret_list secrets;  /* of TLS, in the files or beside them */
	struct import_progress progress;
	uint64_t bytes_before;       /* of the files that are done */
	uint64_t reported_bytes;     /* at the last progress call … */
	int64_t reported_ns;         /* … which was then */
};

/*
 * Copies all of `fd` (`name` is for messages).  Damage behind the beginning is
 * a warning.  Errors as capture_import.
 */
int import_file(struct import *import, int fd, const char *name,
		struct error *e);
