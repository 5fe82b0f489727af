/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the JSON arguments of a tool call to a plain struct: first checked and
 * completed by the tool's inputSchema, then bound by the tool's table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "server/tool.h"

#define ARGS_LIST_LIMIT 64

enum arg_kind {
	ARG_TEXT,     /* const char *; borrowed from the arguments */
	ARG_INTEGER,  /* int64_t */
	ARG_BOOLEAN,  /* bool */
	ARG_TIME,     /* int64_t, ns since 1970 (base/clock.h clock_parse) */
	ARG_DURATION, /* int64_t, ns */
	ARG_TEXTS,    /* struct arg_texts */
	ARG_INTEGERS, /* struct arg_integers */
};

struct arg_texts {
	size_t count;
	const char *items[ARGS_LIST_LIMIT]; /* borrowed */
};

struct arg_integers {
	size_t count;
	int64_t items[ARGS_LIST_LIMIT];
};

/* One row of a tool's table; a NULL name ends the table. */
struct arg {
	const char *name; /* the property of the inputSchema */
	enum arg_kind kind;
	size_t offset;    /* of the member in the tool's struct */
};

/* { ARG(TEXT, struct my_args, filter) }: property and member have one name. */
#define ARG(kind, type, name) { #name, ARG_##kind, offsetof(type, name) }

/*
 * Checks `arguments` (NULL: none) against the schema object of a tool (type,
 * enum, minimum, maximum, maxLength, maxItems, required) and returns a new
 * object with defaults filled in and values in the type the schema asks for:
 * "5" is taken as 5, one value as a list of one, and the names other products
 * use (kfl, start, end, snapshot_id …) as ours.  INVALID says which argument
 * is wrong, why, and what is near it.
 */
int args_check(json_t *schema, json_t *arguments, json_t **checked,
	       struct error *e);

/*
 * Fills `values` from checked arguments; members whose argument is absent are
 * left as they are.  INVALID for a text that is no time or duration.
 */
int args_bind(const struct arg *table, json_t *checked, int64_t now_ns,
	      void *values, struct error *e);
