/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interfaces of a capture, in the order in which they were first met, so
 * that an interface has the same number in every segment; interfaces.json of
 * the capture's directory.  One is a namespace, an index in it and what its
 * packets begin with.
 *
 * A number is given to another interface only when no segment is left of those
 * that had packets of the first, so no snapshot can hold both.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

#define INTERFACE_NAME_SIZE 32
/* What PCAPNG_INTERFACES_MAX leaves room for; later ones share the last. */
#define INTERFACES_MAX 65000u

struct interface_key {
	uint64_t netns; /* cookie; 0: unknown */
	uint32_t ifindex;
	uint32_t link_type;
};

struct interface {
	struct interface_key key;
	uint64_t inode; /* of the namespace; 0: unknown */
	char name[INTERFACE_NAME_SIZE]; /* empty: unknown */
	uint32_t last; /* no segment after this one has it, for now */
};

struct interfaces;

/* Reads the file; one that is not there or damaged gives an empty list.
 * `segment` is about to be sealed, and `oldest` is the first of those that are
 * left: numbers that were last used before it are free. */
struct interfaces *interfaces_load(const char *path, uint32_t segment,
				   uint32_t oldest);
void interfaces_free(struct interfaces *i);

/* Writes the file, if anything is new. */
int interfaces_save(struct interfaces *i, const char *path, struct error *e);

/* The number of an interface, which is added when it is new; the segment has
 * it. */
uint32_t interfaces_number(struct interfaces *i, struct interface_key key);

/* Notes what is learned of one; NULL and 0 are nothing. */
void interfaces_note(struct interfaces *i, uint32_t number, const char *name,
		     uint64_t inode);

/* Notes names from a source's description ("interfaces" of source.h). */
void interfaces_describe(struct interfaces *i, json_t *described);

/* How many, and one of them (borrowed until the next is added). */
size_t interfaces_count(const struct interfaces *i);
const struct interface *interfaces_at(const struct interfaces *i, size_t at);
