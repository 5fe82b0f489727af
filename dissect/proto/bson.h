/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BSON (bsonspec.org, version 1.1) as JSON: what JSON has no word for is
 * written as MongoDB's Extended JSON (relaxed) does.  Bounded in depth.
 */
#pragma once

#include "dissect/proto/json_writer.h"

#define BSON_DEPTH 32 /* what is deeper is written as … */

struct bson_element {
	uint8_t type;
	struct bytes name;
	struct bytes value; /* as in the document */
};

/* The size of the whole document at the front of `in`; 0: none is there. */
size_t bson_size(struct bytes in);

/* The next element of a document's inside (`*at`, behind its size); false at
 * its end, or where it is malformed. */
bool bson_next(struct bytes *at, struct bson_element *element);
/* The inside of a document. */
struct bytes bson_inside(struct bytes document);

/* The value of a text; empty for another type. */
struct bytes bson_text(const struct bson_element *element);
/* Of a number of any kind, or a boolean; 0 for another type.  A double is cut
 * to what fits. */
double bson_number(const struct bson_element *element);
int64_t bson_integer(const struct bson_element *element);

/* Writes the document as JSON, but no element of the name `hidden` (NULL: all),
 * until the writer is full; false when it is malformed (what was written is
 * right as far as it goes). */
bool bson_json(struct bytes document, const char *hidden,
	       struct json_writer *w);
