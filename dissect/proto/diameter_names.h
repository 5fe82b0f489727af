/* SPDX-License-Identifier: Apache-2.0 */
/* IANA's "AAA Parameters", and what 3GPP TS 29.230 adds for common
 * applications. */
#pragma once

#include "dissect/proto/attribute.h"

#define DIAMETER_3GPP 10415

extern const struct attribute_name diameter_commands[];
extern const struct attribute_name diameter_applications[];
extern const struct attribute_name diameter_results[];
/* AVPs without a vendor, and those of 3GPP. */
extern const struct attribute_kind diameter_avps[];
extern const struct attribute_kind diameter_avps_3gpp[];
