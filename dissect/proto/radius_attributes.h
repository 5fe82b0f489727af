/* SPDX-License-Identifier: Apache-2.0 */
/* IANA's "RADIUS Types": codes, attributes and their values. */
#pragma once

#include "dissect/proto/attribute.h"

extern const struct attribute_name radius_codes[];
extern const struct attribute_kind radius_attributes[];
/* Of vendor 311 (RFC 2548), 9 and 14823: what is met most. */
extern const struct attribute_kind radius_microsoft[];
extern const struct attribute_name radius_vendors[];
