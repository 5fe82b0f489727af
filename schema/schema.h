/* SPDX-License-Identifier: Apache-2.0 */
/* Text files of schema/ embedded at build (cmake/EmbedText.cmake). */
#pragma once

#include <stddef.h>

struct schema_text {
	const char *name; /* path below schema/: "tools/list_captures.json" */
	const char *text; /* terminated */
	size_t size;
};

/* The file of that name, or NULL. */
const struct schema_text *schema_find(const char *name);

/* All files, terminated by a NULL name. */
extern const struct schema_text schema_texts[];
