/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/websocket_frame.h"

#include "base/text.h"

/* Bytes of text that are no accident behind a head that fits. */
#define TEXT_ENOUGH 16
/* How much of a message is looked at. */
#define TEXT_LOOK 64
/* A whole frame of this size is one beyond doubt where others were before. */
#define FRAME_ENOUGH 6

static bool
is_opcode(uint8_t opcode)
{
	return opcode <= WEBSOCKET_BINARY ||
	       (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

/* The extended size behind the first two bytes. */
static bool
read_size(struct bytes in, size_t bytes, uint64_t *size)
{
	*size = 0;
	for (size_t i = 0; i < bytes; i++)
		*size = *size << 8 | in.data[2 + i];
	return *size > (bytes == 2 ? 125u : 65535u) && !(*size >> 63);
}

enum verdict
websocket_frame_read(struct bytes in, enum side side,
		     struct websocket_frame *f, size_t *needed)
{
	size_t extended;
	uint8_t length;

	*needed = 2;
	if (!in.size)
		return VERDICT_MAYBE;
	*f = (struct websocket_frame){
		.opcode = in.data[0] & 0x0f,
		.reserved = in.data[0] & WEBSOCKET_RESERVED,
		.final = in.data[0] & WEBSOCKET_FINAL,
	};
	if (!is_opcode(f->opcode) || (websocket_is_control(f) && !f->final))
		return VERDICT_NO;
	if (in.size < 2)
		return VERDICT_MAYBE;
	f->masked = in.data[1] & 0x80;
	length = in.data[1] & 0x7f;
	extended = length == 126 ? 2 : length == 127 ? 8 : 0;
	if (f->masked != (side == SIDE_CLIENT) ||
	    (websocket_is_control(f) && length > WEBSOCKET_CONTROL_MAX))
		return VERDICT_NO;
	f->head = 2 + extended + (f->masked ? sizeof(f->mask) : 0);
	*needed = f->head;
	if (in.size < f->head)
		return VERDICT_MAYBE;
	f->size = length;
	if (extended && !read_size(in, extended, &f->size))
		return VERDICT_NO;
	if (f->masked)
		memcpy(f->mask, in.data + 2 + extended, sizeof(f->mask));
	return VERDICT_YES;
}

void
websocket_unmask(const struct websocket_frame *f, uint64_t offset,
		 struct bytes in, uint8_t *out)
{
	uint8_t mask[8];
	size_t i = 0;

	for (unsigned k = 0; k < sizeof(mask); k++)
		mask[k] = f->masked ? f->mask[(offset + k) & 3] : 0;
	for (; i + sizeof(mask) <= in.size; i += sizeof(mask)) {
		uint64_t word, key;

		memcpy(&word, in.data + i, sizeof(word));
		memcpy(&key, mask, sizeof(key));
		word ^= key;
		memcpy(out + i, &word, sizeof(word));
	}
	for (; i < in.size; i++)
		out[i] = in.data[i] ^ mask[i & 7];
}

const char *
websocket_opcode_name(uint8_t opcode)
{
	static const char *const names[] = {
		[WEBSOCKET_CONTINUATION] = "continuation",
		[WEBSOCKET_TEXT] = "text",
		[WEBSOCKET_BINARY] = "binary",
		[WEBSOCKET_CLOSE] = "close",
		[WEBSOCKET_PING] = "ping",
		[WEBSOCKET_PONG] = "pong",
	};

	return names[opcode];
}

static const struct close_code {
	unsigned code;
	bool error;
	const char *name;
} close_codes[] = {
	{ 1000, false, "normal closure" },
	{ 1001, false, "going away" },
	{ 1002, true, "protocol error" },
	{ 1003, true, "unsupported data" },
	{ 1007, true, "invalid payload data" },
	{ 1008, true, "policy violation" },
	{ 1009, true, "message too big" },
	{ 1010, true, "mandatory extension" },
	{ 1011, true, "internal error" },
	{ 1012, true, "service restart" },
	{ 1013, true, "try again later" },
	{ 1014, true, "bad gateway" },
};

static const struct close_code *
find_code(unsigned code)
{
	for (size_t i = 0; i < sizeof(close_codes) / sizeof(*close_codes); i++)
		if (close_codes[i].code == code)
			return &close_codes[i];
	return NULL;
}

const char *
websocket_close_name(unsigned code)
{
	const struct close_code *found = find_code(code);

	return found ? found->name : NULL;
}

bool
websocket_close_is_error(unsigned code)
{
	const struct close_code *found = find_code(code);

	return found && found->error;
}

/* Bytes that read as text at the front of a payload, of which more may come;
 * -1: it is none. */
static int
text_evidence(const struct websocket_frame *f, struct bytes payload)
{
	uint8_t text[TEXT_LOOK];
	size_t size;

	payload = bytes_first(payload, sizeof(text));
	size = payload.size;
	websocket_unmask(f, 0, payload, text);
	/* A character that is cut is not judged. */
	if (size < f->size)
		for (int i = 0; i < 4 && size && text[size - 1] >= 0x80; i++)
			size--;
	for (size_t i = 0; i < size; i++)
		if (text[i] == 0x7f ||
		    (text[i] < ' ' && text[i] != '\t' && text[i] != '\n' &&
		     text[i] != '\r'))
			return -1;
	return text_is_utf8(bytes_make(text, size)) ? (int)size : -1;
}

/* What the flags and the payload of a frame, as far as it is here, speak for;
 * -1: against it. */
static int
evidence_of(const struct websocket_frame *f, struct bytes payload, bool known)
{
	if (f->reserved && (!known || websocket_is_control(f) ||
			    f->reserved != WEBSOCKET_COMPRESSED ||
			    f->opcode == WEBSOCKET_CONTINUATION))
		return -1;
	if (f->opcode == WEBSOCKET_CLOSE && f->size == 1)
		return -1;
	if (f->opcode != WEBSOCKET_TEXT || f->reserved)
		return 0;
	return text_evidence(f, bytes_first(payload, f->size < TEXT_LOOK
							     ? (size_t)f->size
							     : TEXT_LOOK));
}

enum verdict
websocket_judge(struct bytes in, enum side side, bool known)
{
	size_t total = 0, frames = 0, text = 0;

	if (!known && in.size &&
	    in.data[0] != (WEBSOCKET_FINAL | WEBSOCKET_TEXT))
		return VERDICT_NO;
	while (total < in.size) {
		struct bytes rest = bytes_from(in, total);
		struct websocket_frame f;
		size_t needed;
		enum verdict verdict =
			websocket_frame_read(rest, side, &f, &needed);
		int evidence;

		if (verdict == VERDICT_NO)
			return VERDICT_NO;
		if (verdict == VERDICT_MAYBE)
			break;
		rest = bytes_from(rest, f.head);
		evidence = evidence_of(&f, rest, known);
		if (evidence < 0)
			return VERDICT_NO;
		text += (size_t)evidence;
		if (rest.size < f.size)
			break;
		frames++;
		total += f.head + (size_t)f.size;
	}
	if (text >= TEXT_ENOUGH ||
	    (known && (frames > 1 || (frames && total >= FRAME_ENOUGH))))
		return VERDICT_YES;
	return VERDICT_MAYBE;
}
