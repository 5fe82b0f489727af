/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes and their values as JSON. */
#include "dissect/proto/json_writer.h"
#include "dissect/proto/ldap_parts.h"

void
ldap_write_values(struct json_writer *w, struct bytes attribute,
		  struct bytes values)
{
	struct reader r = reader_make(values);
	bool secret = ldap_is_secret(attribute);

	json_writer_open(w, '[');
	for (unsigned i = 0; i < LDAP_VALUES && reader_left(&r) &&
			     !sink_body_is_full(w->sink); i++) {
		struct ber value = ber_next(&r);

		if (r.failed)
			break;
		if (secret)
			json_writer_string(w, bytes_of("[secret]"));
		else
			json_writer_string(w, value.value);
	}
	json_writer_close(w, ']');
	if (reader_left(&r))
		sink_truncated(w->sink);
}

void
ldap_write_attributes(struct json_writer *w, struct bytes attributes)
{
	struct reader r = reader_make(attributes);
	unsigned i;

	for (i = 0; i < LDAP_VALUES && reader_left(&r) &&
		    !sink_body_is_full(w->sink); i++) {
		bool whole;
		struct ber element = ber_next_cut(&r, &whole);
		struct reader one = reader_make(element.value);
		struct bytes name = ber_take(&one, BER_OCTETS);
		struct bytes values = ber_next_cut(&one, &whole).value;

		if (one.failed || element.tag != BER_SEQUENCE)
			break;
		json_writer_name(w, name);
		ldap_write_values(w, name, values);
	}
	if (reader_left(&r))
		sink_truncated(w->sink);
}
