/* SPDX-License-Identifier: Apache-2.0 */
/* Search filters (RFC 4511 §4.5.1.7) as text (RFC 4515). */
#include "base/text.h"
#include "dissect/proto/ldap_parts.h"

enum filter_tag {
	FILTER_AND = 0xa0,
	FILTER_OR = 0xa1,
	FILTER_NOT = 0xa2,
	FILTER_EQUALITY = 0xa3,
	FILTER_SUBSTRINGS = 0xa4,
	FILTER_GREATER = 0xa5,
	FILTER_LESS = 0xa6,
	FILTER_PRESENT = 0x87,
	FILTER_APPROXIMATE = 0xa8,
	FILTER_EXTENSIBLE = 0xa9,
};

/* RFC 4515 §3: what must be escaped, and all that is no text.  A password that
 * is searched for is as secret as one that is found. */
static void
put_value(struct buf *out, struct bytes attribute, struct bytes value)
{
	bool text = text_is_utf8(value);

	if (ldap_is_secret(attribute)) {
		buf_text(out, "[secret]");
		return;
	}
	for (size_t i = 0; i < value.size; i++) {
		uint8_t c = value.data[i];

		if (c < ' ' || c == 0x7f || c == '*' || c == '(' || c == ')' ||
		    c == '\\' || (c >= 0x80 && !text))
			buf_format(out, "\\%02x", c);
		else
			buf_u8(out, c);
	}
}

static bool
put_assertion(struct buf *out, struct bytes in, const char *operator)
{
	struct reader r = reader_make(in);
	struct bytes attribute = ber_take(&r, BER_OCTETS);

	attribute_put_text(out, attribute);
	buf_text(out, operator);
	put_value(out, attribute, ber_take(&r, BER_OCTETS));
	return !r.failed;
}

static bool
put_substrings(struct buf *out, struct bytes in)
{
	struct reader r = reader_make(in), parts;
	struct bytes attribute = ber_take(&r, BER_OCTETS);
	uint8_t last = 0;

	attribute_put_text(out, attribute);
	buf_u8(out, '=');
	parts = reader_make(ber_take(&r, BER_SEQUENCE));
	while (reader_left(&parts) && !out->failed) {
		struct ber part = ber_next(&parts);

		if (part.tag != 0x80) /* initial */
			buf_u8(out, '*');
		put_value(out, attribute, part.value);
		last = part.tag;
	}
	if (last != 0x82) /* final */
		buf_u8(out, '*');
	return !r.failed && !parts.failed;
}

static bool
put_extensible(struct buf *out, struct bytes in)
{
	struct bytes rule = { NULL, 0 }, type = rule, value = rule, dn = rule;
	struct reader r = reader_make(in);

	while (reader_left(&r)) {
		struct ber part = ber_next(&r);

		if (part.tag == 0x81)
			rule = part.value;
		else if (part.tag == 0x82)
			type = part.value;
		else if (part.tag == 0x83)
			value = part.value;
		else if (part.tag == 0x84)
			dn = part.value;
	}
	attribute_put_text(out, type);
	if (dn.size && dn.data[0])
		buf_text(out, ":dn");
	if (rule.size) {
		buf_u8(out, ':');
		attribute_put_text(out, rule);
	}
	buf_text(out, ":=");
	put_value(out, type, value);
	return !r.failed;
}

static bool
put_item(struct buf *out, struct ber filter)
{
	switch (filter.tag) {
	case FILTER_EQUALITY:
		return put_assertion(out, filter.value, "=");
	case FILTER_GREATER:
		return put_assertion(out, filter.value, ">=");
	case FILTER_LESS:
		return put_assertion(out, filter.value, "<=");
	case FILTER_APPROXIMATE:
		return put_assertion(out, filter.value, "~=");
	case FILTER_SUBSTRINGS:
		return put_substrings(out, filter.value);
	case FILTER_EXTENSIBLE:
		return put_extensible(out, filter.value);
	case FILTER_PRESENT:
		attribute_put_text(out, filter.value);
		buf_text(out, "=*");
		return true;
	default:
		return false;
	}
}

static char
set_sign(uint8_t tag)
{
	return tag == FILTER_AND  ? '&'
	       : tag == FILTER_OR ? '|'
	       : tag == FILTER_NOT ? '!'
				   : 0;
}

/* Walks the tree with the readers of the sets that are open; each octet is
 * looked at once a level, of which there are few. */
bool
ldap_put_filter(struct buf *out, struct bytes in)
{
	struct reader open[BER_DEPTH];
	unsigned depth = 0;
	bool good = true;

	open[0] = reader_make(in);
	while (good && !out->failed) {
		struct ber filter;
		char sign;

		if (!reader_left(&open[depth])) {
			good = !open[depth].failed;
			if (!depth || !good)
				break;
			buf_u8(out, ')');
			depth--;
			continue;
		}
		filter = ber_next(&open[depth]);
		sign = set_sign(filter.tag);
		buf_u8(out, '(');
		if (sign) {
			buf_u8(out, (uint8_t)sign);
			good = ++depth < BER_DEPTH;
			if (good)
				open[depth] = reader_make(filter.value);
			continue;
		}
		good = put_item(out, filter);
		buf_u8(out, ')');
	}
	if (!good)
		buf_text(out, "?");
	return good && !out->failed;
}
