/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells implementations apart.  JA3 and JA3S: MD5 of version, ciphers,
 * extensions, groups and point formats in decimal (salesforce/ja3).  JA4: a
 * readable part and two truncated SHA-256 of sorted ciphers and extensions
 * (FoxIO, technical_details/JA4.md).  GREASE values do not count.
 */
#pragma once

#include "dissect/tls/hello.h"

#define FINGERPRINT_JA3_SIZE 33
#define FINGERPRINT_JA4_SIZE 37

/* MD5 as hexadecimal digits; empty where libcrypto has none. */
void fingerprint_md5(struct bytes text, char out[FINGERPRINT_JA3_SIZE]);

/* JA3 of a ClientHello, JA3S of a ServerHello: hexadecimal digits. */
void fingerprint_ja3(const struct hello *hello,
		     char out[FINGERPRINT_JA3_SIZE]);

/* JA4 of a ClientHello; `carrier` is 't' for TCP, 'q' for QUIC. */
void fingerprint_ja4(const struct hello *hello, char carrier,
		     char out[FINGERPRINT_JA4_SIZE]);
