/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw segment that nobody writes any more, opened for reading: mapped, its
 * header understood, cut to what can be believed.
 *
 * That is what was committed.  When the machine has not been restarted since,
 * everything written is in the file whole, and records behind the committed
 * ones count too as far as they can be read; after a power loss pages may be
 * missing in the middle, and they do not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "capture/recorder/raw_header.h"
#include "capture/source/source.h"

struct raw_file {
	struct raw_header header;
	struct bytes records;  /* whole records or blocks only */
	uint64_t beyond;       /* of them, behind the committed ones */
	uint64_t missing;      /* committed bytes that the file does not have,
				* or that cannot be read */
	const char *problem;   /* why not all could be read; NULL: all was */

	/* private */
	uint8_t *mapping;
	size_t mapped;
	uint64_t fetched;      /* up to here what is read next was fetched */
};

/* NOTFOUND, TRUNCATED and CORRUPT (no header is whole: nothing can be
 * believed), IO.  Close it in any case. */
int raw_file_open(const char *path, struct raw_file *f, struct error *e);
void raw_file_close(struct raw_file *f);

/* The byte `offset` of the records is read next: what follows is fetched in
 * large pieces, and what was before is not needed for now.  Rewind before
 * reading from the beginning. */
void raw_file_read_on(struct raw_file *f, uint64_t offset);
void raw_file_rewind(struct raw_file *f);
