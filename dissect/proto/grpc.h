/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC in the headers of HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md); see grpc.md. */
#pragma once

#include "dissect/sink.h"

/* application/grpc, alone or with "+proto" or parameters. */
bool grpc_is_content_type(struct bytes value);

/* A header or trailer whose name begins with "grpc-". */
void grpc_field(struct bytes name, struct bytes value, int32_t *status,
		struct sink *sink);

/* The head of a request, or of a response, is there. */
void grpc_request(struct sink *sink);
void grpc_response(struct sink *sink);

/* The response ends (`status` -1: without grpc-status). */
void grpc_end(int32_t status, int32_t http_status, struct sink *sink);

/* "NOT_FOUND", or NULL. */
const char *grpc_status_name(int32_t status);
