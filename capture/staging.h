/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories in the making: ".tmp-<pid>-XXXXXX" beside where they will stand,
 * renamed when complete.  Those of processes that died are removed by the next
 * that makes one.
 */
#pragma once

#include "base/err.h"

/* A new directory in `parent` (created when missing); free(3).  NULL on error. */
char *staging_create(const char *parent, struct error *e);

/* Makes `staged` visible as `final`; ERR_EXISTS when that name is taken. */
int staging_publish(const char *staged, const char *final, struct error *e);

/* Removes a directory that shall not be published, read-only parts and all. */
void staging_discard(const char *staged);

/* Takes `path` out of sight at once, then removes it with all it holds. */
int staging_remove(const char *path, struct error *e);
