/* SPDX-License-Identifier: Apache-2.0 */
/* Key logs as SSLKEYLOGFILE makes them (draft-ietf-tls-keylogfile). */
#pragma once

#include "capture/secrets.h"

/* A longer file is refused. */
#define KEY_LOG_FILE_MAX ((uint64_t)64 << 20)

/*
 * Calls `visit` for every line that has a label of capture/secrets.h; others,
 * comments and what is no key log at all are passed over.  The secrets have
 * random, label, value and `time_ns`.  Returns 0 or what the visitor returned.
 */
int key_log_visit(struct bytes text, int64_t time_ns, secrets_visitor *visit,
		  void *context);

/* The same of a file; NOTFOUND, IO, LIMIT, or INVALID when it has no line of a
 * key log.  The text is wiped. */
int key_log_visit_file(const char *path, int64_t time_ns,
		       secrets_visitor *visit, void *context,
		       struct error *e);

/* The key log within a Decryption Secrets Block (draft-ietf-opsawg-pcapng
 * §4.7), empty when it holds other secrets. */
struct bytes key_log_of_block(struct bytes body, bool big_endian);
