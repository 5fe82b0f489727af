/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/frame.h"
#include "base/map.h"
#include "base/reader.h"

#define FRAME_SESSION 1
#define FRAME_ENTRY   2
/* Nine strings of a process, and its numbers. */
#define FRAME_MAX     ((size_t)64 << 10)
#define READ_STEP     ((size_t)256 << 10)
/* Kept in memory while the file cannot be written. */
#define PENDING_MAX   ((size_t)8 << 20)
#define SERIALS_MAX   ((size_t)8 << 20)
/* So much may be of no use before it is worth looking for. */
#define LOOSE_BYTES   ((uint64_t)256 << 10)

struct identity_log {
	char *path;
	int fd;
	uint64_t bytes;
	uint64_t synced;  /* of them, known to be on disk */
	uint64_t compact; /* when compacted last */
	uint64_t dropped;
	struct buf pending;
};

void
identity_boot_id(char out[37])
{
	struct buf text;

	buf_init(&text, 4096);
	out[0] = '\0';
	if (file_read("/proc/sys/kernel/random/boot_id", &text, NULL) == 0 &&
	    text.size >= 36) {
		memcpy(out, text.data, 36);
		out[36] = '\0';
	}
	buf_free(&text);
}

static bool
log_parse(struct bytes payload, uint8_t type, struct identity_log_entry *entry,
	  struct identity_block *block)
{
	struct reader r = reader_make(payload);
	uint64_t number = reader_le64(&r);

	if (r.failed)
		return false;
	if (type == FRAME_SESSION) {
		entry->session_ns = (int64_t)number;
		entry->boot = reader_take(&r, reader_left(&r));
		return true;
	}
	if (type != FRAME_ENTRY ||
	    !identity_decode(reader_take(&r, reader_left(&r)), block))
		return false;
	/* Or it would be one process to some and two to others. */
	if (block->kind == IDENTITY_PROCESS && block->process.id != number)
		return false;
	entry->serial = number;
	entry->block = block;
	return true;
}

/* Visits the whole frames at the front of `in`; returns their size, or
 * ERR_CORRUPT at one that cannot be. */
static int64_t
log_frames(struct bytes in, uint64_t offset, identity_log_visit *visit,
	   void *context)
{
	struct bytes rest = in;
	struct frame frame;
	int rc;

	while ((rc = frame_next(&rest, FRAME_MAX, &frame)) == 1) {
		size_t end = in.size - rest.size;
		size_t size = FRAME_HEADER + frame.payload.size;
		struct identity_log_entry entry = {
			.offset = offset + end - size,
			.frame = bytes_make(in.data + end - size, size),
		};
		struct identity_block block;

		if (log_parse(frame.payload, frame.type, &entry, &block))
			visit(context, &entry);
	}
	if (rc < 0 && rest.size == in.size)
		return rc;
	return (int64_t)(in.size - rest.size);
}

static int
log_read_fd(int fd, identity_log_visit *visit, void *context, uint64_t *end,
	    bool *damaged)
{
	struct buf chunk;
	uint64_t offset = 0;
	int64_t used = 0;
	ssize_t n = 0;

	buf_init(&chunk, READ_STEP + FRAME_MAX * 2);
	while (offset < IDENTITY_LOG_MAX) {
		uint8_t *to = buf_reserve(&chunk, READ_STEP);

		n = to ? read(fd, to, READ_STEP) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		chunk.size += (size_t)n;
		used = log_frames(buf_view(&chunk), offset, visit, context);
		if (used < 0)
			break;
		offset += (uint64_t)used;
		buf_drop(&chunk, (size_t)used);
	}
	if (end)
		*end = offset;
	if (damaged)
		*damaged = chunk.size != 0;
	buf_free(&chunk);
	return n < 0 ? ERR_IO : 0;
}

int
identity_log_read(const char *path, identity_log_visit *visit, void *context,
		  uint64_t *end, bool *damaged, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat info;
	int rc;

	if (fd < 0)
		return error_set_errno(e, errno, "cannot open \"%s\"", path);
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
		rc = error_set(e, ERR_INVALID, "\"%s\" is not a regular file",
			       path);
	else if ((uint64_t)info.st_size > IDENTITY_LOG_MAX)
		rc = error_set(e, ERR_LIMIT, "\"%s\" is larger than 1 GiB",
			       path);
	else
		rc = log_read_fd(fd, visit, context, end, damaged);
	if (rc == ERR_IO)
		error_set_errno(e, errno, "cannot read \"%s\"", path);
	close(fd);
	return rc;
}

