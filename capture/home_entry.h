/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a home holds by name, captures and snapshots: a directory each, with
 * one JSON file that says what it is and whose presence makes it one.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"

struct home_kind {
	const char *what;   /* "capture", for messages */
	const char *folder; /* of the home, "captures" */
	const char *file;   /* in the entry's directory, "capture.json" */
};

/* ERR_NOTFOUND, with a sentence that names `name`. */
int home_entry_missing(const struct home_kind *kind, const char *name,
		       struct error *e);

/* The directory of an entry that exists (free(3)), or NULL with ERR_NOTFOUND. */
char *home_entry_path(const char *home, const struct home_kind *kind,
		      const char *name, struct error *e);

/* Reads the entry's file (new reference).  NOTFOUND, CORRUPT, IO. */
int home_entry_load(const char *home, const struct home_kind *kind,
		    const char *name, json_t **entry, struct error *e);

/*
 * A new array of all entries that load, each after `prepare`, in the order of
 * `compare` (over json_t pointers, as for qsort); empty without a folder.
 */
json_t *home_entry_list(const char *home, const struct home_kind *kind,
			void (*prepare)(json_t *entry, const char *name),
			int (*compare)(const void *, const void *));

/* A new array of the items in the order of `compare`; takes `items`. */
json_t *home_entry_sort(json_t *items,
			int (*compare)(const void *, const void *));
