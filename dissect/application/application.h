/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bodies of a call say: the protocols that live inside of HTTP and
 * WebSocket (gRPC's messages, JSON-RPC, GraphQL, events), after the dissector
 * and before the call leaves the parser.  It looks at a body only when its
 * content type and its first bytes say that it may be one of them.
 */
#pragma once

#include "dissect/application/descriptors.h"
#include "dissect/descriptor_event.h"
#include "dissect/event.h"

struct application_options {
	uint32_t body_limit;  /* bytes of a body, decoded, that are looked at */
	uint32_t ratio_limit; /* as for payload_options */
	const struct descriptors
		*descriptors; /* borrowed, linked; NULL: none */
	struct descriptor_sink reflected; /* no function: not wanted */
};

struct application;

/* Owned by the caller; NULL is allowed to free. */
struct application *application_new(const struct application_options *options);
void application_free(struct application *a);

/*
 * Adds to the call what its bodies say: protocol, fields, flags, messages.
 * Slices that it sets are valid until the next call.
 */
void application_call(struct application *a, struct call_event *call);

/* How often there was no room for what servers of gRPC said of their types. */
uint64_t application_descriptors_left_out(const struct application *a);
