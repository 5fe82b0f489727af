/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet programs on an interface by tc(8)'s clsact, for kernels without TCX
 * (before 6.6).  Such a filter outlives its process, so each carries the
 * process's number as its handle, and those of processes that are gone are
 * removed by the next one that comes by.  All calls act in the calling
 * thread's network namespace.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Puts the program on the interface, making the qdisc if there is none. */
int clsact_attach(uint32_t ifindex, bool ingress, int program,
		  struct error *e);
void clsact_detach(uint32_t ifindex, bool ingress);

/* Removes our filters whose process does not exist any more; returns how
 * many there were. */
unsigned clsact_clean(uint32_t ifindex);
