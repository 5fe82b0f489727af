/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /exports/<file>: what export_snapshot_pcap wrote below <home>/exports, whole
 * or in part (RFC 9110, 14).  The disk is read on a thread, a piece when the
 * piece before it has been written, so that a client costs one piece.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/transport/http_internal.h"
#include "server/transport/http_range.h"

#define PREFIX "/exports/"
#define PIECE ((size_t)256 << 10)

struct download {
	uv_work_t work;
	struct client *client; /* NULL once it has gone */
	char *path;
	int fd;
	int problem;           /* errno */
	bool working;          /* on a thread */
	bool begun;
	struct stat file;
	uint64_t at, end;
	size_t size;           /* of the piece read */
	uint8_t piece[];
};

static void
download_free(struct download *d)
{
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d);
}

/* Nothing but a plain file, and never through a link. */
static void
open_file(struct download *d)
{
	d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (d->fd < 0 || fstat(d->fd, &d->file) != 0)
		d->problem = errno;
	else if (!S_ISREG(d->file.st_mode))
		d->problem = ENOENT;
}

static void
read_piece(struct download *d)
{
	uint64_t left = d->end - d->at;
	ssize_t n;

	do
		n = pread(d->fd, d->piece, left < PIECE ? left : PIECE,
			  (off_t)d->at);
	while (n < 0 && errno == EINTR);
	d->problem = n > 0 ? 0 : EIO;
	d->size = n > 0 ? (size_t)n : 0;
}

static void
work(uv_work_t *item)
{
	struct download *d = item->data;

	if (d->begun)
		read_piece(d);
	else
		open_file(d);
}

static void worked(uv_work_t *item, int status);

static void
go_on(struct download *d)
{
	d->working = true;
	uv_queue_work(d->client->server->loop, &d->work, work, worked);
}

static void
abandon(struct client *c)
{
	struct download *d = c->job;

	d->client = NULL;
	c->job = NULL;
	if (!d->working)
		download_free(d);
}

/* The piece before has been written. */
static void
drained(struct client *c)
{
	struct download *d = c->job;

	if (d && d->begun && !d->working)
		go_on(d);
}

/* Size and time of change tell versions of a file apart. */
static void
make_tag(const struct download *d, char *tag, size_t size)
{
	snprintf(tag, size, "\"%llx-%llx\"",
		 (unsigned long long)d->file.st_size,
		 (unsigned long long)d->file.st_mtim.tv_sec *
				 (unsigned long long)CLOCK_NS_PER_S +
			 (unsigned long long)d->file.st_mtim.tv_nsec);
}

static enum http_range
take_range(struct client *c, struct download *d, const char *tag)
{
	const struct http_request *r = &c->http.parser.request;
	struct bytes condition = http_request_field(r, "If-Range");
	struct bytes range = http_request_field(r, "Range");

	if (condition.data && !bytes_equal(condition, bytes_of(tag)))
		range = bytes_make(NULL, 0);
	return http_range_parse(range, (uint64_t)d->file.st_size, &d->at,
				&d->end);
}

static void
begin(struct client *c, struct download *d)
{
	struct http_answer answer = { .status = 200, .has_size = true,
				      .type = "application/vnd.tcpdump.pcap" };
	unsigned long long size = (unsigned long long)d->file.st_size;
	char tag[64], fields[256];
	enum http_range range;

	make_tag(d, tag, sizeof(tag));
	range = take_range(c, d, tag);
	if (range == RANGE_NONE) {
		snprintf(fields, sizeof(fields),
			 "Content-Range: bytes */%llu\r\n", size);
		answer = (struct http_answer){ .status = 416,
					       .fields = fields };
		abandon(c);
		client_answer(c, &answer);
		return;
	}
	snprintf(fields, sizeof(fields), "Accept-Ranges: bytes\r\nETag: %s\r\n",
		 tag);
	if (range == RANGE_PART) {
		size_t used = strlen(fields);

		answer.status = 206;
		snprintf(fields + used, sizeof(fields) - used,
			 "Content-Range: bytes %llu-%llu/%llu\r\n",
			 (unsigned long long)d->at,
			 (unsigned long long)d->end - 1, size);
	}
	answer.fields = fields;
	answer.size = d->end - d->at;
	d->begun = true;
	client_stream(c, &answer);
	c->drained = drained;
	if (answer.size > 0 && c->http.parser.request.method == METHOD_GET)
		return;
	abandon(c);
	client_end(c);
}

/* A file that can't be read to its end: the client sees a body that is
 * shorter than was said. */
static void
give_piece(struct client *c, struct download *d)
{
	if (d->problem) {
		c->http.closing = true;
	} else {
		client_write(c, bytes_make(d->piece, d->size));
		d->at += d->size;
	}
	if (!d->problem && d->at < d->end)
		return;
	abandon(c);
	client_end(c);
}

static void
worked(uv_work_t *item, int status)
{
	struct download *d = item->data;
	struct client *c = d->client;

	(void)status;
	d->working = false;
	if (!c) {
		download_free(d);
	} else if (d->begun) {
		give_piece(c, d);
	} else if (d->problem) {
		abandon(c);
		client_fail(c, 404, "no export has that name");
	} else {
		begin(c, d);
	}
}

/* What is exported holds every packet as it was, credentials too. */
void
exports_request(struct client *c, const struct http_request *r)
{
	struct bytes path = bytes_from(http_request_path(r), strlen(PREFIX));
	char *name = alloc_string_n(path.data, path.size);
	struct download *d;

	if (r->method != METHOD_GET && r->method != METHOD_HEAD) {
		client_fail(c, 405, "exports are read with GET");
	} else if (c->role != ROLE_ADMIN) {
		client_fail(c, 403, "packets as they were need a token with "
				    "the role admin");
	} else if (!text_is_name(name)) {
		client_fail(c, 404, "no export has that name");
	} else {
		d = alloc_zero(1, sizeof(*d) + PIECE);
		d->work.data = d;
		d->client = c;
		d->fd = -1;
		d->path = alloc_format("%s/exports/%s",
				       c->server->options.config->home, name);
		c->job = d;
		c->abandon = abandon;
		c->waiting = WAITING_OTHER;
		go_on(d);
	}
	free(name);
}

bool
exports_is_path(struct bytes path)
{
	return bytes_starts_with(path, PREFIX);
}
