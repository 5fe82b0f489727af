/* SPDX-License-Identifier: Apache-2.0 */
#include "server/mcp/pace.h"

#define PENALTY 64

bool
pace_is_quick(const struct pace *p)
{
	return p->owed == 0;
}

void
pace_took(struct pace *p, int64_t took_ns)
{
	if (took_ns > PACE_SHORT_NS)
		p->owed = PENALTY;
	else if (p->owed > 0)
		p->owed--;
}
