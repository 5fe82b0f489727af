/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer and the readers of the file must agree on. */
#pragma once

#define STORE_APPLICATION_ID 0x61667470 /* "aftp" in the file header */
#define STORE_SCHEMA_VERSION 5
/* Older ones have to be dissected again: their heads have another form. */
#define STORE_SCHEMA_OLDEST 5

/* calls.flags beyond enum call_flag (1_tables.sql, fields.json know it too). */
#define STORE_CALL_OVER_UDP (1 << 24)
#define STORE_CALL_OVER_ICMP (1 << 25)

/* conns.flags */
#define STORE_CONN_MIDSTREAM 1
#define STORE_CONN_GUESSED 2
#define STORE_CONN_ONE_DIRECTION 4

#define STORE_STATE_COUNT 5

/* "open", "closed", …: the name of an enum connection_state, else NULL. */
const char *store_state_name(unsigned state);
