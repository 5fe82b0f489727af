/* SPDX-License-Identifier: Apache-2.0 */
/* Message bodies as a result shows them: redacted, pretty, in slices. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/bytes.h"

#define BODY_TEXT 4096
#define BODY_BINARY 96 /* a model learns little from more */

struct body_options {
	int64_t offset; /* the slice, in bytes of the text shown; */
	int64_t limit;  /* -1: BODY_TEXT of text, BODY_BINARY of anything else */
	bool pretty;           /* JSON is indented */
	bool reveal;           /* secrets stay */
};

/*
 * Sets in `call` the member `name` ("req_body") to a slice of `body`, and
 * `name`_info to {"size","offset","shown","next_offset"?,"encoding"?}.  It is
 * redacted as a whole before it is sliced, so that no slice begins behind the
 * name of a secret; what is no UTF-8 text is given as base64, redacted as well.
 * Returns true when there is more behind the slice.
 */
bool body_show(json_t *call, const char *name, struct bytes body,
	       const struct body_options *options);

/* RFC 4648 §4 as a new JSON string. */
json_t *body_base64(struct bytes in);
