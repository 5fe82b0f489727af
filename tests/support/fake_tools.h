/* SPDX-License-Identifier: Apache-2.0 */
/* Tools, resources and prompts for tests of the protocol and the loop. */
#pragma once

#include "server/mcp/mcp.h"

/*
 * echo {text}          → the text and {"text"}
 * fail {}              → an error
 * slow {ms}            → blocks its thread until cancelled or ms are over
 * poll {ms}            → TOOL_WAIT until ms are over
 * steps {count}        → progress 1..count
 * big {bytes}          → a text that long
 * noise {}             → prints on stdout, as a careless library might
 * job {ms}             → as poll, with progress; may be a task, can be stopped
 * ask {in_task?}       → asks for a name, and once more for an empty one; may
 *                        be a task, and asks as one with in_task
 */
void fake_content_load(struct mcp_content *content);
void fake_content_free(struct mcp_content *content);

/* How often a tool has been interrupted through set_interrupt. */
unsigned fake_interrupts(void);

/* How often what a `job` has left running was stopped. */
unsigned fake_stops(void);

/* How many calls of `slow` are asleep now. */
unsigned fake_sleepers(void);
