/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/attribute.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"

const char *
attribute_find(const struct attribute_name *table, uint32_t number)
{
	for (; table->name; table++)
		if (table->number == number)
			return table->name;
	return NULL;
}

const char *
attribute_name(const struct attribute_name *table, uint32_t number,
	       const char *prefix, char room[ATTRIBUTE_NAME])
{
	const char *name = attribute_find(table, number);

	if (name)
		return name;
	snprintf(room, ATTRIBUTE_NAME, "%s %u", prefix, number);
	return room;
}

static struct bytes __attribute__((format(printf, 2, 0)))
formatted(char text[ATTRIBUTE_TEXT], const char *format, va_list values)
{
	int size = vsnprintf(text, ATTRIBUTE_TEXT, format, values);

	if (size < 0)
		size = 0;
	if (size >= ATTRIBUTE_TEXT)
		size = ATTRIBUTE_TEXT - 1;
	return bytes_make(text, (size_t)size);
}

void
attribute_header(struct sink *s, const char *name, const char *format, ...)
{
	char text[ATTRIBUTE_TEXT];
	va_list values;

	va_start(values, format);
	sink_header(s, bytes_of(name), formatted(text, format, values));
	va_end(values);
}

void
attribute_field(struct sink *s, enum field field, const char *format, ...)
{
	char text[ATTRIBUTE_TEXT];
	va_list values;

	va_start(values, format);
	sink_field(s, field, formatted(text, format, values));
	va_end(values);
}

void
attribute_method(struct sink *s, const char *method, struct bytes client)
{
	sink_field(s, FIELD_METHOD, bytes_of(method));
	sink_field(s, FIELD_SUMMARY, bytes_of(method));
	if (client.size)
		sink_field(s, FIELD_USER_AGENT, client);
}

void
attribute_put_address(struct buf *out, struct bytes in)
{
	char text[INET6_ADDRSTRLEN];

	if (in.size != 4 && in.size != 16) {
		attribute_put_hex(out, in, 0);
		return;
	}
	if (inet_ntop(in.size == 4 ? AF_INET : AF_INET6, in.data, text,
		      sizeof(text)))
		buf_text(out, text);
}

void
attribute_put_endpoint(struct buf *out, const uint8_t ip[16], uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;

	if (port && !v4)
		buf_u8(out, '[');
	attribute_put_address(out, v4 ? bytes_make(ip + 12, 4)
				      : bytes_make(ip, 16));
	if (port)
		buf_format(out, v4 ? ":%u" : "]:%u", port);
}

void
attribute_put_hex(struct buf *out, struct bytes in, char between)
{
	for (size_t i = 0; i < in.size; i++) {
		if (i && between)
			buf_u8(out, (uint8_t)between);
		buf_format(out, "%02x", in.data[i]);
	}
}

static bool
is_printable(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if ((in.data[i] < ' ' && in.data[i] != '\t' &&
		     in.data[i] != '\n' && in.data[i] != '\r') ||
		    in.data[i] == 0x7f)
			return false;
	return text_is_utf8(in);
}

void
attribute_put_text(struct buf *out, struct bytes in)
{
	if (is_printable(in)) {
		buf_bytes(out, in);
		return;
	}
	buf_text(out, "0x");
	attribute_put_hex(out, in, 0);
}

const struct attribute_kind *
attribute_kind_find(const struct attribute_kind *table, uint32_t number)
{
	for (; table->name; table++)
		if (table->number == number)
			return table;
	return NULL;
}

static void
put_addresses(struct buf *out, struct bytes in, size_t size)
{
	if (!in.size || in.size % size) {
		attribute_put_hex(out, in, 0);
		return;
	}
	for (size_t i = 0; i < in.size; i += size) {
		if (i)
			buf_u8(out, ' ');
		attribute_put_address(out, bytes_make(in.data + i, size));
	}
}

static void
put_number(struct buf *out, const struct attribute_kind *kind, uint64_t number)
{
	char text[CLOCK_TEXT_SIZE];
	const char *name = kind->values && number <= UINT32_MAX
				   ? attribute_find(kind->values,
						    (uint32_t)number)
				   : NULL;

	if (kind->type == ATTRIBUTE_DATE)
		buf_text(out, clock_format((int64_t)(number & UINT32_MAX) *
						   CLOCK_NS_PER_S,
					   text));
	else if (name)
		buf_text(out, name);
	else
		buf_format(out, kind->type == ATTRIBUTE_SECONDS ? "%llu s"
								: "%llu",
			   (unsigned long long)number);
}

void
attribute_put_value(struct buf *out, const struct attribute_kind *kind,
		    struct bytes value)
{
	uint64_t number = 0;

	switch (kind ? kind->type : ATTRIBUTE_STRING) {
	case ATTRIBUTE_STRING:
		attribute_put_text(out, value);
		return;
	case ATTRIBUTE_ADDRESS:
		put_addresses(out, value, value.size == 16 ? 16 : 4);
		return;
	case ATTRIBUTE_ADDRESS_6:
		put_addresses(out, value, 16);
		return;
	case ATTRIBUTE_SECRET:
		buf_text(out, "[secret]");
		return;
	case ATTRIBUTE_NUMBER:
	case ATTRIBUTE_SECONDS:
	case ATTRIBUTE_DATE:
		if (!value.size || value.size > 8)
			break;
		for (size_t i = 0; i < value.size; i++)
			number = number << 8 | value.data[i];
		put_number(out, kind, number);
		return;
	case ATTRIBUTE_OCTETS:
	case ATTRIBUTE_GROUP:
		break;
	}
	attribute_put_hex(out, value, 0);
}

void
attribute_say(struct sink *s, const struct attribute_kind *kind,
	      const char *prefix, uint32_t number, struct bytes value)
{
	char room[ATTRIBUTE_NAME];
	const char *name = kind ? kind->name : room;
	struct buf text;

	if (!kind)
		snprintf(room, sizeof(room), "%s %u", prefix, number);
	buf_init(&text, 4 * ATTRIBUTE_VALUE);
	attribute_put_value(&text, kind, bytes_first(value, ATTRIBUTE_VALUE));
	sink_header(s, bytes_of(name), buf_view(&text));
	buf_free(&text);
}
