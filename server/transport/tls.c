/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/tls.h"

#include <limits.h>
#include <stdlib.h>

/* <openssl/types.h> has a type of that name, base/err.h a code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/err.h>
#include <openssl/ssl.h>
#undef ERR_STATE

#include "base/alloc.h"

#define PIECE 8192 /* bytes handed to OpenSSL at once */

struct tls_context {
	SSL_CTX *ssl;
};

struct tls {
	SSL *ssl;
	BIO *in, *out; /* owned by `ssl` */
	bool failed;   /* nothing more can be done with it but end it */
};

static int
fail(struct error *e, const char *what, const char *path)
{
	char why[160];
	unsigned long code = ERR_get_error();

	ERR_error_string_n(code, why, sizeof(why));
	ERR_clear_error();
	return error_set(e, ERR_INVALID, "%s%s%s: %s", what, path ? " " : "",
			 path ? path : "", why);
}

static int
load(SSL_CTX *ssl, const char *certificate, const char *key, struct error *e)
{
	if (SSL_CTX_use_certificate_chain_file(ssl, certificate) != 1)
		return fail(e, "cannot use the certificate", certificate);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
		return fail(e, "cannot use the key", key);
	if (SSL_CTX_check_private_key(ssl) != 1)
		return fail(e, "certificate and key do not belong together",
			    NULL);
	return 0;
}

struct tls_context *
tls_context_new(const char *certificate, const char *key, struct error *e)
{
	struct tls_context *context = alloc_zero(1, sizeof(*context));

	context->ssl = SSL_CTX_new(TLS_server_method());
	if (!context->ssl) {
		fail(e, "no TLS", NULL);
		free(context);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION |
						  SSL_OP_NO_COMPRESSION |
						  SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS);
	if (load(context->ssl, certificate, key, e) < 0) {
		tls_context_free(context);
		return NULL;
	}
	return context;
}

void
tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ssl);
	free(context);
}

struct tls *
tls_new(struct tls_context *context)
{
	struct tls *t = alloc_zero(1, sizeof(*t));

	t->ssl = SSL_new(context->ssl);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out)
		abort();
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_accept_state(t->ssl);
	return t;
}

void
tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t);
}

bool
tls_feed(struct tls *t, struct bytes in,
	 void (*take)(void *context, struct bytes plain), void *context)
{
	char plain[PIECE];
	int n;

	ERR_clear_error();
	if (in.size > INT_MAX ||
	    BIO_write(t->in, in.data, (int)in.size) != (int)in.size)
		return false;
	while ((n = SSL_read(t->ssl, plain, sizeof(plain))) > 0)
		take(context, bytes_make(plain, (size_t)n));
	switch (SSL_get_error(t->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
	case SSL_ERROR_ZERO_RETURN:
		return true;
	default:
		t->failed = true;
		return false;
	}
}

static bool
drain(struct tls *t, struct buf *out)
{
	size_t waiting = BIO_ctrl_pending(t->out);
	uint8_t *to = waiting ? buf_reserve(out, waiting) : NULL;
	int n;

	if (waiting == 0)
		return true;
	n = to ? BIO_read(t->out, to, (int)waiting) : -1;
	if (n < 0)
		return false;
	out->size += (size_t)n;
	return true;
}

bool
tls_seal(struct tls *t, const struct buf *plain, struct buf *out)
{
	struct bytes left = buf_view(plain);

	ERR_clear_error();
	while (left.size > 0) {
		struct bytes piece = bytes_first(left, PIECE);
		int n = SSL_write(t->ssl, piece.data, (int)piece.size);

		if (n <= 0)
			return false;
		left = bytes_from(left, (size_t)n);
	}
	return drain(t, out);
}

/* After a failure OpenSSL has its alert ready and must not be asked for
 * more (SSL_shutdown(3)). */
bool
tls_end(struct tls *t, struct buf *out)
{
	ERR_clear_error();
	if (SSL_is_init_finished(t->ssl) && !t->failed)
		SSL_shutdown(t->ssl);
	return drain(t, out);
}
