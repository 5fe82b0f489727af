/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/store_format.h"

#include <stddef.h>

#include "dissect/event.h"

const char *
store_state_name(unsigned state)
{
	static const char *const names[STORE_STATE_COUNT] = {
		[CONNECTION_OPEN] = "open",
		[CONNECTION_CLOSED] = "closed",
		[CONNECTION_RESET] = "reset",
		[CONNECTION_HALF_OPEN] = "half_open",
		[CONNECTION_EVICTED] = "evicted",
	};

	return state < STORE_STATE_COUNT ? names[state] : NULL;
}
