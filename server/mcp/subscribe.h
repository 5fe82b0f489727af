/* SPDX-License-Identifier: Apache-2.0 */
/* Resource subscriptions of both eras, as the rest of server/mcp/ sees them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MAX_SUBSCRIPTIONS 64 /* resource URIs a connection or listener names */

struct mcp_connection;
struct mcp_request;
struct watch; /* what a watcher knows of the resources it looks at */

/* The URIs a client wants to hear about. */
struct uri_set {
	char *uris[MAX_SUBSCRIPTIONS];
	size_t count;
};

/* Is it in the set? */
bool uri_set_has(const struct uri_set *set, const char *uri);

/* Empties the set and frees what was in it. */
void uri_set_clear(struct uri_set *set);

/* resources/subscribe, resources/unsubscribe (legacy) and
 * subscriptions/listen (modern); each returns an enum handled. */
int handle_subscribe(struct mcp_request *r);
int handle_unsubscribe(struct mcp_request *r);
int handle_listen(struct mcp_request *r);

/* Starts or stops looking for changes, as needed. */
void watch_adjust(struct mcp_connection *c);

/* What belongs to a watcher, when it goes. */
void watch_free(struct watch *w);
