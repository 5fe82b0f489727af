/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot's own copies of its captures' secrets (capture/secrets.h):
 * secrets/<capture>.keys, mode 0600, those of the time of its segments only.
 * The manifest has for each: "secrets":[{"file","capture","count","sha256"}],
 * or {"capture","missing"} with the reason when they could not be read.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "capture/packet_reader.h"
#include "capture/secrets.h"

/* Copies what the capture has for `window` into the staged snapshot and
 * appends an entry to `list`; nothing when it has none.  NOSPACE, IO. */
int snapshot_secrets_add(const char *home, const char *staged,
			 const char *capture, struct packet_window window,
			 json_t *list, struct error *e);

/* CORRUPT when a copy is not what the manifest says; `path` is the
 * snapshot's. */
int snapshot_secrets_verify(const char *path, const json_t *manifest,
			    struct error *e);

/* Reads all of them; free with secrets_free. */
int snapshot_secrets_load(const char *path, const json_t *manifest,
			  struct secret_list *list, struct error *e);
