/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/inlet.h"

static void
finish(struct inlet *in)
{
	if (in->ended)
		return;
	in->ended = true;
	in->end(in->context);
}

static void
give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct inlet *in = handle->data;

	(void)suggested;
	*buf = uv_buf_init(in->chunk, INLET_CHUNK);
}

static void
take(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct inlet *in = stream->data;

	if (n > 0)
		in->data(in->context, bytes_make(buf->base, (size_t)n));
	else if (n < 0)
		finish(in);
}

static void file_read_next(struct inlet *in);

static void
file_take(uv_fs_t *request)
{
	struct inlet *in = request->data;
	ssize_t n = request->result;

	uv_fs_req_cleanup(request);
	in->reading = false;
	if (in->ended)
		return;
	if (n <= 0) {
		finish(in);
		return;
	}
	in->data(in->context, bytes_make(in->chunk, (size_t)n));
	file_read_next(in);
}

static void
file_read_next(struct inlet *in)
{
	uv_buf_t buf = uv_buf_init(in->chunk, INLET_CHUNK);

	if (in->reading || in->paused || in->ended)
		return;
	in->request.data = in;
	in->reading = uv_fs_read(in->loop, &in->request, in->stream.fd, &buf,
				 1, -1, file_take) == 0;
	if (!in->reading)
		finish(in);
}

static void
start(struct inlet *in)
{
	if (in->stream.is_file)
		file_read_next(in);
	else if (uv_read_start(&in->stream.as.stream, give_buffer, take) < 0)
		finish(in);
}

void
inlet_start(struct inlet *in, uv_loop_t *loop, uv_file fd,
	    void (*data)(void *context, struct bytes data),
	    void (*end)(void *context), void *context)
{
	in->loop = loop;
	in->reading = in->paused = in->ended = false;
	in->data = data;
	in->end = end;
	in->context = context;
	if (descriptor_open(&in->stream, loop, fd) < 0) {
		finish(in);
		return;
	}
	in->stream.as.handle.data = in;
	start(in);
}

void
inlet_pause(struct inlet *in, bool paused)
{
	if (in->paused == paused || in->ended)
		return;
	in->paused = paused;
	if (!paused)
		start(in);
	else if (!in->stream.is_file)
		uv_read_stop(&in->stream.as.stream);
}

void
inlet_stop(struct inlet *in)
{
	in->ended = true;
	if (!in->stream.is_file &&
	    in->stream.as.handle.type != UV_UNKNOWN_HANDLE)
		uv_read_stop(&in->stream.as.stream);
}

void
inlet_close(struct inlet *in)
{
	inlet_stop(in);
	descriptor_close(&in->stream);
}