static void
log_session(struct buf *out, int64_t now)
{
	char boot[37];
	size_t at = frame_begin(out, FRAME_SESSION);

	identity_boot_id(boot);
	buf_le64(out, (uint64_t)now);
	buf_text(out, boot);
	frame_end(out, at);
}

static void
log_ignore(void *context, const struct identity_log_entry *entry)
{
	(void)context;
	(void)entry;
}

int
identity_log_open(const char *path, struct identity_log **log, struct error *e)
{
	struct identity_log *l;
	uint64_t end = 0;
	int rc = identity_log_read(path, log_ignore, NULL, &end, NULL, e);

	if (rc < 0 && rc != ERR_NOTFOUND)
		return rc;
	l = alloc_zero(1, sizeof(*l));
	l->path = alloc_string(path);
	buf_init(&l->pending, PENDING_MAX);
	l->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = 0;
	if (l->fd < 0 || ftruncate(l->fd, (off_t)end) < 0 ||
	    lseek(l->fd, 0, SEEK_END) < 0)
		rc = error_set_errno(e, errno, "cannot write \"%s\"", path);
	l->bytes = end;
	if (rc == 0) {
		log_session(&l->pending, clock_wall_ns());
		rc = identity_log_flush(l, false, e);
	}
	if (rc < 0) {
		identity_log_close(l);
		return rc;
	}
	*log = l;
	return 0;
}

void
identity_log_close(struct identity_log *log)
{
	if (!log)
		return;
	if (log->fd >= 0) {
		(void)identity_log_flush(log, true, NULL);
		close(log->fd);
	}
	buf_free(&log->pending);
	free(log->path);
	free(log);
}

static void
log_end(struct identity_log *log, size_t at)
{
	frame_end(&log->pending, at);
	if (log->pending.failed) {
		log->pending.failed = false;
		log->dropped++;
	}
}

void
identity_log_process(struct identity_log *log,
		     const struct identity_process *process)
{
	size_t at = frame_begin(&log->pending, FRAME_ENTRY);

	buf_le64(&log->pending, process->id);
	identity_encode_process(&log->pending, process);
	log_end(log, at);
}

void
identity_log_socket(struct identity_log *log, uint64_t serial,
		    const struct identity_socket *socket)
{
	size_t at = frame_begin(&log->pending, FRAME_ENTRY);

	buf_le64(&log->pending, serial);
	identity_encode_socket(&log->pending, socket);
	log_end(log, at);
}

int
identity_log_flush(struct identity_log *log, bool sync, struct error *e)
{
	int rc = 0, problem;

	if (log->pending.size) {
		rc = file_write_all(log->fd, log->pending.data,
				    log->pending.size);
		problem = errno;
		if (rc < 0) {
			/* Whole frames only: the next flush begins anew. */
			if (ftruncate(log->fd, (off_t)log->bytes) == 0)
				(void)lseek(log->fd, 0, SEEK_END);
			return error_set_errno(e, problem,
					       "cannot write \"%s\"",
					       log->path);
		}
		log->bytes += log->pending.size;
		buf_reset(&log->pending);
	}
	if (!sync || log->synced == log->bytes)
		return rc;
	if (fdatasync(log->fd) < 0)
		return error_set_errno(e, errno, "cannot sync \"%s\"",
				       log->path);
	log->synced = log->bytes;
	return rc;
}

bool
identity_log_is_loose(const struct identity_log *log)
{
	return log->bytes >= log->compact * 2 + LOOSE_BYTES;
}

uint64_t
identity_log_bytes(const struct identity_log *log)
{
	return log->bytes;
}

uint64_t
identity_log_dropped(const struct identity_log *log)
{
	return log->dropped;
}

/* Of each entry where its newest frame lies, and whether it is kept. */
struct log_key {
	uint64_t serial;
	uint64_t kind;
};

