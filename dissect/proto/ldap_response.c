/* SPDX-License-Identifier: Apache-2.0 */
/* What a server of LDAP answers: entries and references, and the result that
 * ends them (RFC 4511 §4.1.9, §4.5.2). */
#include <stdio.h>

#include "dissect/proto/json_writer.h"
#include "dissect/proto/ldap_parts.h"

static void
read_references(struct ldap_message *m, const char *name, struct bytes list)
{
	struct reader r = reader_make(list);

	for (unsigned i = 0; i < 64 && reader_left(&r); i++) {
		struct bytes reference = ber_take(&r, BER_OCTETS);

		if (r.failed)
			return;
		ldap_header(m, name, reference);
	}
}

static void
read_entry(struct ldap_message *m, struct reader *r)
{
	struct bytes name = ber_take(r, BER_OCTETS);
	bool whole;
	struct ber attributes = ber_next_cut(r, &whole);
	struct json_writer w;

	m->exchange->entries++;
	if (r->failed || sink_body_is_full(m->sink))
		return;
	json_writer_init(&w, m->sink, false);
	/* The body is what has no end: an entry a line. */
	if (m->exchange->comma)
		sink_body(m->sink, bytes_of("\n"));
	m->exchange->comma = true;
	json_writer_open(&w, '{');
	json_writer_name(&w, bytes_of("dn"));
	json_writer_string(&w, name);
	ldap_write_attributes(&w, attributes.value);
	json_writer_close(&w, '}');
	json_writer_flush(&w);
}

static bool
is_failure(int64_t code)
{
	/* RFC 4511 appendix A.1, and what one of those asks for. */
	return code != 0 && code != 5 && code != 6 && code != 10 && code != 14;
}

static void
say_result(struct ldap_message *m, int64_t code, struct bytes diagnostic)
{
	const char *name = ldap_result_name(code);
	char room[32];
	size_t size = bytes_first(diagnostic, 300).size;

	if (!name) {
		snprintf(room, sizeof(room), "result %lld", (long long)code);
		name = room;
	}
	sink_status(m->sink, code >= 0 && code <= INT32_MAX ? (int32_t)code
							    : INT32_MAX);
	sink_field(m->sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (!is_failure(code))
		return;
	sink_flags(m->sink, MESSAGE_IS_ERROR);
	attribute_field(m->sink, FIELD_ERROR, "%s%s%.*s", name,
			size ? ": " : "", (int)size,
			size ? (const char *)diagnostic.data : "");
}

/* The result, and what an operation has behind it. */
static void
read_result(struct ldap_message *m, struct reader *r)
{
	int64_t code = ber_take_integer(r, BER_ENUMERATED);
	struct bytes matched = ber_take(r, BER_OCTETS);
	struct bytes diagnostic = ber_take(r, BER_OCTETS);

	if (r->failed) {
		sink_field(m->sink, FIELD_ERROR,
			   bytes_of("the response is malformed"));
		return;
	}
	say_result(m, code, diagnostic);
	if (matched.size)
		ldap_header(m, "matched-dn", matched);
	if (diagnostic.size)
		ldap_header(m, "diagnostic", diagnostic);
	while (reader_left(r)) {
		struct ber more = ber_next(r);

		if (more.tag == 0xa3)
			read_references(m, "referral", more.value);
		else if (more.tag == 0x8a)
			ldap_header(m, "oid", more.value);
	}
	if (m->operation == LDAP_BIND_RESPONSE && code == 0)
		m->conn->sasl = m->exchange->sasl;
	if (m->operation == LDAP_EXTENDED_RESPONSE && code == 0 &&
	    m->exchange->start_tls)
		sink_flags(m->sink, MESSAGE_UPGRADE);
}

static void
say_counts(struct ldap_message *m)
{
	const struct ldap_exchange *x = m->exchange;

	if (m->operation != LDAP_SEARCH_DONE && !x->entries && !x->references)
		return;
	attribute_header(m->sink, "entries", "%u", x->entries);
	if (x->references)
		attribute_header(m->sink, "references", "%u", x->references);
}

bool
ldap_response(struct ldap_message *m)
{
	struct reader r = reader_make(m->body);

	/* Said at the end: a message that is truncated takes no more. */
	m->exchange->cut |= m->cut;
	switch (m->operation) {
	case LDAP_SEARCH_ENTRY:
		read_entry(m, &r);
		return false;
	case LDAP_SEARCH_REFERENCE:
		m->exchange->references++;
		if (m->exchange->references <= 64)
			read_references(m, "reference", m->body);
		return false;
	case LDAP_INTERMEDIATE_RESPONSE:
		m->exchange->partial++;
		return false;
	default:
		say_counts(m);
		read_result(m, &r);
		ldap_controls(m);
		if (m->exchange->comma)
			sink_field(m->sink, FIELD_CONTENT_TYPE,
				   bytes_of("application/x-ndjson"));
		if (m->exchange->cut)
			sink_truncated(m->sink);
		return true;
	}
}
