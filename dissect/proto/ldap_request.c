/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of LDAP asks for (RFC 4511 §4.2 to §4.12). */
#include "dissect/proto/json_writer.h"
#include "dissect/proto/ldap_parts.h"

/* A name in the field and in the summary. */
#define NAME_SHOWN 300

static void
say_name(struct ldap_message *m, struct bytes name)
{
	struct buf text;

	buf_init(&text, LDAP_TEXT);
	attribute_put_text(&text, bytes_first(name, LDAP_TEXT / 4));
	sink_field(m->sink, FIELD_PATH, buf_view(&text));
	buf_free(&text);
}

static void
say_summary(struct ldap_message *m, const char *more)
{
	struct bytes method = sink_value(m->sink, FIELD_METHOD);
	struct bytes path = sink_value(m->sink, FIELD_PATH);
	struct bytes query = sink_value(m->sink, FIELD_QUERY);

	attribute_field(m->sink, FIELD_SUMMARY, "%.*s \"%.*s\"%s%s%s%.*s",
			(int)method.size, (const char *)method.data,
			(int)bytes_first(path, NAME_SHOWN).size,
			path.size ? (const char *)path.data : "",
			*more ? " " : "", more, query.size ? " " : "",
			(int)bytes_first(query, NAME_SHOWN).size,
			query.size ? (const char *)query.data : "");
}

static void
read_bind(struct ldap_message *m, struct reader *r)
{
	int64_t version = ber_take_integer(r, BER_INTEGER);
	struct bytes name = ber_take(r, BER_OCTETS), mechanism;
	struct ber proof = ber_next(r);
	struct reader sasl;

	attribute_field(m->sink, FIELD_VERSION, "%d", (int)version);
	say_name(m, name);
	if (proof.tag == 0x80) {
		sink_header(m->sink, bytes_of("authentication"),
			    bytes_of(proof.value.size ? "simple"
				     : name.size      ? "unauthenticated"
						      : "anonymous"));
		say_summary(m, proof.value.size ? "simple" : "");
		return;
	}
	if (proof.tag != 0xa3)
		return;
	sasl = reader_make(proof.value);
	mechanism = bytes_first(ber_take(&sasl, BER_OCTETS), 40);
	attribute_header(m->sink, "authentication", "SASL %.*s",
			 (int)mechanism.size, (const char *)mechanism.data);
	m->exchange->sasl = true;
	say_summary(m, "SASL");
}

static void
read_attribute_list(struct ldap_message *m, struct bytes list)
{
	struct reader r = reader_make(list);
	struct buf text;

	buf_init(&text, LDAP_TEXT);
	while (reader_left(&r) && !text.failed) {
		struct bytes name = ber_take(&r, BER_OCTETS);

		if (r.failed)
			break;
		if (text.size)
			buf_u8(&text, ' ');
		attribute_put_text(&text, name);
	}
	if (text.size)
		sink_header(m->sink, bytes_of("attributes"), buf_view(&text));
	buf_free(&text);
}

static void
say_limits(struct ldap_message *m, struct reader *r)
{
	int64_t size = ber_take_integer(r, BER_INTEGER);
	int64_t time = ber_take_integer(r, BER_INTEGER);
	struct bytes types = ber_take(r, BER_BOOLEAN);

	if (size > 0)
		attribute_header(m->sink, "size-limit", "%lld",
				 (long long)size);
	if (time > 0)
		attribute_header(m->sink, "time-limit", "%lld s",
				 (long long)time);
	if (types.size && types.data[0])
		sink_header(m->sink, bytes_of("types-only"), bytes_of("true"));
}

static void
read_search(struct ldap_message *m, struct reader *r)
{
	static const char *const scopes[] = { "base", "one", "sub",
					      "children" };
	static const char *const aliases[] = { "never", "searching", "finding",
					       "always" };
	struct bytes base = ber_take(r, BER_OCTETS);
	int64_t scope = ber_take_integer(r, BER_ENUMERATED);
	int64_t deref = ber_take_integer(r, BER_ENUMERATED);
	const uint8_t *filter;
	struct buf text;

	say_name(m, base);
	if (r->failed || scope < 0 || scope > 3 || deref < 0 || deref > 3) {
		r->failed = true;
		return;
	}
	sink_header(m->sink, bytes_of("scope"), bytes_of(scopes[scope]));
	if (deref)
		sink_header(m->sink, bytes_of("dereference-aliases"),
			    bytes_of(aliases[deref]));
	say_limits(m, r);
	filter = r->at;
	(void)ber_next(r);
	if (r->failed)
		return;
	buf_init(&text, LDAP_TEXT);
	if (!ldap_put_filter(&text, bytes_make(filter,
					       (size_t)(r->at - filter))))
		sink_truncated(m->sink);
	sink_field(m->sink, FIELD_QUERY, buf_view(&text));
	buf_free(&text);
	read_attribute_list(m, ber_take(r, BER_SEQUENCE));
	say_summary(m, scopes[scope]);
}

