/* SPDX-License-Identifier: Apache-2.0 */
/* Names of protocols for those who do not link the dissectors. */
#pragma once

/* "http", "dns": the name of an enum protocol; "unknown" for
 * PROTOCOL_UNKNOWN, NULL beyond the list. */
const char *protocol_name(unsigned protocol);
