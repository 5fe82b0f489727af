/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of HTTP/2 and HTTP/3, pseudo-headers among them (RFC 9113 §8.3, RFC
 * 9114 §4.3), as they come out of their compression. */
#pragma once

#include "dissect/sink.h"

/* The name of fields that stand for an entry of a dynamic table that is not
 * known, since the capture lacks where it was made. */
#define HTTP_FIELDS_UNKNOWN ":unknown"

/* What a block said, as far as the call depends on it. */
struct http_fields {
	int32_t status;      /* :status; -1: none */
	int32_t grpc_status; /* -1: none */
	uint32_t size;       /* of names and values so far */
	bool grpc;           /* content-type is gRPC's */
};

/* The next field, of the message that is open. */
void http_fields_add(struct http_fields *fields, struct bytes name,
		     struct bytes value, struct sink *sink);
