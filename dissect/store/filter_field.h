/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of the filter language: schema/fields.json as a table. */
#pragma once

#include <stdbool.h>

#include "dissect/store/filter.h"

enum filter_type {
	FILTER_TYPE_NONE, /* an alias, or unsupported */
	FILTER_TYPE_BOOL,
	FILTER_TYPE_INT,
	FILTER_TYPE_DOUBLE,
	FILTER_TYPE_STRING,
	FILTER_TYPE_IP,       /* a string that also knows networks */
	FILTER_TYPE_PROTOCOL, /* a string out of those `protocol` fields name */
	FILTER_TYPE_TIMESTAMP,
	FILTER_TYPE_DURATION,
	FILTER_TYPE_LIST,     /* of at most one string */
	FILTER_TYPE_MAP,      /* of strings */
};

/* Every member but name may be NULL or 0. */
struct filter_field {
	const char *name;
	enum filter_type type;
	unsigned subjects;    /* 1 << enum filter_subject */
	bool nocase;          /* compared without regard to case */
	bool protocol;        /* a flag that names a protocol */
	/* An expression over alias c that is never NULL; of a map, `$` stands
	 * for the key and NULL for a key that is not there. */
	const char *sql;
	/* "table.column": `sql` is an id there, and the text is the value. */
	const char *lookup;
	/* What a zone (alias z) has at least and at most, and for a bool
	 * whether a zone can have it at all.  Bit n % 63 of `mask`: it may have
	 * the value n. */
	const char *min, *max, *zone, *mask;
	const char *present;  /* when it is not absent; NULL: by its value */
	const char *words;    /* the only values, blank separated */
	const char *alias;    /* the name to use instead */
	const char *unsupported; /* why, and what to write instead */
	const char *doc;
};

extern const struct filter_field filter_field_table[];
extern const char *const filter_call_fields[];
extern const char *const filter_connection_fields[];

/*
 * The field of that name, aliases followed.  For calls also the facts of
 * their connection: `*of_connection` says that `sql` is about conns.  The
 * result may be one that is `unsupported`; NULL: no such field.
 */
const struct filter_field *filter_field_find(enum filter_subject subject,
					     const char *name,
					     bool *of_connection);

/* The nearest name of a field of that subject, or NULL. */
const char *filter_field_nearest(enum filter_subject subject,
				 const char *name);

/*
 * Appends the value of a field (not of a map) as SQL over alias c: its text
 * where it has a lookup, else `sql`; of the call's connection when
 * `of_connection`.
 */
void filter_field_value(struct buf *out, const struct filter_field *field,
			bool of_connection);

/* The same without the lookup: the id where there is one. */
void filter_field_raw(struct buf *out, const struct filter_field *field,
		      bool of_connection);

/* "table" and "column" of a lookup, into buffers of 32 bytes. */
void filter_field_lookup(const struct filter_field *field, char table[32],
			 char column[32]);
