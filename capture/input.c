/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/input.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

/* One frame of our own segments fits, so that it is decompressed in place. */
#define BUFFER_SIZE ((size_t)1 << 20)
#define RAW_SIZE    (BUFFER_SIZE + ((size_t)128 << 10))
/* Compressed input is topped up below this: more than a frame takes that
 * compresses well, little enough that moving it to the front costs nothing. */
#define RAW_LOW ((size_t)320 << 10)
/* How long a wait on a pipe goes without looking for cancellation. */
#define WAIT_MS 100

/* Waits until the descriptor can be read; ERR_CANCELLED when told so. */
static int
input_wait(struct input *in)
{
	while (in->cancelled) {
		struct pollfd wanted = { .fd = in->fd, .events = POLLIN };

		if (atomic_load(in->cancelled))
			return ERR_CANCELLED;
		if (poll(&wanted, 1, WAIT_MS) > 0)
			break;
	}
	return 0;
}

/* read(2) of stored bytes; 0 at the end, or a negative error. */
static ssize_t
input_read(struct input *in, uint8_t *out, size_t size)
{
	ssize_t count;
	int status = input_wait(in);

	if (status < 0)
		return status;
	do
		count = read(in->fd, out, size);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return ERR_IO;
	in->stored += (uint64_t)count;
	return count;
}

/* Fills `raw` up; returns the bytes there are, or a negative error. */
static ssize_t
input_read_raw(struct input *in, size_t wanted)
{
	size_t left = in->raw_end - in->raw_at;

	if (left >= wanted)
		return (ssize_t)left;
	memmove(in->raw, in->raw + in->raw_at, left);
	in->raw_at = 0;
	in->raw_end = left;
	while (in->raw_end < wanted) {
		ssize_t count = input_read(in, in->raw + in->raw_end,
					   RAW_SIZE - in->raw_end);

		if (count < 0)
			return count;
		if (count == 0)
			break;
		in->raw_end += (size_t)count;
	}
	return (ssize_t)in->raw_end;
}

/* One step of decompression to `out`: the bytes it gave, which may be none, or
 * a negative error. */
static ssize_t
input_decompress(struct input *in, uint8_t *out, size_t size)
{
	ssize_t left = input_read_raw(in, RAW_LOW);
	size_t written;
	struct bytes raw;
	int status;

	if (left < 0)
		return left;
	raw = bytes_make(in->raw + in->raw_at, (size_t)left);
	status = decompressor_run(in->decompressor, &raw, out, size, &written);
	if (status < 0)
		return status;
	in->raw_at = in->raw_end - raw.size;
	if (written > 0)
		return (ssize_t)written;
	in->ended = left == 0;
	if (in->ended && !decompressor_at_boundary(in->decompressor))
		return ERR_TRUNCATED;
	if (!in->ended && raw.size == (size_t)left) /* no progress is possible */
		return ERR_CORRUPT;
	return 0;
}

int
input_open(struct input *in, int fd, const atomic_bool *cancelled)
{
	ssize_t left;

	*in = (struct input){ .fd = fd, .cancelled = cancelled };
	in->raw = alloc_resize(NULL, 1, RAW_SIZE);
	left = input_read_raw(in, COMPRESSION_MAGIC);
	if (left >= 0)
		in->compression =
			compression_detect(bytes_make(in->raw, (size_t)left));
	if (in->compression == COMPRESSION_NONE) {
		/* From now on plain bytes are read straight into there. */
		in->buffer = in->raw;
		in->capacity = RAW_SIZE;
		in->raw = NULL;
	} else {
		in->capacity = BUFFER_SIZE;
		in->buffer = alloc_resize(NULL, 1, in->capacity);
		in->decompressor = decompressor_new(in->compression);
	}
	in->at = in->buffer;
	in->end = in->buffer + (in->raw ? 0 : in->raw_end);
	in->ended = left < 0;
	in->status = left < 0 ? (int)left : 0;
	return in->status;
}

void
input_expect_frames(struct input *in, const uint32_t *checks, uint32_t count)
{
	if (in->decompressor)
		decompressor_expect(in->decompressor, checks, count);
}

void
input_close(struct input *in)
{
	decompressor_free(in->decompressor);
	free(in->raw);
	free(in->buffer);
	*in = (struct input){ .fd = -1 };
}

/* Moves what is left to the front, and makes room for `size` bytes. */
static void
input_make_room(struct input *in, size_t size)
{
	size_t left = input_available(in);

	if (in->at != in->buffer)
		memmove(in->buffer, in->at, left);
	in->buffer_offset += (uint64_t)(in->at - in->buffer);
	if (size > in->capacity) {
		in->capacity = size;
		in->buffer = alloc_resize(in->buffer, 1, in->capacity);
	}
	in->at = in->buffer;
	in->end = in->buffer + left;
}

/* Gets some bytes more, or notes the end. */
static void
input_step(struct input *in, size_t wanted)
{
	size_t used;
	ssize_t count;

	/* Before each step: a frame that ends makes room for the next. */
	if (!decompressor_in_place(in->decompressor))
		input_make_room(in, wanted);
	used = (size_t)(in->end - in->buffer);
	if (in->decompressor) {
		count = input_decompress(in, in->buffer + used,
					 in->capacity - used);
	} else {
		count = input_read(in, in->buffer + used, in->capacity - used);
		in->ended = count == 0;
	}
	if (count < 0) {
		in->ended = true;
		in->status = (int)count;
		return;
	}
	in->end += count;
}

bool
input_fill(struct input *in, size_t size)
{
	assert(size <= INPUT_NEED_MAX);
	while (!in->ended && input_available(in) < size)
		input_step(in, size);
	return input_available(in) >= size;
}

const char *
input_problem(const struct input *in)
{
	bool truncated = in->status == ERR_TRUNCATED;

	if (in->status == ERR_IO)
		return "reading failed";
	if (in->status == ERR_CANCELLED)
		return "reading was cancelled";
	switch (in->compression) {
	case COMPRESSION_GZIP:
		return truncated ? "the gzip data ends early"
				 : "the gzip data is damaged";
	case COMPRESSION_ZSTD:
		return truncated ? "the zstd data ends early"
				 : "the zstd data is damaged";
	case COMPRESSION_LZ4:
		return truncated ? "the lz4 data ends early"
				 : "the lz4 data is damaged";
	case COMPRESSION_NONE:
		break;
	}
	return "reading failed";
}
