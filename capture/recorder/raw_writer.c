/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/raw_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

/* One write of a large span; O_DIRECT gains nothing from longer ones. */
#define WRITE_MAX ((size_t)8 << 20)
/* Room is taken ahead in such steps, so that a full disk shows before anything
 * is written, and the page at the end can always be. */
#define ROOM_STEP ((uint64_t)4 << 20)

/* What the thread is to commit. */
struct raw_request {
	uint64_t size;
	int64_t time_ns;
	struct clock_map clock;
	bool last;
};

struct raw_writer {
	char *path;
	int fd;
	atomic_bool direct;
	bool reserves; /* the file system can take room ahead */
	uint64_t room; /* bytes of the file that have their blocks */
	uint64_t size;     /* bytes appended since the first */
	uint64_t asked;    /* of them, in the newest request */
	uint32_t clocks;   /* pairs in it */
	uint8_t *tail;     /* the page of the next byte, as far as it is known */
	bool tail_written; /* nothing in it is newer than the file */

	/* The thread's alone, once it runs. */
	struct raw_header header;
	uint8_t *page; /* the header's */

	pthread_t thread;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t wake, idle;
	struct raw_request request;
	bool requested; /* the thread has something to do */
	bool done;      /* it has ended */
	uint64_t committed;
	int status; /* the first error that nobody was told of */
	struct error error;
};

/* Where the next byte goes, in the file. */
static uint64_t
raw_end(const struct raw_writer *w)
{
	return RAW_PAGE + w->header.first + w->size;
}

static int
raw_error(const struct raw_writer *w, const char *what, struct error *e)
{
	return error_set_errno(e, errno, "cannot %s %s", what, w->path);
}

/* A file system or memory that takes no O_DIRECT shows it at the first write. */
static bool
raw_fall_back(struct raw_writer *w)
{
	int flags = fcntl(w->fd, F_GETFL);

	if (!w->direct || flags < 0 ||
	    fcntl(w->fd, F_SETFL, flags & ~O_DIRECT) < 0)
		return false;
	w->direct = false;
	return true;
}

static int
raw_write(struct raw_writer *w, const uint8_t *data, size_t size,
	  uint64_t offset, struct error *e)
{
	while (size > 0) {
		size_t part = size < WRITE_MAX ? size : WRITE_MAX;
		ssize_t n = pwrite(w->fd, data, part, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EINVAL || errno == EFAULT) &&
		    raw_fall_back(w))
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return raw_error(w, "write", e);
		data += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* Makes sure that the file can grow to `end`. */
static int
raw_reserve(struct raw_writer *w, uint64_t end, struct error *e)
{
	uint64_t to = (end + ROOM_STEP) & ~(ROOM_STEP - 1);

	if (end <= w->room || !w->reserves)
		return 0;
	if (fallocate(w->fd, FALLOC_FL_KEEP_SIZE, (off_t)w->room,
		      (off_t)(to - w->room)) == 0) {
		w->room = to;
		return 0;
	}
	if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
		return raw_error(w, "grow", e);
	w->reserves = errno == EINTR;
	return 0;
}

/* Writes the page at the end as far as it goes. */
static int
raw_write_tail(struct raw_writer *w, struct error *e)
{
	uint64_t end = raw_end(w);
	int status;

	if (w->tail_written || end % RAW_PAGE == 0)
		return 0;
	/* What an append that failed left behind is not a record. */
	memset(w->tail + end % RAW_PAGE, 0, RAW_PAGE - end % RAW_PAGE);
	status = raw_write(w, w->tail, RAW_PAGE, end - end % RAW_PAGE, e);
	w->tail_written = status == 0;
	return status;
}

/* In the thread: header and all before it are on disk afterwards. */
static int
raw_commit(struct raw_writer *w, const struct raw_request *request,
	   struct error *e)
{
	struct iovec page = { w->page, RAW_PAGE };

	if (fdatasync(w->fd) < 0)
		return raw_error(w, "sync", e);
	w->header.generation++;
	w->header.committed = request->size;
	w->header.flushed_ns = request->time_ns;
	w->header.clock = request->clock;
	raw_header_encode(&w->header, w->page);
	if (pwritev2(w->fd, &page, 1, 0, RWF_DSYNC) == RAW_PAGE)
		return 0;
	/* File systems without that flag: write, then sync. */
	if (pwrite(w->fd, w->page, RAW_PAGE, 0) != RAW_PAGE ||
	    fdatasync(w->fd) < 0)
		return raw_error(w, "sync", e);
	return 0;
}

/* In the thread: nothing is appended any more. */
static int
raw_finish(struct raw_writer *w, struct raw_request *request, struct error *e)
{
	uint64_t pages = (raw_end(w) + RAW_PAGE - 1) / RAW_PAGE;
	int status = raw_write_tail(w, e);

	/* Cuts what an append that failed wrote, and room taken ahead. */
	if (status == 0 && ftruncate(w->fd, (off_t)(pages * RAW_PAGE)) < 0)
		status = raw_error(w, "cut", e);
	if (status < 0)
		request->size = w->asked; /* no more than that is certain */
	return status;
}

static void *
raw_thread(void *context)
{
	struct raw_writer *w = context;
	struct raw_request request;
	struct error error = { 0 };
	int status;

	do {
		pthread_mutex_lock(&w->mutex);
		while (!w->requested)
			pthread_cond_wait(&w->wake, &w->mutex);
		request = w->request;
		pthread_mutex_unlock(&w->mutex);
		status = request.last ? raw_finish(w, &request, &error) : 0;
		if (status < 0)
			(void)raw_commit(w, &request, NULL);
		else
			status = raw_commit(w, &request, &error);
		pthread_mutex_lock(&w->mutex);
		if (status == 0)
			w->committed = request.size;
		else if (w->status == 0)
			w->error = error, w->status = status;
		w->requested = w->request.last && !request.last;
		w->done = request.last;
		pthread_cond_broadcast(&w->idle);
		pthread_mutex_unlock(&w->mutex);
	} while (!request.last);
	return NULL;
}

/* Asks the thread to commit; false when it is at it still. */
static bool
raw_ask(struct raw_writer *w, const struct clock_map *clock, bool last)
{
	bool free;

	pthread_mutex_lock(&w->mutex);
	free = !w->requested;
	if (free || last) {
		w->request = (struct raw_request){ .size = w->size,
						   .clock = *clock,
						   .time_ns = clock_wall_ns(),
						   .last = last };
		w->requested = true;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->mutex);
	return free;
}

static int
raw_take_error(struct raw_writer *w, struct error *e)
{
	int status;

	pthread_mutex_lock(&w->mutex);
	status = w->status;
	if (status < 0)
		error_set(e, status, "%s", w->error.text);
	w->status = 0;
	pthread_mutex_unlock(&w->mutex);
	return status;
}

static void
raw_free(struct raw_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w->page);
	free(w->tail);
	free(w);
}

