/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the DHCP dissectors, shared by its files only. */
#pragma once

#include "base/reader.h"
#include "dissect/proto/attribute.h"

/* Options of one message that are shown. */
#define DHCP_OPTIONS_SHOWN 512

/* dhcp_options.c: IANA's "DHCP Options" and "DHCPv6 Options". */
extern const struct attribute_kind dhcp_options[];
extern const struct attribute_kind dhcp6_options[];
