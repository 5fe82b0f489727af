/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts (RFC 8446 §6, RFC 5246 §7.2; IANA "TLS Alerts"). */
#pragma once

#include <stdint.h>

#define ALERT_CLOSE_NOTIFY 0
#define ALERT_USER_CANCELED 90
#define ALERT_NO_RENEGOTIATION 100

/* "handshake_failure"; NULL when it is none that is known. */
const char *alert_name(uint8_t code);

/* What it most likely means to who reads it; NULL when the name says all. */
const char *alert_meaning(uint8_t code);
