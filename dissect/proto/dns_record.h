/* SPDX-License-Identifier: Apache-2.0 */
/* DNS types, classes and record data in presentation form. */
#pragma once

#include "base/buf.h"
#include "base/reader.h"

enum { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_OPT = 41 };

#define DNS_MNEMONIC 24 /* room for any of the names below */

/* "A", "HTTPS" …, "TYPE65280" (RFC 3597). */
const char *dns_type_name(uint16_t type, char out[DNS_MNEMONIC]);
bool dns_type_known(uint16_t type);

/* "IN", "CH" …, "CLASS42". */
const char *dns_class_name(uint16_t class, char out[DNS_MNEMONIC]);

/* "NOERROR", "NXDOMAIN" …, "RCODE42". */
const char *dns_rcode_name(uint16_t rcode, char out[DNS_MNEMONIC]);

/* "QUERY", "NOTIFY" …, "OPCODE9". */
const char *dns_opcode_name(uint8_t opcode, char out[DNS_MNEMONIC]);

/*
 * Appends the data of a record: presentation form where the type is known and
 * the data well-formed, else "\# size hex" (RFC 3597 §5).  `data` lies in
 * `message`, where its names may point to.  False for malformed data.
 */
bool dns_record_data(struct buf *out, uint16_t type, struct bytes data,
		     struct bytes message);

/* Appends one EDNS option, "NSID 6770…" (RFC 6891 §6.1.2). */
void dns_edns_option(struct buf *out, uint16_t code, struct bytes data);
