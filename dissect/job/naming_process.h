/* SPDX-License-Identifier: Apache-2.0 */
/* What runs inside the sandbox: reads descriptors and messages, and writes the
 * messages by name. */
#pragma once

#include <sys/types.h>

#include "dissect/job/naming_setup.h"

/* The writer's frames have at most that many bytes. */
#define NAMING_FRAME_LIMIT ((32u << 20) + 4096)

/* The body of the forked process; `channel` is its end of a stream socket,
 * `parent` is who must outlive it. */
_Noreturn void naming_process_run(const struct naming_setup *setup,
				  int channel, pid_t parent);
