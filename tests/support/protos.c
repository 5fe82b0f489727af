/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/protos.h"

#define PIECE 65536

void
protos_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_u8(out, (uint8_t)(value | 0x80));
	buf_u8(out, (uint8_t)value);
}

void
protos_number(struct buf *out, uint32_t number, uint64_t value)
{
	protos_varint(out, (uint64_t)number << 3);
	protos_varint(out, value);
}

void
protos_bytes(struct buf *out, uint32_t number, struct bytes value)
{
	protos_varint(out, (uint64_t)number << 3 | 2);
	protos_varint(out, value.size);
	buf_bytes(out, value);
}

void
protos_text(struct buf *out, uint32_t number, const char *value)
{
	protos_bytes(out, number, bytes_of(value));
}

void
protos_file(struct buf *out, const char *name, const char *package)
{
	protos_text(out, 1, name);
	protos_text(out, 2, package);
}

void
protos_message(struct buf *file, const char *name,
	       const struct protos_field *fields)
{
	struct buf message, field;

	buf_init(&message, PIECE);
	buf_init(&field, PIECE);
	protos_text(&message, 1, name);
	for (; fields->name; fields++) {
		buf_reset(&field);
		protos_text(&field, 1, fields->name);
		protos_number(&field, 3, fields->number);
		protos_number(&field, 4, 1); /* LABEL_OPTIONAL */
		protos_number(&field, 5, fields->kind);
		if (fields->type)
			protos_text(&field, 6, fields->type);
		protos_bytes(&message, 2, buf_view(&field));
	}
	protos_bytes(file, 4, buf_view(&message));
	buf_free(&message);
	buf_free(&field);
}

void
protos_service(struct buf *file, const char *name, const char *method,
	       const char *request, const char *response)
{
	struct buf service, inner;

	buf_init(&service, PIECE);
	buf_init(&inner, PIECE);
	protos_text(&inner, 1, method);
	protos_text(&inner, 2, request);
	protos_text(&inner, 3, response);
	protos_text(&service, 1, name);
	protos_bytes(&service, 2, buf_view(&inner));
	protos_bytes(file, 6, buf_view(&service));
	buf_free(&service);
	buf_free(&inner);
}

void
protos_frame(struct buf *out, bool compressed, struct bytes message)
{
	buf_u8(out, compressed);
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_u8(out, (uint8_t)(message.size >> shift));
	buf_bytes(out, message);
}

void
protos_answer(struct buf *out, struct bytes file)
{
	struct buf files;

	buf_init(&files, file.size + 20);
	protos_bytes(&files, 1, file);
	protos_bytes(out, 4, buf_view(&files));
	buf_free(&files);
}