struct log_place {
	uint64_t offset;
	int64_t to_ns;
	uint64_t process; /* of a socket */
	bool needed;      /* a process with a socket that is kept */
};

struct log_compaction {
	struct map *places;
	int64_t keep_from_ns;
	uint64_t session; /* offset of the last session frame */
	int fd;
	struct buf out;
	uint64_t written;
	int rc;
};

static struct log_key
log_key_of(const struct identity_log_entry *entry)
{
	return (struct log_key){ entry->serial, entry->block->kind };
}

static void
log_locate(void *context, const struct identity_log_entry *entry)
{
	struct log_compaction *c = context;
	struct log_place *place;
	struct log_key key;

	if (!entry->block) {
		c->session = entry->offset;
		return;
	}
	key = log_key_of(entry);
	place = map_put(c->places, &key, NULL);
	if (!place)
		return;
	place->offset = entry->offset;
	if (entry->block->kind == IDENTITY_SOCKET) {
		place->to_ns = entry->block->socket.to_ns;
		place->process = entry->block->socket.process;
	} else {
		place->to_ns = entry->block->process.to_ns;
	}
}

static bool
log_is_kept(const struct log_compaction *c, const struct log_place *place)
{
	return place->needed || place->to_ns == 0 ||
	       place->to_ns >= c->keep_from_ns;
}

/* A process is kept as long as a socket of it. */
static void
log_mark(struct log_compaction *c)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	while (map_next(c->places, &cursor, &key, &value)) {
		const struct log_place *place = value;
		struct log_key owner = { place->process, IDENTITY_PROCESS };
		struct log_place *process;

		if (place->process == 0 || !log_is_kept(c, place))
			continue;
		process = map_get(c->places, &owner);
		if (process)
			process->needed = true;
	}
}

static void
log_copy(void *context, const struct identity_log_entry *entry)
{
	struct log_compaction *c = context;
	const struct log_place *place;
	struct log_key key;

	if (c->rc < 0)
		return;
	if (entry->block) {
		key = log_key_of(entry);
		place = map_get(c->places, &key);
		if (place && (place->offset != entry->offset ||
			      !log_is_kept(c, place)))
			return;
	} else if (entry->offset != c->session) {
		return;
	}
	buf_bytes(&c->out, entry->frame);
	c->written += entry->frame.size;
	if (c->out.size >= READ_STEP) {
		c->rc = file_write_all(c->fd, c->out.data, c->out.size);
		buf_reset(&c->out);
	}
}

/* Writes the new file and puts it in place; errno says why not. */
static int
log_replace(struct identity_log *log, struct log_compaction *c,
	    const char *temporary)
{
	uint64_t end;
	int rc = identity_log_read(log->path, log_copy, c, &end, NULL, NULL);

	if (rc == 0)
		rc = c->rc;
	if (rc == 0)
		rc = file_write_all(c->fd, c->out.data, c->out.size);
	if (rc == 0 &&
	    (fdatasync(c->fd) < 0 || rename(temporary, log->path) < 0))
		rc = ERR_IO;
	return rc;
}

int
identity_log_compact(struct identity_log *log, int64_t keep_from_ns,
		     struct error *e)
{
	struct log_compaction c = { .keep_from_ns = keep_from_ns, .fd = -1 };
	char *temporary;
	int rc = identity_log_flush(log, false, e);

	if (rc < 0)
		return rc;
	temporary = alloc_format("%s.new", log->path);
	c.places = map_new(sizeof(struct log_key), sizeof(struct log_place),
			   SERIALS_MAX);
	buf_init(&c.out, READ_STEP + FRAME_MAX * 2);
	rc = identity_log_read(log->path, log_locate, &c, NULL, NULL, e);
	if (rc < 0)
		goto out;
	log_mark(&c);
	unlink(temporary);
	c.fd = open(temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (c.fd < 0 || log_replace(log, &c, temporary) < 0) {
		rc = error_set_errno(e, errno, "cannot rewrite \"%s\"",
				     log->path);
		if (c.fd >= 0)
			close(c.fd);
		unlink(temporary);
		goto out;
	}
	close(log->fd);
	log->fd = c.fd;
	log->bytes = log->synced = log->compact = c.written;
out:
	buf_free(&c.out);
	map_free(c.places);
	free(temporary);
	return rc;
}
