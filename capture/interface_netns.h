/* SPDX-License-Identifier: Apache-2.0 */
/* In which network namespace an interface of a capture is. */
#pragma once

#include "capture/pcapng.h"

/*
 * The network namespace (inode of /proc/PID/ns/net) that the recorder says an
 * interface is in: its description (if_description, among the options of its
 * block) begins "netns:<inode>".  0: not known.
 */
uint64_t interface_netns(struct bytes options, bool big_endian);

/*
 * Whether it is none but a process's plaintext of TLS, whose packets are no
 * part of the connection between the same addresses and ports: its description
 * goes on with " plaintext ".
 */
bool interface_is_plaintext(struct bytes options, bool big_endian);
