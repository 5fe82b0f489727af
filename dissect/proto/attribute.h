/* SPDX-License-Identifier: Apache-2.0 */
/* Values of binary protocols as text: attributes and fields of a message. */
#pragma once

#include "base/buf.h"
#include "dissect/sink.h"

/* The longest value that is written by the functions with a format. */
#define ATTRIBUTE_TEXT 512

/* A number and what it is called; a table ends with the name NULL. */
struct attribute_name {
	uint32_t number;
	const char *name;
};

/* The name of `number`, or NULL. */
const char *attribute_find(const struct attribute_name *table, uint32_t number);

/* The same, or "`prefix` number" in `room`. */
#define ATTRIBUTE_NAME 48
const char *attribute_name(const struct attribute_name *table, uint32_t number,
			   const char *prefix, char room[ATTRIBUTE_NAME]);

/* One header of the open message, or a field of it; cut at ATTRIBUTE_TEXT. */
void attribute_header(struct sink *s, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void attribute_field(struct sink *s, enum field field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* An address of 4 or 16 bytes as people write it, anything else as hex. */
void attribute_put_address(struct buf *out, struct bytes in);
/* "10.0.0.1:53", "[::1]:53" of 16 bytes (IPv4 mapped); without the port if 0 */
void attribute_put_endpoint(struct buf *out, const uint8_t ip[16],
			    uint16_t port);
/* Two digits a byte, with `between` (0: nothing) between bytes. */
void attribute_put_hex(struct buf *out, struct bytes in, char between);
/* Bytes that are printable UTF-8 as they are, others as 0x and hex. */
void attribute_put_text(struct buf *out, struct bytes in);