/* Writes the first header and starts the thread. */
static int
raw_begin(struct raw_writer *w, const struct clock_map *clock, struct error *e)
{
	int status;

	w->reserves = true;
	status = raw_reserve(w, RAW_PAGE + 1, e);
	if (status < 0)
		return status;
	w->header.generation = 1;
	w->header.flushed_ns = clock_wall_ns();
	w->header.clock = *clock;
	w->clocks = clock->count;
	raw_header_encode(&w->header, w->page);
	status = raw_write(w, w->page, RAW_PAGE, 0, e);
	if (status < 0)
		return status;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->idle, NULL);
	if (pthread_create(&w->thread, NULL, raw_thread, w) != 0)
		return error_set(e, ERR_IO, "cannot start a thread");
	return 0;
}

int
raw_writer_open(const char *path, const struct raw_stream *stream,
		const struct clock_map *clock, struct raw_writer **out,
		struct error *e)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	struct raw_writer *w = alloc_zero(1, sizeof(*w));
	int status;

	*out = NULL;
	w->path = alloc_string(path);
	w->page = alloc_aligned(RAW_PAGE, RAW_PAGE);
	w->tail = alloc_aligned(RAW_PAGE, RAW_PAGE);
	w->tail_written = true;
	w->header.format = stream->format;
	w->header.clock_kind = stream->clock_kind;
	w->header.position = stream->position;
	w->header.first = (uint32_t)(stream->position % RAW_PAGE);
	raw_boot_id(w->header.boot_id);
	w->direct = true;
	w->fd = open(path, flags | O_DIRECT, 0600);
	if (w->fd < 0 && errno == EINVAL) {
		/* ext4 and others make the file before they refuse the flag. */
		(void)unlink(path);
		w->direct = false;
		w->fd = open(path, flags, 0600);
	}
	if (w->fd < 0) {
		status = raw_error(w, "create", e);
		raw_free(w);
		return status;
	}
	status = raw_begin(w, clock, e);
	if (status < 0) {
		(void)unlink(path);
		raw_free(w);
		return status;
	}
	*out = w;
	return 0;
}

