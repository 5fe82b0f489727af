/* SPDX-License-Identifier: Apache-2.0 */
/* What a statement of SQL is about, told from its first words. */
#pragma once

#include "base/bytes.h"

#define SQL_METHOD_SIZE 24
#define SQL_TABLE_SIZE 128
#define SQL_SUMMARY_SIZE 200

struct sql_text {
	char method[SQL_METHOD_SIZE + 1]; /* SELECT, INSERT, BEGIN …; "" */
	char table[SQL_TABLE_SIZE + 1];   /* the first that it names; "" */
	bool copies_in;                   /* COPY … FROM STDIN */
};

/* Reads the beginning of `sql`; never fails. */
void sql_text_read(struct bytes sql, struct sql_text *text);

/* `sql` on one line, cut; returns its size (at most SQL_SUMMARY_SIZE). */
size_t sql_text_summary(struct bytes sql, char out[SQL_SUMMARY_SIZE]);
