/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200). */
#pragma once

#include "dissect/layer.h"

/* Either version, by the first nibble. */
enum layer ip_decode(struct decode *d);
