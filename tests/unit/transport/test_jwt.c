/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of RFC 7515's appendix A, and what is made of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "server/transport/jwks.h"
#include "server/transport/jwt.h"

/* RFC 7515, A.2 and A.3: the same claims, {"iss":"joe","exp":1300819380,…}. */
#define CLAIMS                                                               \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl" \
	"LmNvbS9pc19yb290Ijp0cnVlfQ"
#define RSA_SIGNATURE                                                        \
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuH" \
	"Im4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdi" \
	"uB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN" \
	"9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2" \
	"w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77" \
	"Rw"
#define RSA_MODULUS                                                          \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw" \
	"-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b3269" \
	"0r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS" \
	"-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aG" \
	"hyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp" \
	"oQ"
#define RSA_KEY "{\"kty\":\"RSA\",\"n\":\"" RSA_MODULUS "\",\"e\":\"AQAB\""
#define RSA_TOKEN "eyJhbGciOiJSUzI1NiJ9." CLAIMS "." RSA_SIGNATURE
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_KEY                                                       \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":" \
	"\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC_TOKEN                                                              \
	"eyJhbGciOiJFUzI1NiJ9." CLAIMS                                         \
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmW" \
	"QxfKTUJqPP3-Kg6NU1Q"
#define EXPIRES 1300819380

static struct jwks *
set_of(const char *keys)
{
	char *text = alloc_format("{\"keys\":[%s]}", keys);
	struct jwks *set = jwks_parse(bytes_of(text), NULL);

	free(text);
	return set;
}

static enum jwks_verdict
verdict(const char *keys, const char *token)
{
	struct jwks *set = set_of(keys);
	const char *reason;
	enum jwks_verdict result;
	struct jwt t;

	if (!jwt_parse(&t, bytes_of(token), &reason))
		fail_msg("%s", reason);
	result = jwks_verify(set, &t);
	jwt_free(&t);
	jwks_free(set);
	return result;
}

static void
the_tokens_of_the_rfc_are_signed(void **state)
{
	(void)state;
	assert_int_equal(verdict(RSA_KEY "}", RSA_TOKEN), JWKS_SIGNED);
	assert_int_equal(verdict(EC_KEY "}", EC_TOKEN), JWKS_SIGNED);
	assert_int_equal(verdict(EC_KEY "}," RSA_KEY ",\"kid\":\"x\"}",
				 RSA_TOKEN),
			 JWKS_SIGNED);
}

/* One bit of the signature; other claims; a key of another kind; two keys
 * that may be meant; a key for something else. */
static void
others_are_not(void **state)
{
	char *forged = alloc_string(EC_TOKEN);

	(void)state;
	forged[strlen(forged) - 20] ^= 1;
	assert_int_equal(verdict(EC_KEY "}", forged), JWKS_FORGED);
	assert_int_equal(verdict(RSA_KEY "}", "eyJhbGciOiJSUzI1NiJ9."
					      "eyJpc3MiOiJtYWxsb3J5In0." /* mallory */
					      RSA_SIGNATURE),
			 JWKS_FORGED);
	assert_int_equal(verdict(RSA_KEY "}", EC_TOKEN), JWKS_UNKNOWN_KEY);
	assert_int_equal(verdict(EC_KEY "}," EC_KEY "}", EC_TOKEN),
			 JWKS_UNKNOWN_KEY);
	assert_int_equal(verdict(EC_KEY ",\"use\":\"enc\"}", EC_TOKEN),
			 JWKS_UNKNOWN_KEY);
	assert_int_equal(verdict(EC_KEY ",\"alg\":\"ES384\"}", EC_TOKEN),
			 JWKS_UNKNOWN_KEY);
	free(forged);
}

static char *
encode(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-_";
	size_t size = strlen(text), n = 0;
	char *out = alloc_zero(size * 2 + 4, 1);
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | (unsigned char)text[i];
		for (have += 8; have >= 6; have -= 6)
			out[n++] = digits[bits >> (have - 6) & 63];
	}
	if (have)
		out[n++] = digits[bits << (6 - have) & 63];
	return out;
}

/* A token of that header and those claims, unsigned. */
static char *
token_of(const char *header, const char *claims)
{
	char *first = encode(header), *second = encode(claims);
	char *token = alloc_format("%s.%s.AAAA", first, second);

	free(first);
	free(second);
	return token;
}

static bool
parses(const char *header, const char *claims)
{
	char *token = token_of(header, claims);
	const char *reason;
	struct jwt t;
	bool parsed = jwt_parse(&t, bytes_of(token), &reason);

	assert_true(parsed == !reason);
	jwt_free(&t);
	free(token);
	return parsed;
}

