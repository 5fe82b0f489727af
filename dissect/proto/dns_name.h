/* SPDX-License-Identifier: Apache-2.0 */
/* Domain names on the wire (RFC 1035 §3.1, §4.1.4). */
#pragma once

#include "base/buf.h"
#include "base/reader.h"

/* 253 characters at most, each escaped to four in the worst case. */
#define DNS_NAME_TEXT 1024

/*
 * Reads a name at `r`, which reads in `message`, and appends its presentation
 * form (RFC 1035 §5.1) without the final dot, "." for the root; `out` may be
 * NULL.  Compression pointers must point backwards, so that there are no
 * loops.  On malformed names `r` fails.
 */
void dns_name(struct reader *r, struct bytes message, struct buf *out);