static void
read_modify(struct ldap_message *m, struct reader *r)
{
	static const char *const kinds[] = { "add", "delete", "replace",
					     "increment" };
	struct bytes name = ber_take(r, BER_OCTETS);
	struct reader changes = reader_make(ber_take(r, BER_SEQUENCE));
	struct json_writer w;

	say_name(m, name);
	json_writer_init(&w, m->sink, false);
	json_writer_open(&w, '[');
	for (unsigned i = 0; i < LDAP_VALUES && reader_left(&changes); i++) {
		struct reader one =
			reader_make(ber_take(&changes, BER_SEQUENCE));
		int64_t kind = ber_take_integer(&one, BER_ENUMERATED);
		struct reader change = reader_make(ber_take(&one,
							    BER_SEQUENCE));
		struct bytes type = ber_take(&change, BER_OCTETS);
		struct bytes values = ber_take(&change, BER_SET);

		if (one.failed || change.failed || kind < 0 || kind > 3) {
			r->failed = true;
			break;
		}
		json_writer_open(&w, '{');
		json_writer_name(&w, bytes_of(kinds[kind]));
		json_writer_string(&w, type);
		json_writer_name(&w, bytes_of("values"));
		ldap_write_values(&w, type, values);
		json_writer_close(&w, '}');
	}
	json_writer_close(&w, ']');
	json_writer_flush(&w);
	sink_field(m->sink, FIELD_CONTENT_TYPE, bytes_of("application/json"));
	r->failed |= changes.failed;
	say_summary(m, "");
}

static void
read_add(struct ldap_message *m, struct reader *r)
{
	struct bytes name = ber_take(r, BER_OCTETS);
	struct bytes attributes = ber_take(r, BER_SEQUENCE);
	struct json_writer w;

	say_name(m, name);
	json_writer_init(&w, m->sink, false);
	json_writer_open(&w, '{');
	ldap_write_attributes(&w, attributes);
	json_writer_close(&w, '}');
	json_writer_flush(&w);
	sink_field(m->sink, FIELD_CONTENT_TYPE, bytes_of("application/json"));
	say_summary(m, "");
}

static void
read_modify_dn(struct ldap_message *m, struct reader *r)
{
	struct bytes name = ber_take(r, BER_OCTETS);
	struct bytes relative = ber_take(r, BER_OCTETS);
	struct bytes erase = ber_take(r, BER_BOOLEAN);

	say_name(m, name);
	ldap_header(m, "new-rdn", relative);
	if (erase.size)
		sink_header(m->sink, bytes_of("delete-old-rdn"),
			    bytes_of(erase.data[0] ? "true" : "false"));
	if (reader_left(r))
		ldap_header(m, "new-superior", ber_take(r, 0x80));
	say_summary(m, "");
}

static void
read_compare(struct ldap_message *m, struct reader *r)
{
	struct bytes name = ber_take(r, BER_OCTETS);
	struct reader one = reader_make(ber_take(r, BER_SEQUENCE));
	struct bytes type = ber_take(&one, BER_OCTETS);
	struct bytes value = ber_take(&one, BER_OCTETS);

	say_name(m, name);
	ldap_header(m, "attribute", type);
	ldap_header(m, "value",
		  ldap_is_secret(type) ? bytes_of("[secret]") : value);
	r->failed |= one.failed;
	say_summary(m, "");
}

static void
read_extended(struct ldap_message *m, struct reader *r)
{
	struct bytes oid = ber_take(r, 0x80);
	struct buf text;

	buf_init(&text, LDAP_TEXT);
	ldap_put_oid(&text, oid);
	sink_field(m->sink, FIELD_PATH, buf_view(&text));
	buf_free(&text);
	ldap_header(m, "oid", oid);
	m->exchange->start_tls = bytes_equal(oid, bytes_of(LDAP_START_TLS));
	say_summary(m, "");
}

static void
read_abandon(struct ldap_message *m)
{
	int64_t id;

	if (!ber_integer(m->body, &id))
		return;
	attribute_field(m->sink, FIELD_PATH, "message %lld", (long long)id);
	say_summary(m, "");
}

void
ldap_request(struct ldap_message *m)
{
	struct reader r = reader_make(m->body);

	switch (m->operation) {
	case LDAP_BIND_REQUEST:
		read_bind(m, &r);
		break;
	case LDAP_SEARCH_REQUEST:
		read_search(m, &r);
		break;
	case LDAP_MODIFY_REQUEST:
		read_modify(m, &r);
		break;
	case LDAP_ADD_REQUEST:
		read_add(m, &r);
		break;
	case LDAP_DELETE_REQUEST:
		say_name(m, m->body);
		say_summary(m, "");
		break;
	case LDAP_MODIFY_DN_REQUEST:
		read_modify_dn(m, &r);
		break;
	case LDAP_COMPARE_REQUEST:
		read_compare(m, &r);
		break;
	case LDAP_EXTENDED_REQUEST:
		read_extended(m, &r);
		break;
	case LDAP_ABANDON_REQUEST:
		read_abandon(m);
		break;
	default:
		break;
	}
	if (r.failed && !m->cut)
		sink_field(m->sink, FIELD_ERROR,
			   bytes_of("the request is malformed"));
	if (m->cut)
		sink_truncated(m->sink);
	ldap_controls(m);
}
