/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a parser's frames to the store.  A parser may only speak of its own:
 * connections and blocks of its shard, blocks in order, payload in blocks that
 * it has sent, and nothing once it is done.
 */
#pragma once

#include "base/frame.h"
#include "dissect/job/descriptor_list.h"
#include "dissect/job/parser.h"
#include "dissect/store/store_writer.h"

/*
 * Takes one frame.  ERR_CORRUPT: the parser sent what it may not, and the
 * store is as before; other errors are the store's and final.  A parser that
 * gives up is failed with its own words.
 */
int intake_frame(struct store_writer *store,
		 struct descriptor_list *descriptors, struct parser *p,
		 const struct frame *frame);
