/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs inside the sandbox: reads every packet of the snapshot, keeps the
 * connections of its shard, and writes events into a pipe.
 */
#pragma once

#include <sys/types.h>

#include "dissect/job/parser_setup.h"

/*
 * The body of the forked process: gives up everything but `events` (a pipe to
 * write to), `channel` (segment_channel's parser side) and stderr, enters the
 * sandbox, works, and exits 0.  `parent` is who must outlive it.
 */
_Noreturn void parser_process_run(const struct parser_setup *setup, int events,
				  int channel, pid_t parent);
