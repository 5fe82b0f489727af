/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials out of captured data.  A secret becomes
 * "[redacted 43 chars #ab12cd34]": the tag is a keyed hash with a key that
 * lives as long as the process, so that equal secrets are seen to be equal
 * and none can be guessed offline.
 *
 * Found are: values of headers, cookies, query and form parameters, JSON and
 * XML members and arguments of GraphQL whose name says so (Authorization,
 * Cookie, X-Api-Key, token, password, client_secret …), JSON in JSON and
 * percent-encoded too, SQL's PASSWORD '…', user:password@ in URLs, "Bearer …" and
 * "Basic …", JSON web tokens, PEM private keys and the tokens of well-known
 * issuers, wherever in a text they stand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "server/tool.h"

/* True when a header, parameter or member of this name carries a secret. */
bool redact_is_secret_name(struct bytes name);

/* Appends `in` with every secret replaced; returns how many there were. */
size_t redact_text(struct bytes in, struct buf *out);

/* Appends the marker of one secret; the scheme before it ("Bearer ") stays. */
void redact_value(struct bytes value, struct buf *out);

/*
 * Redacts every string of a result in place.  Strings in a row (an array in an
 * array) that follow a secret name are secrets: [name, value] pairs.
 * Returns how many secrets there were.
 */
size_t redact_json(json_t *value);

/*
 * Redacts a tool's result unless `reveal`, and says so in it ("redacted": n).
 * DENIED when reveal is asked for and the server does not allow it.
 */
int redact_result(const struct tool_config *config, bool reveal,
		  json_t *result, struct error *e);

/* The permission alone, to be asked before any work. */
int redact_check_reveal(const struct tool_config *config, bool reveal,
			struct error *e);