static void
headers_are_not_trusted(void **state)
{
	static const char *const bad[] = {
		"{}", "[]", "1", "{\"alg\":\"none\"}", "{\"alg\":\"None\"}",
		"{\"alg\":\"HS256\"}", "{\"alg\":\"rs256\"}", "{\"alg\":1}",
		"{\"alg\":\"RS256\",\"alg\":\"RS256\"}",
		"{\"alg\":\"RS256\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"RS256\",\"kid\":1}",
		"{\"alg\":\"RS256\",\"typ\":\"dpop+jwt\"}",
		"{\"alg\":\"RS256\",\"typ\":1}",
		"{\"alg\":\"RS256\",\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(parses(bad[i], "{}"));
	assert_true(parses("{\"alg\":\"RS256\"}", "{}"));
	assert_true(parses("{\"alg\":\"EdDSA\",\"typ\":\"AT+JWT\",\"kid\":"
			   "\"1\",\"jku\":\"https://evil.example\"}",
			   "{}"));
	assert_false(parses("{\"alg\":\"RS256\"}", "[]"));
	assert_false(parses("{\"alg\":\"RS256\"}", "{\"a\":1,\"a\":2}"));
}

static void
what_is_no_token_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "...", "a.b.c", "eyJhbGciOiJFUzI1NiJ9." CLAIMS,
		EC_TOKEN "=", EC_TOKEN ".x", "eyJhbGciOiJFUzI1NiJ9=." CLAIMS
		".AAAA", "eyJhbGciOiJFUzI1NiJ-." CLAIMS ".AAAA",
		" " EC_TOKEN,
	};
	const char *reason;
	struct jwt t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(jwt_parse(&t, bytes_of(bad[i]), &reason));
		assert_non_null(reason);
		jwt_free(&t);
	}
}

static bool
claims_pass(const char *claims)
{
	char *token = token_of("{\"alg\":\"RS256\"}", claims);
	const struct jwt_expected expected = {
		.issuer = "joe",
		.audience = "https://tap.example/mcp",
		.now_s = EXPIRES,
		.leeway_s = 30,
	};
	const char *reason;
	struct jwt t;
	bool pass;

	assert_true(jwt_parse(&t, bytes_of(token), &reason));
	pass = jwt_check_claims(&t, &expected, &reason);
	jwt_free(&t);
	free(token);
	return pass;
}

#define FOR_US "\"iss\":\"joe\",\"aud\":\"https://tap.example/mcp\""

static void
claims_must_be_for_us_and_for_now(void **state)
{
	static const char *const bad[] = {
		"{" FOR_US "}",
		"{" FOR_US ",\"exp\":\"1300819390\"}",
		"{" FOR_US ",\"exp\":1300819350}",
		"{" FOR_US ",\"exp\":-1}",
		"{" FOR_US ",\"exp\":1300819999,\"nbf\":1300819411}",
		"{" FOR_US ",\"exp\":1300819999,\"nbf\":\"1\"}",
		"{\"iss\":\"jo\",\"aud\":\"https://tap.example/mcp\",\"exp\":"
		"1300819999}",
		"{\"iss\":\"joe\\u002e\",\"aud\":\"https://tap.example/mcp\","
		"\"exp\":1300819999}",
		"{\"iss\":\"joe\",\"aud\":\"https://tap.example/mcp2\",\"exp\":"
		"1300819999}",
		"{\"iss\":\"joe\",\"aud\":[],\"exp\":1300819999}",
		"{\"iss\":\"joe\",\"exp\":1300819999}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(claims_pass(bad[i]));
	assert_true(claims_pass("{" FOR_US ",\"exp\":1300819351}"));
	assert_true(claims_pass("{" FOR_US ",\"exp\":1300819390.5,\"nbf\":"
				"1300819410}"));
	assert_true(claims_pass("{\"iss\":\"joe\",\"aud\":[\"x\",\"https://"
				"tap.example/mcp\"],\"exp\":1300819999}"));
}

static bool
has_scope(const char *claims)
{
	char *token = token_of("{\"alg\":\"RS256\"}", claims);
	const char *reason;
	struct jwt t;
	bool has;

	assert_true(jwt_parse(&t, bytes_of(token), &reason));
	has = jwt_has_scope(&t, "a:b");
	jwt_free(&t);
	free(token);
	return has;
}

static void
scopes_are_words(void **state)
{
	(void)state;
	assert_true(has_scope("{\"scope\":\"a:b\"}"));
	assert_true(has_scope("{\"scope\":\"x a:b  y\"}"));
	assert_true(has_scope("{\"scp\":[\"x\",\"a:b\"]}"));
	assert_false(has_scope("{\"scope\":\"a:bc xa:b a\"}"));
	assert_false(has_scope("{\"scope\":[\"a:b c\"],\"scp\":1}"));
	assert_false(has_scope("{}"));
}

static void
weak_and_broken_keys_are_left_out(void **state)
{
	static const char *const bad[] = {
		"{\"kty\":\"oct\",\"k\":\"AAAA\"}",
		"{\"kty\":\"RSA\",\"n\":\"" EC_X "\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_MODULUS "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X
		"\",\"y\":\"" EC_X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X
		"\",\"y\":\"" EC_X "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		"1",
		"",
	};
	struct jwks *set;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_null(set_of(bad[i]));
	set = set_of("{\"kty\":\"oct\",\"k\":\"AAAA\"}," EC_KEY "}");
	assert_int_equal(jwks_count(set), 1);
	jwks_free(set);
	assert_null(jwks_parse(bytes_of("[]"), NULL));
	assert_null(jwks_parse(bytes_of("{\"keys\":1}"), NULL));
	assert_null(jwks_parse(bytes_of(""), NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tokens_of_the_rfc_are_signed),
		cmocka_unit_test(others_are_not),
		cmocka_unit_test(headers_are_not_trusted),
		cmocka_unit_test(what_is_no_token_is_refused),
		cmocka_unit_test(claims_must_be_for_us_and_for_now),
		cmocka_unit_test(scopes_are_words),
		cmocka_unit_test(weak_and_broken_keys_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
