/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and sockets to test with. */
#pragma once

#include <stdint.h>

#include "capture/identity/identity_block.h"
#include "capture/identity/identity_table.h"

/* A live process; strings are static. */
struct identity_process sample_process(uint64_t id, uint32_t pid,
				       const char *name);

/* A TCP socket on IPv4; remote_port 0: a listener. */
struct identity_socket sample_socket(uint64_t cookie, uint64_t process,
				     uint16_t local_port,
				     uint16_t remote_port);

/* The end of a packet of such a socket. */
struct identity_end sample_end(uint64_t cookie, uint16_t local_port,
			       uint16_t remote_port);

/* The address of all samples: ::ffff:10.0.0.<last>. */
void sample_address(uint8_t address[16], uint8_t last);
