/* SPDX-License-Identifier: Apache-2.0 */
/* What aftertap-capture can do here, for `aftertap doctor`. */
#pragma once

#include <jansson.h>

/* Runs `program probe`; its checks [{"check","ok","detail","fix"}] (new
 * reference), or NULL when it does not run. */
json_t *capture_probe(const char *program);
