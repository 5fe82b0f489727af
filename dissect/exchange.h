/* SPDX-License-Identifier: Apache-2.0 */
/* A request and its response, or one of them alone, as a call event. */
#pragma once

#include "dissect/message.h"

/* What all calls of a stream have in common. */
struct exchange_place {
	struct stream_context *context;
	const struct stream_identity *identity;
	enum protocol protocol;
	uint32_t calls;
};

/*
 * Emits the call and releases both messages; one of them may be NULL.
 * `reason` says why a half is absent; of two halves, request->reason says why
 * their pairing is uncertain.
 */
void exchange_emit(struct exchange_place *place, struct message *request,
		   struct message *response, enum call_reason reason);
