/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access tokens and key sets of strangers.  The first line is a token, the
 * rest a key set; what parses is checked in every way.
 */
#include <assert.h>
#include <string.h>

#include "server/transport/jwks.h"
#include "server/transport/jwt.h"
#include "tests/fuzz/fuzz.h"

static void
check(const struct jwks *set, struct bytes token)
{
	static const struct jwt_expected expected = {
		.issuer = "joe",
		.audience = "a",
		.now_s = 1300819380,
		.leeway_s = 30,
	};
	const char *reason;
	struct jwt t;

	if (jwt_parse(&t, token, &reason)) {
		assert(!reason && t.signed_part.size < token.size);
		assert(jwt_check_claims(&t, &expected, &reason) == !reason);
		jwt_has_scope(&t, "a");
		jwks_verify(set, &t);
	} else {
		assert(reason);
	}
	jwt_free(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t first = newline ? (size_t)(newline - data) : size;
	struct bytes all = bytes_make(data, size);
	struct jwks *set = jwks_parse(bytes_from(all, first + 1), NULL);

	check(set, bytes_first(all, first));
	jwks_free(set);
	return 0;
}
