/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that are known by their own shape; part of redact.c. */
#pragma once

#include "base/bytes.h"

/* What stands in the place of a secret begins with this. */
#define REDACT_MARK "[redacted "

struct secret {
	size_t from, to; /* equal: none */
};

/* The secret whose recognisable part begins at `at`: a private key, a JSON
 * web token, a scheme and its credentials, a URL's user information, an
 * issuer's token, how a user of MySQL is identified. */
struct secret redact_pattern(struct bytes in, size_t at);

/* The end of a text of SQL whose opening quote stands before `at`; a quote in
 * it is doubled, or behind a backslash. */
size_t redact_sql_end(struct bytes in, size_t at);
