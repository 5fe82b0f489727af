/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/registry.h"

static const struct dissector *const dissectors[] = {
	[PROTOCOL_UNKNOWN] = NULL,
#define X(name) [PROTOCOL_##name] = &dissector_##name,
	DISSECTORS(X)
#undef X
#define Y(name_, title_) \
	[PROTOCOL_##name_] = &(const struct dissector){ .name = #name_, \
							.title = title_ },
	INNER_PROTOCOLS(Y)
#undef Y
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
