/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of AMQP 0-9-1 (§2.3.5 of its specification). */
#pragma once

#include "dissect/dissector.h"

#define AMQP_PROTOCOL_HEADER 8 /* octets */
#define AMQP_FRAME_HEAD 7
#define AMQP_FRAME_END 0xce
#define AMQP_FRAME_LIMIT (16u << 20)

enum amqp_frame_type {
	AMQP_FRAME_METHOD = 1,
	AMQP_FRAME_HEADER,
	AMQP_FRAME_BODY,
	AMQP_FRAME_BEAT = 8,
};

/* Whether a frame begins here; on a connection that is `known` to speak AMQP
 * less is asked. */
enum verdict amqp_frame_probe(struct bytes in, bool known);

/* The same of the first bytes of both sides, either of which may be empty: the
 * client begins with the protocol's header. */
enum verdict amqp_frame_start(struct bytes client, struct bytes server);
