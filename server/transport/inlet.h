/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a descriptor of any kind in the loop, without ever blocking it. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "server/transport/descriptor.h"

#define INLET_CHUNK 65536

struct inlet {
	struct descriptor stream;
	uv_loop_t *loop;
	uv_fs_t request;     /* of a file, while `reading` */
	bool reading;
	bool paused;
	bool ended;          /* `end` was called */
	void (*data)(void *context, struct bytes data);
	void (*end)(void *context); /* end of file, or an error */
	void *context;
	char chunk[INLET_CHUNK];
};

/* Starts reading.  A descriptor that can't be read ends at once. */
void inlet_start(struct inlet *in, uv_loop_t *loop, uv_file fd,
		 void (*data)(void *context, struct bytes data),
		 void (*end)(void *context), void *context);

/* While paused, nothing is read; what the kernel holds waits. */
void inlet_pause(struct inlet *in, bool paused);

/* Reads nothing more, calls nothing more. */
void inlet_stop(struct inlet *in);

/* Closes; the memory stays in use until the loop has nothing left to run. */
void inlet_close(struct inlet *in);
