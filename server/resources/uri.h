/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of our resources: aftertap://…, taken apart. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define URI_NAME 101 /* a name and its terminator (text_is_name) */

enum uri_kind {
	URI_DATABASES,     /* aftertap://databases */
	URI_CAPTURES,      /* aftertap://captures */
	URI_SCHEMA,        /* aftertap://schema */
	URI_FILTER,        /* aftertap://filter */
	URI_SNAPSHOT,      /* aftertap://snapshots/{snapshot} */
	URI_DISSECTION,    /* aftertap://{snapshot}/{dissection} */
	URI_CALL,          /* …/calls/{id} */
	URI_REQUEST_BODY,  /* …/calls/{id}/request-body */
	URI_RESPONSE_BODY, /* …/calls/{id}/response-body */
};

struct uri {
	enum uri_kind kind;
	char snapshot[URI_NAME];
	char dissection[URI_NAME];
	int64_t id;
};

/* False when `text` is not one of them.  Names are plain: no percent
 * escapes are needed or accepted. */
bool uri_parse(const char *text, struct uri *uri);
