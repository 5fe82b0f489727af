/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/sql_value.h"

#include "base/text.h"

/* Of a parameter that is not text, and of one that is. */
#define PARAMETER_BINARY 256
#define PARAMETER_TEXT 4096

static const char digits[] = "0123456789abcdef";

/* \x and hexadecimal, as bytea is shown. */
static void
put_hex(struct bytes in, struct sink *sink)
{
	char text[128];
	size_t size = 0;

	sink_body(sink, bytes_of("\\x"));
	for (size_t i = 0; i < in.size; i++) {
		text[size++] = digits[in.data[i] >> 4];
		text[size++] = digits[in.data[i] & 15];
		if (size == sizeof(text)) {
			sink_body(sink, bytes_make(text, size));
			size = 0;
		}
	}
	sink_body(sink, bytes_make(text, size));
}

static void
put_escaped(struct bytes in, struct sink *sink)
{
	size_t from = 0;

	for (size_t i = 0; i < in.size; i++) {
		char text[2] = "\\";

		switch (in.data[i]) {
		case '\t':
			text[1] = 't';
			break;
		case '\n':
			text[1] = 'n';
			break;
		case '\\':
			text[1] = '\\';
			break;
		default:
			continue;
		}
		sink_body(sink, bytes_make(in.data + from, i - from));
		sink_body(sink, bytes_make(text, 2));
		from = i + 1;
	}
	if (from < in.size)
		sink_body(sink, bytes_from(in, from));
}

void
sql_value_row(struct bytes value, bool binary, struct sink *sink)
{
	if (binary && !text_is_plain(value))
		put_hex(value, sink);
	else
		put_escaped(value, sink);
}

void
sql_value_parameter(struct bytes value, bool binary, struct sink *sink)
{
	char text[2 + 2 * PARAMETER_BINARY] = "\\x";

	if (binary && !text_is_plain(value)) {
		size_t n = 2;

		for (size_t i = 0; i < value.size && i < PARAMETER_BINARY; i++) {
			text[n++] = digits[value.data[i] >> 4];
			text[n++] = digits[value.data[i] & 15];
		}
		value = bytes_make(text, n);
	}
	sink_header(sink, bytes_of("parameter"),
		    bytes_first(value, PARAMETER_TEXT));
}
