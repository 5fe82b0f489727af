/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/alert.h"

#include <stddef.h>

struct alert {
	uint8_t code;
	const char *name;
	const char *meaning;
};

static const struct alert alerts[] = {
	{ 0, "close_notify", NULL },
	{ 10, "unexpected_message", NULL },
	{ 20, "bad_record_mac", "a record did not authenticate" },
	{ 21, "decryption_failed", NULL },
	{ 22, "record_overflow", NULL },
	{ 30, "decompression_failure", NULL },
	{ 40, "handshake_failure",
	  "no cipher, group or signature algorithm in common" },
	{ 41, "no_certificate", NULL },
	{ 42, "bad_certificate", "the certificate is not valid" },
	{ 43, "unsupported_certificate", NULL },
	{ 44, "certificate_revoked", NULL },
	{ 45, "certificate_expired", NULL },
	{ 46, "certificate_unknown", "the certificate was not accepted" },
	{ 47, "illegal_parameter", NULL },
	{ 48, "unknown_ca", "the certificate's issuer is not trusted" },
	{ 49, "access_denied", NULL },
	{ 50, "decode_error", NULL },
	{ 51, "decrypt_error", "a signature or Finished did not verify" },
	{ 60, "export_restriction", NULL },
	{ 70, "protocol_version", "no version of TLS in common" },
	{ 71, "insufficient_security", NULL },
	{ 80, "internal_error", NULL },
	{ 86, "inappropriate_fallback", NULL },
	{ 90, "user_canceled", NULL },
	{ 100, "no_renegotiation", NULL },
	{ 109, "missing_extension", NULL },
	{ 110, "unsupported_extension", NULL },
	{ 111, "certificate_unobtainable", NULL },
	{ 112, "unrecognized_name", "the server does not serve this name" },
	{ 113, "bad_certificate_status_response", NULL },
	{ 114, "bad_certificate_hash_value", NULL },
	{ 115, "unknown_psk_identity", NULL },
	{ 116, "certificate_required",
	  "the client sent no certificate and must" },
	{ 120, "no_application_protocol", "no ALPN protocol in common" },
	{ 121, "ech_required", NULL },
};

static const struct alert *
find(uint8_t code)
{
	for (size_t i = 0; i < sizeof(alerts) / sizeof(*alerts); i++)
		if (alerts[i].code == code)
			return &alerts[i];
	return NULL;
}

const char *
alert_name(uint8_t code)
{
	const struct alert *alert = find(code);

	return alert ? alert->name : NULL;
}

const char *
alert_meaning(uint8_t code)
{
	const struct alert *alert = find(code);

	return alert ? alert->meaning : NULL;
}
