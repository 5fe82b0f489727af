/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the interfaces in every network namespace of the node, for sources
 * that see them all.  They are read from the namespaces of ip-netns(8) and of
 * the running processes, when a place turns up that has no name yet.
 */
#pragma once

#include <net/if.h>
#include <stdint.h>

#include <jansson.h>

#define PLACE_NAMES_MAX 65536u
#define NAMESPACES_MAX 4096u

struct place_name {
	char interface[IF_NAMESIZE];
	char netns[64]; /* its ip-netns(8) name, or net:[inode] */
	uint16_t hardware; /* ARPHRD_* */
	uint64_t inode;    /* of the namespace */
};

struct place_names;

/* Knows nothing yet; free with place_names_free (NULL allowed). */
struct place_names *place_names_new(void);
void place_names_free(struct place_names *n);

/* Looks at all namespaces again and forgets those that are gone.  Those that
 * cannot be entered are left as they were; returns how many. */
unsigned place_names_refresh(struct place_names *n);

/* NULL when it is not known. */
const struct place_name *place_names_find(const struct place_names *n,
					  uint64_t netns, uint32_t ifindex);
