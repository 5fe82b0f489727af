/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file of another program: read whole, written back without
 * surprises.  Symbolic links, files of other users and anything but regular
 * files are refused, since a rename would put something else in their place.
 */
#pragma once

#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

#define CONFIG_FILE_LIMIT ((size_t)16 << 20)

struct config_file {
	const char *path;  /* borrowed */
	struct buf text;   /* as read; empty when there is no file */
	bool exists;
	struct stat known; /* when it was read */
};

/* Reads `path`, which need not exist.  DENIED: not a file that may be
 * replaced; LIMIT: larger than CONFIG_FILE_LIMIT; IO. */
int config_file_read(struct config_file *f, const char *path,
		     struct error *e);

/*
 * Puts `text` in its place by rename, with the mode it had (0600 for a new
 * one, in directories made when missing).  What was there before is kept as
 * "<path>.aftertap-backup", whose path is given as a new string (NULL: there
 * was nothing); free(3).  BUSY: somebody else changed the file since it was
 * read.
 */
int config_file_write(struct config_file *f, struct bytes text, char **backup,
		      struct error *e);

/* Frees what config_file_read has allocated, also after a failure. */
void config_file_free(struct config_file *f);
