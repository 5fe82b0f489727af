/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the ICMP dissector, shared by its files only. */
#pragma once

#include "base/reader.h"
#include "dissect/proto/attribute.h"

/* Records of one message that are listed. */
#define ICMP_RECORDS 256

struct icmp_message {
	bool v6;
	uint8_t type, code;
	struct bytes all;    /* from the type on */
	struct bytes rest;   /* behind the first four bytes */
	struct sink *sink;
	struct buf text;     /* room for a value */
};

/* A neighbour advertisement that answers; not one of its own accord. */
bool icmp_is_solicited(const struct icmp_message *m);

/* Router discovery, neighbours and multicast listeners; what the message says
 * goes into headers and the path.  icmp_neighbour.c */
void icmp_neighbour(struct icmp_message *m);