int
raw_writer_begin(struct raw_writer *w, uint64_t position,
		 const struct clock_map *clock, struct error *e)
{
	assert(w->size == 0);
	if (position == w->header.position)
		return 0;
	w->header.position = position;
	w->header.first = (uint32_t)(position % RAW_PAGE);
	w->header.generation++;
	w->header.flushed_ns = clock_wall_ns();
	w->header.clock = *clock;
	w->clocks = clock->count;
	raw_header_encode(&w->header, w->page);
	return raw_write(w, w->page, RAW_PAGE, 0, e);
}

/* Puts bytes into the page at the end; writes it when that fills it.
 * Returns how many were taken, or an error. */
static ssize_t
raw_fill_tail(struct raw_writer *w, const uint8_t *data, size_t size,
	      uint64_t end, struct error *e)
{
	size_t inside = end % RAW_PAGE;
	size_t part = RAW_PAGE - inside;
	int status;

	if (part > size)
		part = size;
	memcpy(w->tail + inside, data, part);
	w->tail_written = false;
	if (inside + part < RAW_PAGE)
		return (ssize_t)part;
	status = raw_write(w, w->tail, RAW_PAGE, end - inside, e);
	return status < 0 ? status : (ssize_t)part;
}

int
raw_writer_append(struct raw_writer *w, const uint8_t *data, size_t size,
		  struct error *e)
{
	uint64_t end = raw_end(w);
	size_t left = size, whole, inside;
	uint8_t before[RAW_PAGE];
	ssize_t taken = 0;
	int status;

	assert(((uintptr_t)data - end) % RAW_PAGE == 0);
	status = raw_reserve(w, end + size + RAW_PAGE, e);
	if (status < 0)
		return status;
	inside = end % RAW_PAGE;
	/* One write where the page is the segment's from its beginning. */
	if (w->size >= inside && inside + size >= RAW_PAGE) {
		data -= inside;
		left += inside;
		end -= inside;
	}
	if (end % RAW_PAGE != 0) {
		memcpy(before, w->tail, inside);
		taken = raw_fill_tail(w, data, left, end, e);
		if (taken < 0) {
			memcpy(w->tail, before, inside);
			return (int)taken;
		}
		data += taken;
		left -= (size_t)taken;
		end += (uint64_t)taken;
	}
	whole = left & ~(size_t)(RAW_PAGE - 1);
	status = raw_write(w, data, whole, end, e);
	if (status < 0) {
		if (taken > 0)
			memcpy(w->tail, before, inside);
		return status;
	}
	if (end % RAW_PAGE == 0) {
		memset(w->tail, 0, RAW_PAGE);
		memcpy(w->tail, data + whole, left - whole);
		w->tail_written = left == whole;
	}
	w->size += size;
	return 0;
}

int
raw_writer_flush(struct raw_writer *w, const struct clock_map *clock,
		 struct error *e)
{
	int status = raw_take_error(w, e);

	if (status == 0)
		status = raw_write_tail(w, e);
	if (status == 0 &&
	    (w->asked != w->size || w->clocks != clock->count) &&
	    raw_ask(w, clock, false)) {
		w->asked = w->size;
		w->clocks = clock->count;
	}
	return status;
}

void
raw_writer_wait(struct raw_writer *w)
{
	pthread_mutex_lock(&w->mutex);
	while (w->requested)
		pthread_cond_wait(&w->idle, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
}

void
raw_writer_end(struct raw_writer *w, const struct clock_map *clock)
{
	(void)raw_ask(w, clock, true);
}

bool
raw_writer_ended(struct raw_writer *w, bool wait, int *status, struct error *e)
{
	bool done;

	pthread_mutex_lock(&w->mutex);
	while (wait && !w->done)
		pthread_cond_wait(&w->idle, &w->mutex);
	done = w->done;
	pthread_mutex_unlock(&w->mutex);
	if (!done)
		return false;
	pthread_join(w->thread, NULL);
	*status = raw_take_error(w, e);
	raw_free(w);
	return true;
}

int
raw_writer_close(struct raw_writer *w, const struct clock_map *clock,
		 struct error *e)
{
	int status = 0;

	raw_writer_end(w, clock);
	(void)raw_writer_ended(w, true, &status, e);
	return status;
}

uint64_t
raw_writer_size(const struct raw_writer *w)
{
	return w->size;
}

uint64_t
raw_writer_committed(const struct raw_writer *w)
{
	uint64_t committed;

	/* Not const: it takes the lock. */
	pthread_mutex_lock(&((struct raw_writer *)(uintptr_t)w)->mutex);
	committed = w->committed;
	pthread_mutex_unlock(&((struct raw_writer *)(uintptr_t)w)->mutex);
	return committed;
}

uint64_t
raw_writer_position(const struct raw_writer *w)
{
	return w->header.position + w->size;
}

bool
raw_writer_direct(const struct raw_writer *w)
{
	return w->direct;
}
