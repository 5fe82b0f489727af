/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload references of a call as one short blob: for each of request
 * head, response head, request body, response body, and where there are
 * messages of those of both, a varint size and, unless that is 0, the zigzag
 * distance of its block from the block before, and of its offset from where
 * the one before ended.  Neighbours in one block cost two bytes each this way,
 * 18 bytes a call instead of 40.
 */
#pragma once

#include "dissect/event.h"

enum payload_part {
	PAYLOAD_REQUEST_HEAD,
	PAYLOAD_RESPONSE_HEAD,
	PAYLOAD_REQUEST_BODY,
	PAYLOAD_RESPONSE_BODY,
	PAYLOAD_REQUEST_MESSAGES,
	PAYLOAD_RESPONSE_MESSAGES,
	PAYLOAD_PART_COUNT
};

/* Parts that are always told of when one is. */
#define PAYLOAD_PART_ALWAYS PAYLOAD_REQUEST_MESSAGES

/* The most bytes of a decompressed block; larger ones are refused. */
#define PAYLOAD_BLOCK_LIMIT (16u << 20)

/* Bytes an encoding takes at most. */
#define PAYLOAD_REFS_SIZE (PAYLOAD_PART_COUNT * 30)

/* Returns the size written; 0 when all are empty. */
size_t payload_refs_encode(const struct payload_ref refs[PAYLOAD_PART_COUNT],
			   uint8_t out[PAYLOAD_REFS_SIZE]);

/* ERR_CORRUPT for anything that encode could not have written, or that
 * reaches beyond PAYLOAD_BLOCK_LIMIT.  An empty blob is empty parts only. */
int payload_refs_decode(struct bytes in,
			struct payload_ref refs[PAYLOAD_PART_COUNT]);
