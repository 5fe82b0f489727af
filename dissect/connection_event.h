/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "dissect/event.h"

/* The stream found by content that client and server are the other way
 * round: everything that is said of a side is exchanged. */
void connection_event_reverse(struct connection_event *event);
