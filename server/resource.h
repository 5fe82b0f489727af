/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a resource is, for both sides: server/mcp/ (which answers the resource
 * and completion requests) and server/resources/ (which knows what there is).
 * `read` and `complete` are plain blocking functions run on a pool thread.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"
#include "server/tool.h"

/* One argument of a prompt or of a resource template, being typed. */
struct resource_completion {
	const char *argument; /* its name: "db", "snapshot", "filter" … */
	const char *typed;    /* what is there so far; may be empty */
	json_t *context;      /* object of arguments already given, or NULL */
};

struct resource_source {
	/* Arrays of MCP Resource and ResourceTemplate objects; borrowed,
	 * immutable, the same for every connection. */
	json_t *list;
	json_t *templates;

	/* True when `uri` has the shape of one of ours (nothing is looked up). */
	bool (*matches)(const char *uri);

	/*
	 * The "contents" array of one resource (new reference).  NOTFOUND when
	 * there is no such resource; any other error is an internal one.  Of
	 * `call`, everything but `arguments` is set.
	 */
	int (*read)(struct tool_call *call, const char *uri, json_t **contents,
		    struct error *e);

	/* An array of strings that could stand in place of what was typed, best
	 * first (new reference); an unknown argument gives an empty one. */
	int (*complete)(struct tool_call *call,
			const struct resource_completion *request,
			json_t **values, struct error *e);
};
