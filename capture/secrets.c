/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/frame.h"
#include "base/reader.h"

#define SECRETS_MAGIC   "aftertap secrets"
#define SECRETS_VERSION 1
#define SECRETS_HEADER  24
#define SECRETS_FRAME   1
#define SECRETS_FRAME_MAX 4096
#define SECRETS_CHUNK   ((size_t)64 << 10)

static const char *const label_texts[] = {
#define X(name, text) [SECRET_##name] = (text),
	SECRET_LABEL_MAP(X)
#undef X
};

const char *
secret_label_text(unsigned label)
{
	return label < SECRET_LABEL_COUNT ? label_texts[label] : NULL;
}

int
secret_label_find(struct bytes text)
{
	for (int i = 0; i < SECRET_LABEL_COUNT; i++)
		if (bytes_equal(text, bytes_of(label_texts[i])))
			return i;
	return -1;
}

static void
secrets_put_sized(struct buf *out, const void *data, size_t size)
{
	buf_u8(out, (uint8_t)size);
	buf_append(out, data, size);
}

void
secrets_encode(struct buf *out, const struct secret *secret)
{
	size_t frame = frame_begin(out, SECRETS_FRAME);

	buf_le64(out, (uint64_t)secret->time_ns);
	buf_le64(out, secret->cookie);
	buf_le32(out, secret->pid);
	buf_le32(out, secret->thread);
	buf_u8(out, secret->label);
	buf_u8(out, secret->hook);
	buf_le16(out, secret->local_port);
	buf_le16(out, secret->remote_port);
	buf_append(out, secret->local, sizeof(secret->local));
	buf_append(out, secret->remote, sizeof(secret->remote));
	secrets_put_sized(out, secret->name,
			  strnlen(secret->name, SECRET_NAME_MAX));
	secrets_put_sized(out, secret->random,
			  secret->has_random ? sizeof(secret->random) : 0);
	secrets_put_sized(out, secret->value, secret->size);
	frame_end(out, frame);
}

static size_t
secrets_take_sized(struct reader *r, void *out, size_t most)
{
	uint8_t size = reader_u8(r);
	struct bytes in = reader_take(r, size);

	r->failed |= size > most;
	if (r->failed || size == 0)
		return 0;
	memcpy(out, in.data, size);
	return size;
}

static void
secrets_take_exactly(struct reader *r, void *out, size_t size)
{
	struct bytes in = reader_take(r, size);

	if (in.data)
		memcpy(out, in.data, size);
}

bool
secrets_decode(struct bytes payload, struct secret *secret)
{
	struct reader r = reader_make(payload);
	size_t random;

	*secret = (struct secret){ .time_ns = (int64_t)reader_le64(&r) };
	secret->cookie = reader_le64(&r);
	secret->pid = reader_le32(&r);
	secret->thread = reader_le32(&r);
	secret->label = reader_u8(&r);
	secret->hook = reader_u8(&r);
	secret->local_port = reader_le16(&r);
	secret->remote_port = reader_le16(&r);
	secrets_take_exactly(&r, secret->local, sizeof(secret->local));
	secrets_take_exactly(&r, secret->remote, sizeof(secret->remote));
	secrets_take_sized(&r, secret->name, SECRET_NAME_MAX);
	random = secrets_take_sized(&r, secret->random, SECRET_RANDOM_SIZE);
	secret->size = (uint8_t)secrets_take_sized(&r, secret->value,
						   SECRET_SIZE_MAX);
	secret->has_random = random == SECRET_RANDOM_SIZE;
	return !r.failed && secret->label < SECRET_LABEL_COUNT &&
	       secret->size > 0 && (random == 0 || secret->has_random);
}

/* A file being read, a chunk at a time. */
struct secrets_source {
	int fd;
	struct buf chunk;
	uint64_t whole; /* bytes of the header and the whole frames so far */
};

