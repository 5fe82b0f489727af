/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/protocol_name.h"

#include <stddef.h>

#include "dissect/registry.h"

static const char *const names[] = {
	[PROTOCOL_UNKNOWN] = "unknown",
#define X(name) [PROTOCOL_##name] = #name,
	DISSECTORS(X)
#undef X
#define Y(name, title) [PROTOCOL_##name] = #name,
	INNER_PROTOCOLS(Y)
#undef Y
};

_Static_assert(sizeof(names) / sizeof(*names) == PROTOCOL_COUNT,
	       "every protocol has a name");

const char *
protocol_name(unsigned protocol)
{
	return protocol < PROTOCOL_COUNT ? names[protocol] : NULL;
}
