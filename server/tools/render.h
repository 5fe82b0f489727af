/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tool's structured result as text that stands alone: for a model compact
 * (tab-separated tables, `name: value` lines), for a person at a terminal
 * aligned and in colour.  Generic: it knows no tool, only these members of the
 * top object:
 *   "summary"    a sentence: printed bare, first
 *   "coverage"   an object: printed as one sentence, with its notes
 *   "untrusted"  true: a line that says so
 * An array of objects becomes a table, or a list of records when its values
 * are long; an array of arrays beside "columns" a table with that head; an
 * array of [name, value] pairs lines.  Everything is escaped: no control
 * character of captured data reaches a terminal, and captured text of several
 * lines is set off by a bar, so that it cannot pose as ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"

struct render_options {
	bool align;     /* columns padded with blanks; else tabs */
	bool colour;    /* ANSI colours; only with align */
	unsigned width; /* of the terminal: long cells are cut; 0: never */
	size_t limit;   /* bytes of text, the rest is cut with a note; 0: 1 MiB */
};

/* The text of `value`; NULL options: for a model.  Free with free(3). */
char *render_text(json_t *value, const struct render_options *options);

/* One sentence on what an answer rests on: "covered 2026-11-23T14:00:00Z to
 * 14:05:00Z, 12,034 packets, nothing lost". */
void render_coverage(struct buf *out, json_t *coverage);

/* 12034 as "12,034". */
void render_count(struct buf *out, uint64_t number);

/* One line for any value, as in a table's cell. */
void render_cell(struct buf *out, json_t *value);