static int
secrets_source_header(struct secrets_source *s)
{
	uint8_t header[SECRETS_HEADER] = { 0 };
	struct reader r = reader_make(bytes_make(header, sizeof(header)));
	struct bytes magic;

	if (pread(s->fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return ERR_CORRUPT;
	magic = reader_take(&r, strlen(SECRETS_MAGIC));
	if (!bytes_equal(magic, bytes_of(SECRETS_MAGIC)) ||
	    reader_le32(&r) != SECRETS_VERSION)
		return ERR_CORRUPT;
	s->whole = SECRETS_HEADER;
	return 0;
}

/* Hands out the whole frames of what has been read. */
static int
secrets_source_frames(struct secrets_source *s, struct packet_window window,
		      secrets_visitor *visit, void *context)
{
	struct bytes in = buf_view(&s->chunk);
	struct secret secret;
	struct frame frame;
	int status;

	for (;;) {
		size_t before = in.size;

		status = frame_next(&in, SECRETS_FRAME_MAX, &frame);
		if (status <= 0)
			break;
		s->whole += before - in.size;
		if (frame.type != SECRETS_FRAME)
			continue;
		if (!secrets_decode(frame.payload, &secret))
			status = ERR_CORRUPT;
		else if (visit && (secret.time_ns == 0 ||
				   (secret.time_ns >= window.from_ns &&
				    secret.time_ns < window.to_ns)))
			status = visit(context, &secret);
		explicit_bzero(&secret, sizeof(secret));
		if (status < 0)
			break;
	}
	buf_drop(&s->chunk, s->chunk.size - in.size);
	return status < 0 ? status : 0;
}

/* All of the file from where the header ends. */
static int
secrets_source_read(struct secrets_source *s, struct packet_window window,
		    secrets_visitor *visit, void *context)
{
	off_t at = SECRETS_HEADER;
	int status = secrets_source_header(s);

	buf_init(&s->chunk, SECRETS_CHUNK + 2 * SECRETS_FRAME_MAX);
	while (status == 0) {
		uint8_t *to = buf_reserve(&s->chunk, SECRETS_CHUNK);
		ssize_t got = pread(s->fd, to, SECRETS_CHUNK, at);

		if (got < 0)
			status = ERR_IO;
		if (got <= 0)
			break;
		s->chunk.size += (size_t)got;
		at += got;
		status = secrets_source_frames(s, window, visit, context);
	}
	if (s->chunk.data)
		explicit_bzero(s->chunk.data, s->chunk.capacity);
	buf_free(&s->chunk);
	return status;
}

static int
secrets_damaged(const char *path, int status, struct error *e)
{
	if (status == ERR_CORRUPT)
		return error_set(e, status, "%s is not a file of secrets, or "
					    "it is damaged", path);
	return error_set(e, status, "cannot read %s: %s", path,
			 err_text(status));
}

int
secrets_visit(const char *path, struct packet_window window,
	      secrets_visitor *visit, void *context, struct error *e)
{
	struct secrets_source s = { .fd = -1 };
	int status;

	s.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s.fd < 0)
		return error_set_errno(e, errno, "cannot open %s", path);
	status = secrets_source_read(&s, window, visit, context);
	close(s.fd);
	return status < 0 ? secrets_damaged(path, status, e) : 0;
}

static int
secrets_write_header(int fd)
{
	struct buf out;
	int status;

	buf_init(&out, SECRETS_HEADER);
	buf_text(&out, SECRETS_MAGIC);
	buf_le32(&out, SECRETS_VERSION);
	buf_le32(&out, 0);
	status = file_write_all(fd, out.data, out.size);
	buf_free(&out);
	return status;
}

/* Cuts off what is behind the last whole frame. */
static int
secrets_mend(int fd)
{
	struct packet_window all = { INT64_MIN, INT64_MAX };
	struct secrets_source s = { .fd = fd };
	struct stat st;
	int status;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ERR_IO;
	/* Less than a header is what a crash left of the first write. */
	if (st.st_size < SECRETS_HEADER)
		return ftruncate(fd, 0) < 0 ? ERR_IO : secrets_write_header(fd);
	status = secrets_source_read(&s, all, NULL, NULL);
	if (status == 0 && (uint64_t)st.st_size > s.whole &&
	    ftruncate(fd, (off_t)s.whole) < 0)
		status = ERR_IO;
	return status;
}

int
secrets_open(const char *path, struct error *e)
{
	int fd = open(path,
		      O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	int status;

	if (fd < 0)
		return error_set_errno(e, errno, "cannot open %s", path);
	status = fchmod(fd, 0600) < 0 ? ERR_IO : secrets_mend(fd);
	if (status == 0)
		return fd;
	close(fd);
	return secrets_damaged(path, status, e);
}

int
secrets_append(int fd, struct bytes frames)
{
	off_t end = lseek(fd, 0, SEEK_END);
	int status;

	if (end < 0)
		return ERR_IO;
	if ((uint64_t)end + frames.size > SECRETS_FILE_MAX)
		return ERR_LIMIT;
	status = file_write_all(fd, frames.data, frames.size);
	/* A part of a frame would hide what is appended later. */
	if (status < 0 && ftruncate(fd, end) < 0)
		return ERR_IO;
	return status;
}

int
secrets_list_add(void *context, const struct secret *secret)
{
	struct secret_list *list = context;

	if (list->count == SECRETS_MAX) {
		list->cut = true;
		return 0;
	}
	if (list->count == list->capacity) {
		size_t capacity = list->capacity * 2 + 64;
		struct secret *items = alloc_zero(capacity, sizeof(*items));

		if (list->count > 0)
			memcpy(items, list->items,
			       list->count * sizeof(*items));
		if (list->items)
			explicit_bzero(list->items,
				       list->count * sizeof(*items));
		free(list->items);
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = *secret;
	return 0;
}

int
secrets_load(const char *path, struct packet_window window,
	     struct secret_list *list, struct error *e)
{
	if (!file_exists(path))
		return 0;
	return secrets_visit(path, window, secrets_list_add, list, e);
}

void
secrets_free(struct secret_list *list)
{
	if (list->items)
		explicit_bzero(list->items,
			       list->count * sizeof(*list->items));
	free(list->items);
	*list = (struct secret_list){ .items = NULL };
}

/* A copy being written. */
struct secrets_copying {
	int fd;
	struct buf out;
	int64_t count;
};

static int
secrets_copying_flush(struct secrets_copying *c)
{
	int status = file_write_all(c->fd, c->out.data, c->out.size);

	if (c->out.data)
		explicit_bzero(c->out.data, c->out.size);
	buf_reset(&c->out);
	return status;
}

static int
secrets_copying_add(void *context, const struct secret *secret)
{
	struct secrets_copying *c = context;

	c->count++;
	secrets_encode(&c->out, secret);
	return c->out.size >= SECRETS_CHUNK ? secrets_copying_flush(c) : 0;
}

/* Writes those of the window into a new file at `to`. */
static int64_t
secrets_write_copy(const char *from, const char *to,
		   struct packet_window window, char hex[HASH_SHA256_HEX],
		   struct error *e)
{
	struct secrets_copying c = { .fd = -1 };
	int status;

	c.fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (c.fd < 0)
		return error_set_errno(e, errno, "cannot create %s", to);
	buf_init(&c.out, SECRETS_CHUNK + SECRETS_FRAME_MAX);
	status = secrets_write_header(c.fd);
	if (status == 0)
		status = secrets_visit(from, window, secrets_copying_add, &c,
				       e);
	if (status == 0)
		status = secrets_copying_flush(&c);
	if (status == 0 && (fchmod(c.fd, 0600) < 0 || fsync(c.fd) < 0 ||
			    (hex && hash_sha256_fd(c.fd, hex) < 0)))
		status = ERR_IO;
	if (status < 0)
		error_set(e, status, "cannot write %s: %s", to,
			  err_text(status));
	buf_free(&c.out);
	close(c.fd);
	if (status < 0)
		unlink(to);
	return status < 0 ? status : c.count;
}

int64_t
secrets_copy(const char *from, const char *to, struct packet_window window,
	     char hex[HASH_SHA256_HEX], struct error *e)
{
	int64_t count;

	if (!file_exists(from))
		return 0;
	count = secrets_write_copy(from, to, window, hex, e);
	if (count == 0)
		unlink(to);
	return count;
}

int
secrets_forget(const char *path, int64_t before_ns, struct error *e)
{
	struct packet_window window = { before_ns, INT64_MAX };
	char *temporary;
	int64_t count;
	int status = 0;

	if (!file_exists(path))
		return 0;
	temporary = alloc_format("%s.new", path);
	unlink(temporary);
	count = secrets_write_copy(path, temporary, window, NULL, e);
	if (count < 0)
		status = (int)count;
	else if (rename(temporary, path) < 0)
		status = error_set_errno(e, errno, "cannot replace %s", path);
	free(temporary);
	return status;
}
