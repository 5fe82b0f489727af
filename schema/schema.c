/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/schema.h"

#include <string.h>

const struct schema_text *
schema_find(const char *name)
{
	for (const struct schema_text *t = schema_texts; t->name; t++)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}
