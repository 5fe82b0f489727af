/* SPDX-License-Identifier: Apache-2.0 */
/* Field sections of HTTP/3: QPACK (RFC 9204) by libnghttp3. */
#pragma once

#include "base/buf.h"
#include "dissect/proto/http_fields.h"

/* Dynamic tables are followed up to this capacity; a peer that allows a larger
 * one has its references marked as unknown. */
#define HTTP3_TABLE_LIMIT 65536

/* What one side's sections refer to; one of capacity 0 has no dynamic table. */
struct http3_qpack;

/* `capacity` is what the other side allows in its SETTINGS.  `*memory` counts
 * the bytes it holds until http3_qpack_free (NULL allowed). */
struct http3_qpack *http3_qpack_new(uint64_t capacity, size_t *memory);
void http3_qpack_free(struct http3_qpack *q);

/* What the side's encoder stream carries next; false: it is none, and the table
 * is not known from here on. */
bool http3_qpack_instruct(struct http3_qpack *q, struct bytes in);

enum http3_section {
	HTTP3_SECTION_READ,
	HTTP3_SECTION_WAITS, /* for the encoder stream */
	HTTP3_SECTION_BAD,   /* not QPACK, or beyond limits */
};

/* Whether a whole section refers to the dynamic table. */
bool http3_qpack_refers(struct bytes section);

/* Reads a whole section of this stream; its fields go to the sink when `emit`.
 * What could be read before it turned out to be bad was said. */
enum http3_section http3_qpack_read(struct http3_qpack *q, uint64_t stream,
				    struct bytes section, bool emit,
				    struct http_fields *fields,
				    struct sink *sink);

/* How many entries were ever added; how many there have to be for the last
 * section that waits. */
uint64_t http3_qpack_count(const struct http3_qpack *q);
uint64_t http3_qpack_needed(const struct http3_qpack *q);

/* The section with HTTP_FIELDS_UNKNOWN in the place of all that refers to the
 * dynamic table, for a decoder of capacity 0; appended to `out`, which fails
 * when it is none. */
void http3_qpack_unknown(struct bytes section, struct buf *out);
