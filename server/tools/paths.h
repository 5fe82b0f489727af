/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files an agent may make us read or write: only those below the
 * directories the user allowed (--allow-path), whatever links and dots say.
 */
#pragma once

#include "base/err.h"
#include "server/tool.h"

/*
 * A regular file below an allowed directory that may be read.  Relative paths
 * are tried below each.  Returns its canonical path (no link in it, as the
 * kernel knows the opened file) as a new string, or NULL: DENIED for
 * everything that is not such a file, whether it exists or not.
 */
char *paths_readable(const struct tool_config *config, const char *path,
		     struct error *e);

/*
 * Where an export may be written: a name (relative: below <home>/exports) in
 * an existing directory below <home>/exports or an allowed one.  EXISTS when
 * there is a file and `overwrite` is false, or something that is no file.
 */
char *paths_writable(const struct tool_config *config, const char *path,
		     bool overwrite, struct error *e);
