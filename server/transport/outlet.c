/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/outlet.h"

#include "base/file.h"

#define KEEP_CAPACITY ((size_t)1 << 20) /* a larger buffer is given back */

int
outlet_open(struct outlet *out, uv_loop_t *loop, uv_file fd,
	    void (*on_slow)(void *context, bool slow),
	    void (*on_gone)(void *context), void *context)
{
	int rc;

	*out = (struct outlet){
		.on_slow = on_slow,
		.on_gone = on_gone,
		.context = context,
	};
	buf_init(&out->pending, OUTLET_LIMIT);
	buf_init(&out->writing, OUTLET_LIMIT);
	rc = descriptor_open(&out->stream, loop, fd);
	out->stream.as.handle.data = out;
	return rc;
}

static void
give_up(struct outlet *out)
{
	if (out->gone)
		return;
	out->gone = true;
	buf_reset(&out->pending);
	out->on_gone(out->context);
}

static void
forget(struct buf *b)
{
	if (b->capacity > KEEP_CAPACITY)
		buf_free(b);
	else
		buf_reset(b);
}

static size_t
waiting_bytes(const struct outlet *out)
{
	return out->pending.size + out->writing.size - out->written;
}

static void
check_pace(struct outlet *out)
{
	size_t waiting = waiting_bytes(out);

	if (waiting > (out->slow ? OUTLET_LOW : OUTLET_HIGH)) {
		if (out->slow)
			return;
		out->slow = true;
	} else {
		if (!out->slow)
			return;
		out->slow = false;
	}
	out->on_slow(out->context, out->slow);
}

void
outlet_line(struct outlet *out, struct bytes message)
{
	if (out->gone)
		return;
	buf_bytes(&out->pending, message);
	buf_u8(&out->pending, '\n');
	if (out->pending.failed)
		give_up(out);
	else
		check_pace(out);
}

static void
on_written(uv_write_t *request, int status)
{
	struct outlet *out = request->data;

	out->busy = false;
	out->written = 0;
	forget(&out->writing);
	if (status < 0) {
		give_up(out);
		return;
	}
	outlet_flush(out);
	check_pace(out);
}

static void
write_file(struct outlet *out)
{
	int rc = file_write_all(out->stream.fd, out->pending.data,
				out->pending.size);

	forget(&out->pending);
	if (rc < 0)
		give_up(out);
}

/* What the kernel takes at once needs no callback. */
static void
write_stream(struct outlet *out)
{
	struct buf empty = out->writing;
	uv_buf_t buf;
	int n;

	out->writing = out->pending;
	out->pending = empty;
	buf = uv_buf_init((char *)out->writing.data,
			  (unsigned)out->writing.size);
	n = uv_try_write(&out->stream.as.stream, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		forget(&out->writing);
		give_up(out);
		return;
	}
	out->written = n > 0 ? (size_t)n : 0;
	if (out->written == out->writing.size) {
		out->written = 0;
		forget(&out->writing);
		return;
	}
	buf.base += out->written;
	buf.len -= out->written;
	out->request.data = out;
	out->busy = uv_write(&out->request, &out->stream.as.stream, &buf, 1,
			     on_written) == 0;
	if (!out->busy)
		give_up(out);
}

void
outlet_flush(struct outlet *out)
{
	if (out->busy || out->gone || out->pending.size == 0)
		return;
	if (out->stream.is_file)
		write_file(out);
	else
		write_stream(out);
	check_pace(out);
}

bool
outlet_is_flushed(const struct outlet *out)
{
	return out->gone || (!out->busy && out->pending.size == 0);
}

void
outlet_close(struct outlet *out)
{
	out->gone = true;
	descriptor_close(&out->stream);
}

void
outlet_free(struct outlet *out)
{
	buf_free(&out->pending);
	buf_free(&out->writing);
}
