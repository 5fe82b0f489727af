/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers sized for a model: sentences, projection to the fields asked for,
 * and rows cut to the text budget with a word on how to get the rest.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "server/tools/args.h"

#define ANSWER_BUDGET ((size_t)16 << 10) /* bytes of text, about 4k tokens */

/* Sets the member "summary", which render_text prints first. */
void answer_summary(json_t *structured, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Renames a member when it is there. */
void answer_rename(json_t *object, const char *from, const char *to);

/* Removes what tells a reader nothing: "format" (of the file on disk) and
 * empty "warnings". */
void answer_tidy(json_t *object);

/*
 * Reduces every row to `fields` ("path", "dst.ip"), in their order.  INVALID
 * for a field that is not in `known` (NULL-terminated), naming the nearest.
 */
int answer_project(json_t *rows, const struct arg_texts *fields,
		   const char *const *known, struct error *e);

/* How many rows of the member `rows` can be shown within ANSWER_BUDGET of
 * text; at least 1 when there is one, and all with whole_answers. */
size_t answer_fit(const struct tool_config *config, json_t *structured,
		  const char *rows);

/* Keeps the first `count` rows and sets "truncated". */
void answer_cut(json_t *structured, const char *rows, size_t count);

/* Both at once, for lists without a cursor. */
void answer_cut_to_fit(const struct tool_config *config, json_t *structured,
		       const char *rows);
