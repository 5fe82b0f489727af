/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer and the process of naming.h have in common. */
#pragma once

#include "dissect/job/descriptor_list.h"
#include "dissect/job/job_options.h"

/* Frames of either side beside EVENT_BLOCK and EVENT_FAULT. */
enum naming_frame {
	/* Asks for calls behind an id (varint); answered with id (varint),
	 * method and payload (strings) of some, or of none at the end, behind
	 * which nothing may be asked. */
	NAMING_CALLS = 64,
	/* Asks for a block (varint); answered with its raw size (varint; 0:
	 * there is none) and its bytes. */
	NAMING_BLOCK,
	/* A call (varint) and the references of its messages, for each side
	 * size, block and offset (varints); size 0: as they are. */
	NAMING_NAMED,
	/* Everything was said. */
	NAMING_DONE,
};

/* All that the process is given; copied by fork. */
struct naming_setup {
	const struct job_options *options;
	const struct descriptor_list *list;
	unsigned group;
	struct bytes given;     /* a FileDescriptorSet: its methods are named
				 * already; empty: none */
	uint64_t first_block;   /* ids of new blocks begin here */
	uint64_t receive_limit; /* bytes that may come of it */
};
