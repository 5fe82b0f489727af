/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/interrupt.h"

#include <signal.h>
#include <stdbool.h>

/* A signal handler has no other way to reach anything. */
static atomic_bool interrupted; /* NOLINT(*-avoid-non-const-global-variables) */

static void
on_signal(int signal_number)
{
	(void)signal_number;
	atomic_store(&interrupted, true);
}

atomic_bool *
interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	action.sa_flags = (int)SA_RESETHAND;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return &interrupted;
}
