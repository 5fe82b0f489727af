/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc/PID says of a process that runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Strings are owned; process_facts_free. */
struct process_facts {
	uint32_t pid;
	uint32_t parent;
	uint32_t uid;
	uint64_t start_ns; /* CLOCK_BOOTTIME, to 10 ms */
	uint64_t netns;    /* inode; 0: may not be read */
	char name[16];
	char *executable;  /* empty: may not be read, or a kernel thread */
	char *cgroup_path;
};

/* False when there is no such process (any more). */
bool process_facts_read(uint32_t pid, struct process_facts *out);
void process_facts_free(struct process_facts *facts);

/* The start alone; 0: no such process. */
uint64_t process_facts_start(uint32_t pid);

/* How far two times of the same start may be apart: /proc counts in ticks. */
#define PROCESS_START_SLACK_NS 20000000u
