/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/descriptor.h"

#include <unistd.h>

static int
open_handle(struct descriptor *s, uv_loop_t *loop, uv_handle_type type)
{
	int rc;

	switch ((int)type) {
	case UV_TTY:
		return uv_tty_init(loop, &s->as.tty, s->fd, 0);
	case UV_TCP:
		rc = uv_tcp_init(loop, &s->as.tcp);
		return rc < 0 ? rc : uv_tcp_open(&s->as.tcp, s->fd);
	default:
		rc = uv_pipe_init(loop, &s->as.pipe, 0);
		return rc < 0 ? rc : uv_pipe_open(&s->as.pipe, s->fd);
	}
}

int
descriptor_open(struct descriptor *s, uv_loop_t *loop, uv_file fd)
{
	uv_handle_type type = uv_guess_handle(fd);

	*s = (struct descriptor){ .fd = fd };
	switch ((int)type) {
	case UV_TTY:
	case UV_TCP:
	case UV_NAMED_PIPE:
		return open_handle(s, loop, type);
	case UV_FILE:
		s->is_file = true;
		return 0;
	default:
		return UV_EBADF;
	}
}

void
descriptor_close(struct descriptor *s)
{
	if (s->is_file)
		close(s->fd);
	else if (s->as.handle.type != UV_UNKNOWN_HANDLE &&
		 !uv_is_closing(&s->as.handle))
		uv_close(&s->as.handle, NULL);
}
