/* SPDX-License-Identifier: Apache-2.0 */
/* Which names carry secrets. */
#include <ctype.h>
#include <string.h>

#include "server/tools/redact.h"

#define NAME_LIMIT 64

/* Names without their separators and in lower case: "X-Api-Key", "x_api_key"
 * and "xApiKey" are one. */
static const char *const exact[] = {
	"authorization", "proxyauthorization", "cookie", "setcookie", "auth",
	"pass", "passwd", "password", "passphrase", "pwd", "jwt", "bearer",
	"sig", "signature", "xamzsignature", "sessionid", "jsessionid",
	"phpsessid", "credential", "credentials", "cvv", "cvc", "otp",
	"totp", "pgpassword", "privatekey", "assertion", "clientassertion",
	"samlresponse", "samlrequest", "apikey", "codeverifier",
	"snmpcommunity", NULL,
};

static const char *const suffixes[] = {
	"token", "secret", "password", "passwd", "passphrase", "apikey",
	"accesskey", "secretkey", "privatekey", "authkey", "subscriptionkey",
	"functionskey", "signingkey", "encryptionkey", "sharedkey",
	"masterkey", "accountkey", "licensekey", "authorization",
	"secretaccesskey", "sessionid", "credentials", NULL,
};

/* What ends like a secret and is none: places in a list, not in a vault. */
static const char *const harmless[] = {
	"nexttoken", "pagetoken", "nextpagetoken", "continuationtoken",
	"synctoken", "starttoken", "contexttoken", "idempotencytoken",
	"clientrequesttoken", "canceltoken", "prevpagetoken", "stoptoken",
	"eostoken", "bostoken", "padtoken", "uploadtoken", NULL,
};

static size_t
normalise(struct bytes name, char out[NAME_LIMIT])
{
	size_t n = 0;

	for (size_t i = 0; i < name.size && n + 1 < NAME_LIMIT; i++)
		if (isalnum(name.data[i]))
			out[n++] = (char)tolower(name.data[i]);
	out[n] = '\0';
	return n;
}

static bool
is_in(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

bool
redact_is_secret_name(struct bytes name)
{
	char plain[NAME_LIMIT];
	size_t n;

	if (name.size < 3 || name.size >= NAME_LIMIT)
		return false;
	n = normalise(name, plain);
	if (is_in(exact, plain))
		return true;
	if (is_in(harmless, plain))
		return false;
	for (const char *const *s = suffixes; *s; s++) {
		size_t m = strlen(*s);

		if (n >= m && strcmp(plain + n - m, *s) == 0)
			return true;
	}
	return false;
}
