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
 */
void fake_content_load(struct mcp_content *content);
void fake_content_free(struct mcp_content *content);

/* How often a tool has been interrupted through set_interrupt. */
unsigned fake_interrupts(void);

/* How many calls of `slow` are asleep now. */
unsigned fake_sleepers(void);
