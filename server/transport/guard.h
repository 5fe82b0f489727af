/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Host and Origin a request may carry.  A page of a stranger can make a
 * browser send requests to 127.0.0.1, by a name that it lets point there (DNS
 * rebinding): they arrive with the stranger's Host and Origin.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "server/transport/http_request.h"

#define GUARD_MAX 64

struct guard {
	bool any_host;              /* on a unix socket there are no names */
	const char *hosts[GUARD_MAX];   /* names without port; borrowed */
	size_t host_count;
	const char *origins[GUARD_MAX]; /* "https://app.example"; borrowed */
	size_t origin_count;
};

/* False when there are too many. */
bool guard_add_host(struct guard *g, const char *host);
bool guard_add_origin(struct guard *g, const char *origin);

/* "localhost", "127.0.0.1", "[::1]" and what was added, with any port. */
bool guard_allows_host(const struct guard *g, struct bytes host);
/* http or https at an allowed host, or an origin that was added. */
bool guard_allows_origin(const struct guard *g, struct bytes origin);
/* Both; an absent Origin is none of a browser's. */
bool guard_allows(const struct guard *g, const struct http_request *r);
