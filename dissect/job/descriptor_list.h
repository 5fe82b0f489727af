/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers of gRPC said of their types while they were captured: the
 * FileDescriptorProtos of their reflection, each content once, and who gave
 * it.  Nothing here looks into them.
 *
 * Two servers may give files of one name that differ.  Such a file is used for
 * the calls of those who gave it, and any other for all calls.  So there is a
 * group of all servers, number 0, and one for each server with such a file.
 */
#pragma once

#include "dissect/application/descriptors.h"
#include "dissect/descriptor_event.h"

#define DESCRIPTOR_LIST_FILES   4096
#define DESCRIPTOR_LIST_BYTES   (4u << 20)
#define DESCRIPTOR_LIST_ANSWERS 65536
/* Servers beyond these have the files that nobody contradicts. */
#define DESCRIPTOR_LIST_SERVERS 16

struct descriptor_list;

/* Owned by the caller; NULL is allowed to free. */
struct descriptor_list *descriptor_list_new(void);
void descriptor_list_free(struct descriptor_list *l);

/* Keeps a copy, unless there is no room for more. */
void descriptor_list_add(struct descriptor_list *l,
			 const struct descriptor_event *event);

/* How much there was no room for. */
uint64_t descriptor_list_left_out(const struct descriptor_list *l);

/* How many groups there are: 0 when there are no files.  Call it after the
 * last add, before what follows. */
unsigned descriptor_list_groups(struct descriptor_list *l);

/* The group whose files are for the calls of a server. */
unsigned descriptor_list_group_of(const struct descriptor_list *l,
				  const uint8_t ip[16], uint16_t port);

/* Adds the files of a group, without linking.  Of those that one server gave
 * under one name it is the last one.  What is none is passed over. */
void descriptor_list_give(const struct descriptor_list *l, unsigned group,
			  struct descriptors *out);
