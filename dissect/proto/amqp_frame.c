/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/amqp_frame.h"

#include "dissect/proto/amqp_method.h"

/* To see its end, where one begins behind a hole. */
#define BODY_WAITED 4000

enum verdict
amqp_frame_probe(struct bytes in, bool known)
{
	struct reader r = reader_make(in);
	unsigned type = reader_u8(&r), channel = reader_be16(&r);
	uint32_t size = reader_be32(&r), id = reader_be32(&r);

	if (in.size && (in.data[0] == 0 || in.data[0] > AMQP_FRAME_BEAT ||
			(in.data[0] > AMQP_FRAME_BODY && in.data[0] != AMQP_FRAME_BEAT)))
		return VERDICT_NO;
	if (in.size < AMQP_FRAME_HEAD + 1)
		return VERDICT_MAYBE;
	if (size > AMQP_FRAME_LIMIT || (type == AMQP_FRAME_BEAT && (size || channel)) ||
	    (type == AMQP_FRAME_METHOD && size < 4) ||
	    (type == AMQP_FRAME_HEADER && size < 14))
		return VERDICT_NO;
	if (type == AMQP_FRAME_BODY && !known)
		return VERDICT_NO;
	if (type <= AMQP_FRAME_HEADER && r.failed)
		return VERDICT_MAYBE;
	if ((type == AMQP_FRAME_METHOD && !amqp_method_find(id)) ||
	    (type == AMQP_FRAME_HEADER && id != AMQP_METHOD(60, 0)))
		return VERDICT_NO;
	if (in.size < (size_t)size + AMQP_FRAME_HEAD + 1)
		return size > BODY_WAITED ? VERDICT_NO : VERDICT_MAYBE;
	if (in.data[size + AMQP_FRAME_HEAD] != AMQP_FRAME_END)
		return VERDICT_NO;
	return known || type != AMQP_FRAME_BEAT ? VERDICT_YES : VERDICT_MAYBE;
}

enum verdict
amqp_frame_start(struct bytes client, struct bytes server)
{
	struct bytes head = bytes_first(client, AMQP_PROTOCOL_HEADER);
	enum verdict verdict;

	if (client.size && client.data[0] == 'A') {
		if (memcmp(head.data, "AMQP\0\0\x09\x01", head.size) != 0)
			return VERDICT_NO;
		return head.size < AMQP_PROTOCOL_HEADER ? VERDICT_MAYBE
							: VERDICT_YES;
	}
	/* A capture may begin within a frame of one side: a frame of the other
	 * tells the protocol as well, and not who is the client. */
	verdict = amqp_frame_probe(client.size ? client : server, false);
	if (verdict == VERDICT_NO && client.size && server.size)
		verdict = amqp_frame_probe(server, false);
	return verdict;
}
