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

/* FIELD_METHOD, which is all of the summary until there is more to say; and
 * what the client calls itself, where that is known, by FIELD_USER_AGENT. */
void attribute_method(struct sink *s, const char *method, struct bytes client);

/* An address of 4 or 16 bytes as people write it, anything else as hex. */
void attribute_put_address(struct buf *out, struct bytes in);
/* "10.0.0.1:53", "[::1]:53" of 16 bytes (IPv4 mapped); without the port if 0 */
void attribute_put_endpoint(struct buf *out, const uint8_t ip[16],
			    uint16_t port);
/* Two digits a byte, with `between` (0: nothing) between bytes. */
void attribute_put_hex(struct buf *out, struct bytes in, char between);
/* Bytes that are printable UTF-8 as they are, others as 0x and hex. */
void attribute_put_text(struct buf *out, struct bytes in);

/* How the value of an attribute is read. */
enum attribute_type {
	ATTRIBUTE_OCTETS,
	ATTRIBUTE_STRING,
	ATTRIBUTE_NUMBER,    /* 1 to 8 octets, or the name in `values` */
	ATTRIBUTE_ADDRESS,   /* of 4 or 16 octets, or several of 4 */
	ATTRIBUTE_ADDRESS_6, /* several of 16 */
	ATTRIBUTE_SECONDS,   /* a number */
	ATTRIBUTE_DATE,      /* seconds since 1970 */
	ATTRIBUTE_SECRET,    /* not shown */
	ATTRIBUTE_GROUP,     /* attributes, which the caller reads */
};

struct attribute_kind {
	uint32_t number;
	const char *name; /* NULL ends a table */
	enum attribute_type type;
	const struct attribute_name *values;
};

/* The kind of that number, or NULL. */
const struct attribute_kind *
attribute_kind_find(const struct attribute_kind *table, uint32_t number);

/* A value of that kind; of none (NULL) text or hex. */
void attribute_put_value(struct buf *out, const struct attribute_kind *kind,
			 struct bytes value);
/* The same as a header of the open message, named "`prefix` number" when there
 * is no kind; what is longer than ATTRIBUTE_VALUE is cut. */
#define ATTRIBUTE_VALUE 4096
void attribute_say(struct sink *s, const struct attribute_kind *kind,
		   const char *prefix, uint32_t number, struct bytes value);
