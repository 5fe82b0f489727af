/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/protocol_name.h"

#include <stddef.h>

#include "dissect/registry.h"

static const char *const names[] = {
	[PROTOCOL_UNKNOWN] = "unknown",
#define X(name) [PROTOCOL_##name] = #name,
	DISSECTORS(X)
#undef X
};

const char *
protocol_name(unsigned protocol)
{
	return protocol < PROTOCOL_COUNT ? names[protocol] : NULL;
}
