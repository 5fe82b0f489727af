/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the LDAP dissector, shared by its files only. */
#pragma once

#include "dissect/proto/attribute.h"
#include "dissect/proto/ber.h"

/* Tags of protocolOp (RFC 4511 §4.2 and on). */
enum ldap_operation {
	LDAP_BIND_REQUEST = 0x60,
	LDAP_BIND_RESPONSE = 0x61,
	LDAP_UNBIND_REQUEST = 0x42,
	LDAP_SEARCH_REQUEST = 0x63,
	LDAP_SEARCH_ENTRY = 0x64,
	LDAP_SEARCH_DONE = 0x65,
	LDAP_SEARCH_REFERENCE = 0x73,
	LDAP_MODIFY_REQUEST = 0x66,
	LDAP_MODIFY_RESPONSE = 0x67,
	LDAP_ADD_REQUEST = 0x68,
	LDAP_ADD_RESPONSE = 0x69,
	LDAP_DELETE_REQUEST = 0x4a,
	LDAP_DELETE_RESPONSE = 0x6b,
	LDAP_MODIFY_DN_REQUEST = 0x6c,
	LDAP_MODIFY_DN_RESPONSE = 0x6d,
	LDAP_COMPARE_REQUEST = 0x6e,
	LDAP_COMPARE_RESPONSE = 0x6f,
	LDAP_ABANDON_REQUEST = 0x50,
	LDAP_EXTENDED_REQUEST = 0x77,
	LDAP_EXTENDED_RESPONSE = 0x78,
	LDAP_INTERMEDIATE_RESPONSE = 0x79,
};

#define LDAP_CONTROLS 0xa0
#define LDAP_START_TLS "1.3.6.1.4.1.1466.20037"

/* Text that is made of one filter or value; more is cut and said so. */
#define LDAP_TEXT (16u << 10)
/* Values of one entry or modification that are shown. */
#define LDAP_VALUES 4096

/* What is known of the answers to one request. */
struct ldap_exchange {
	uint32_t entries, references, partial;
	uint32_t holes;  /* of the server before the request */
	bool cut;        /* an answer was not read to its end */
	bool comma;      /* the JSON of the answer has an entry */
	bool start_tls;  /* it asks for TLS */
	bool sasl;       /* a bind by a mechanism */
};

struct ldap_conn {
	uint32_t holes;   /* of the server so far */
	uint64_t left[2]; /* octets of a message that are passed over */
	bool sasl;        /* bound by a mechanism, which may wrap messages */
};

/* A message, of which the end may not be here (`cut`). */
struct ldap_message {
	struct ldap_conn *conn;
	struct ldap_exchange *exchange;
	struct sink *sink;
	int64_t id;
	uint8_t operation;
	struct bytes body;     /* of the operation */
	struct bytes controls;
	size_t size;           /* of all of it */
	bool cut;
};

/* ldap_names.c: "noSuchObject", NULL when it has no name. */
const char *ldap_result_name(int64_t code);
/* "StartTLS", or the OID itself. */
void ldap_put_oid(struct buf *out, struct bytes oid);
/* The method of an operation, NULL when there is none of that tag. */
const char *ldap_method(uint8_t operation);
/* A value of this attribute must not be shown. */
bool ldap_is_secret(struct bytes attribute);

/* ldap_filter.c: a search filter as RFC 4515 writes it; false when it is
 * malformed or too deep, which then ends in "?". */
bool ldap_put_filter(struct buf *out, struct bytes filter);

/* ldap_entry.c: attributes with their values as members of the body's JSON. */
struct json_writer;
void ldap_write_attributes(struct json_writer *w, struct bytes attributes);
/* One attribute's values, an array. */
void ldap_write_values(struct json_writer *w, struct bytes attribute,
		       struct bytes values);

/* ldap_request.c: what a request says, in a message that has begun. */
void ldap_request(struct ldap_message *m);
/* ldap_response.c: the same; true when nothing more answers the request. */
bool ldap_response(struct ldap_message *m);
/* A header whose value is text, or else hex. */
void ldap_header(const struct ldap_message *m, const char *name,
		 struct bytes value);
/* The controls of either. */
void ldap_controls(const struct ldap_message *m);
