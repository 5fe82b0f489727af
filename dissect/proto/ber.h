/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic Encoding Rules (ITU-T X.690), as far as LDAP and SNMP use them: tags of
 * one octet, definite lengths of at most 2^32 - 1.  Nothing here recurses; how
 * deep to go is the caller's to limit (BER_DEPTH).
 */
#pragma once

#include "base/buf.h"
#include "base/reader.h"
#include "dissect/dissector.h"

/* Elements within elements that anybody has reason for. */
#define BER_DEPTH 32

enum ber_tag {
	BER_BOOLEAN = 0x01,
	BER_INTEGER = 0x02,
	BER_OCTETS = 0x04,
	BER_NULL = 0x05,
	BER_OID = 0x06,
	BER_ENUMERATED = 0x0a,
	BER_SEQUENCE = 0x30,
	BER_SET = 0x31,
};

struct ber {
	uint8_t tag;         /* with class and form */
	struct bytes value;
};

/* The head of an element: its tag, and how many octets the head and what is
 * behind it are.  MAYBE: there is more of the head to come. */
enum verdict ber_head(struct bytes in, uint8_t *tag, size_t *head,
		      size_t *length);

/* The next element; the reader fails, and it is empty with tag 0, when there is
 * none or it is not whole. */
struct ber ber_next(struct reader *r);

/* The same, of which only the front may be there (`*whole`). */
struct ber ber_next_cut(struct reader *r, bool *whole);

/* The next element, which must have this tag; else the reader fails. */
struct bytes ber_take(struct reader *r, uint8_t tag);

/* The value of an INTEGER or ENUMERATED of 1 to 8 octets; else fails. */
bool ber_integer(struct bytes value, int64_t *out);

/* An INTEGER of that tag; the reader fails when it is none. */
int64_t ber_take_integer(struct reader *r, uint8_t tag);

/* "1.3.6.1.2.1.1.1.0"; what is malformed ends in "?". */
void ber_put_oid(struct buf *out, struct bytes value);
