/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/hash.h"

#define TEXT_MAX 4096
#define NAMES_MAX 100

static void
read_name(const X509_NAME *name, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long size;

	if (!bio)
		return;
	X509_NAME_print_ex(bio, name, 0,
			   XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	size = BIO_get_mem_data(bio, &text);
	if (size > 0)
		buf_bytes(out, bytes_first(bytes_make(text, (size_t)size),
					   TEXT_MAX));
	BIO_free(bio);
}

static void
read_time(const ASN1_TIME *time, char out[24])
{
	struct tm parts = { 0 };

	out[0] = '\0';
	if (ASN1_TIME_to_tm(time, &parts) == 1)
		strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void
read_serial(const X509 *x, struct buf *out)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	const uint8_t *data = ASN1_STRING_get0_data(serial);
	int size = ASN1_STRING_length(serial);

	for (int i = 0; i < size && i < 64; i++)
		buf_format(out, "%02x", data[i]);
}

static void
read_alternative(const GENERAL_NAME *name, struct buf *out)
{
	char ip[INET6_ADDRSTRLEN];
	const ASN1_STRING *text;
	int size;

	if (name->type != GEN_DNS && name->type != GEN_IPADD &&
	    name->type != GEN_URI && name->type != GEN_EMAIL)
		return;
	text = name->d.ia5;
	size = ASN1_STRING_length(text);
	if (out->size)
		buf_text(out, ", ");
	if (name->type != GEN_IPADD)
		buf_append(out, ASN1_STRING_get0_data(text), (size_t)size);
	else if ((size == 4 || size == 16) &&
		 inet_ntop(size == 4 ? AF_INET : AF_INET6,
			   ASN1_STRING_get0_data(text), ip, sizeof(ip)))
		buf_text(out, ip);
}

static void
read_alternatives(const X509 *x, struct buf *out)
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;

	for (int i = 0; i < count && i < NAMES_MAX; i++)
		read_alternative(sk_GENERAL_NAME_value(names, i), out);
	GENERAL_NAMES_free(names);
}

bool
certificate_read(struct bytes der, struct certificate *out)
{
	const unsigned char *at = der.data;
	X509 *x;

	if (!der.size || der.size > CERTIFICATE_SIZE_MAX)
		return false;
	x = d2i_X509(NULL, &at, (long)der.size);
	if (!x) {
		ERR_clear_error();
		return false;
	}
	buf_init(&out->subject, TEXT_MAX);
	buf_init(&out->issuer, TEXT_MAX);
	buf_init(&out->names, TEXT_MAX);
	buf_init(&out->serial, TEXT_MAX);
	read_name(X509_get_subject_name(x), &out->subject);
	read_name(X509_get_issuer_name(x), &out->issuer);
	read_alternatives(x, &out->names);
	read_time(X509_get0_notBefore(x), out->not_before);
	read_time(X509_get0_notAfter(x), out->not_after);
	read_serial(x, &out->serial);
	hash_sha256(der, out->fingerprint);
	X509_free(x);
	ERR_clear_error();
	return true;
}

void
certificate_free(struct certificate *c)
{
	buf_free(&c->subject);
	buf_free(&c->issuer);
	buf_free(&c->names);
	buf_free(&c->serial);
}
