/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C and SIGTERM as a flag that long work polls. */
#pragma once

#include <stdatomic.h>

/*
 * From now on the first SIGINT or SIGTERM sets the flag that is returned; a
 * second one ends the process as usual.  May be called again.
 */
atomic_bool *interrupt_catch(void);
