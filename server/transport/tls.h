/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 and 1.3 for the loop: OpenSSL between two memory buffers, which
 * touches no socket. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_context; /* certificate and key */
struct tls;         /* one connection */

/* From PEM files: the certificate with its chain, and its key. */
struct tls_context *tls_context_new(const char *certificate, const char *key,
				    struct error *e);

/* NULL is allowed. */
void tls_context_free(struct tls_context *context);

/* The server's side of a new connection; the context outlives it. */
struct tls *tls_new(struct tls_context *context);

/* NULL is allowed. */
void tls_free(struct tls *t);

/* Bytes off the wire; `take` gets what they say, in pieces.  False when the
 * client broke the protocol, or does not get past the handshake. */
bool tls_feed(struct tls *t, struct bytes in,
	      void (*take)(void *context, struct bytes plain), void *context);

/* Seals all of `plain` (which stays the caller's) and appends what is to go
 * on the wire, also of handshakes, to `out`.  False: broken. */
bool tls_seal(struct tls *t, const struct buf *plain, struct buf *out);

/* What says that nothing more comes (close_notify), or why it failed (an
 * alert), appended to `out`; once, at the end.  False: nothing can be said. */
bool tls_end(struct tls *t, struct buf *out);
