/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MCP clients that aftertap can be installed into, from the table
 * schema/clients.json: which file each reads, and what an entry looks like.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"

/* How a client reaches the server: by `command`, or by `url`. */
struct client_server {
	const char *command; /* the program; used when `url` is NULL */
	json_t *args;        /* its arguments, an array of strings; borrowed */
	const char *url;     /* of the MCP endpoint over HTTP, or NULL */
	const char *token;   /* name of the environment variable that has the
			      * bearer token, or NULL: no token */
};

/* The table, an array of objects; json_decref.  NULL: the built-in text is
 * damaged, which is a bug. */
json_t *clients_load(void);

/* The client of that name or alias in `table`, borrowed; NULL when there is
 * none. */
const json_t *client_find(const json_t *table, const char *name);

/* A text member of a client ("title", "format", …), "" when it has none. */
const char *client_text(const json_t *client, const char *member);

/*
 * The file a client reads: its own below the home directory, or the one of the
 * project in `project` when that is not NULL.  free(3).  UNSUPPORTED: it knows
 * no files in projects; NOTFOUND: $HOME is not set.
 */
int client_file(const json_t *client, const char *project, char **path,
		struct error *e);

/* The entry for that server as the client wants it; json_decref. */
json_t *client_entry(const json_t *client, const struct client_server *server);
