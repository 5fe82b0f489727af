/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece of plaintext as a packet of a raw stream: a record of
 * capture/source/raw_record.h with an IPv4 or IPv6 and a TCP header.
 *
 * Differs from what a source gives: the time is UTC, `cgroup` is the inode of
 * the network namespace, and `ifindex` is RAW_PLAINTEXT with the number of the
 * process, whose view it is.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "capture/keys/plaintext_event.h"

/* Appends the packet of an event and its data; sequence numbers count bytes of
 * plaintext, so that what is missing is a hole. */
void plaintext_packet(struct buf *out, const struct plaintext_event *event,
		      struct bytes data, int64_t time_ns);
