/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/registry.h"

static const struct dissector *const dissectors[] = {
	[PROTOCOL_UNKNOWN] = NULL,
#define X(name) [PROTOCOL_##name] = &dissector_##name,
	DISSECTORS(X)
#undef X
};

const struct dissector *
registry_dissector(unsigned protocol)
{
	return protocol < PROTOCOL_COUNT ? dissectors[protocol] : NULL;
}

enum protocol
registry_find(struct bytes name)
{
	for (unsigned i = 1; i < PROTOCOL_COUNT; i++)
		if (bytes_equal(name, bytes_of(dissectors[i]->name)))
			return (enum protocol)i;
	return PROTOCOL_UNKNOWN;
}
