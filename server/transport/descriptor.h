/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor of any kind as a libuv handle: what standard input and output
 * may turn out to be. */
#pragma once

#include <stdbool.h>

#include <uv.h>

struct descriptor {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tty_t tty;
		uv_tcp_t tcp;
	} as;
	uv_file fd;
	bool is_file; /* regular file or plain device: no handle at all */
};

/* Takes `fd` over.  0 or a libuv error. */
int descriptor_open(struct descriptor *s, uv_loop_t *loop, uv_file fd);

/* Closes handle and descriptor; the memory stays in use until the loop has
 * run once more. */
void descriptor_close(struct descriptor *s);
