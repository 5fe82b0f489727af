/* SPDX-License-Identifier: Apache-2.0 */
/* How values of databases are written into rows and parameters. */
#pragma once

#include "dissect/sink.h"

/* Adds a value to the body: as text with \t, \n and \ escaped as COPY of
 * PostgreSQL does; what is `binary` and no text as \x and hexadecimal. */
void sql_value_row(struct bytes value, bool binary, struct sink *sink);

/* The same as the header "parameter", cut. */
void sql_value_parameter(struct bytes value, bool binary, struct sink *sink);
