/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define READ_STEP  ((size_t)64 << 10)
#define COPY_STEP  ((size_t)128 << 10)
#define TREE_DEPTH 64

int
file_make_dirs(const char *path, struct error *e)
{
	char *partial = alloc_string(path);
	struct stat info;
	int rc = 0;

	for (char *at = partial + 1; rc == 0; at++) {
		char saved = *at;

		if (saved != '/' && saved != '\0')
			continue;
		*at = '\0';
		if (mkdir(partial, 0700) < 0 && errno != EEXIST)
			rc = error_set_errno(e, errno,
					     "cannot create directory \"%s\"",
					     partial);
		*at = saved;
		if (saved == '\0')
			break;
	}
	if (rc == 0 && (stat(path, &info) < 0 || !S_ISDIR(info.st_mode)))
		rc = error_set(e, ERR_EXISTS, "\"%s\" is not a directory",
			       path);
	free(partial);
	return rc;
}

/* Everything `fd` has; one byte more than the limit is asked for, to see it. */
static int
read_to_end(int fd, struct buf *out)
{
	for (;;) {
		size_t room = out->limit - out->size;
		uint8_t extra;
		uint8_t *to = &extra;
		ssize_t n;

		if (room > READ_STEP)
			room = READ_STEP;
		if (room)
			to = buf_reserve(out, room);
		n = read(fd, to, room ? room : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? ERR_IO : 0;
		if (room == 0)
			return ERR_LIMIT;
		out->size += (size_t)n;
	}
}

int
file_read(const char *path, struct buf *out, struct error *e)
{
	/* O_NONBLOCK: opening somebody's FIFO must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat info;
	int rc;

	buf_reset(out);
	if (fd < 0)
		return error_set_errno(e, errno, "cannot open \"%s\"", path);
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
		rc = error_set(e, ERR_INVALID, "\"%s\" is not a regular file",
			       path);
	} else {
		rc = read_to_end(fd, out);
		if (rc == ERR_LIMIT)
			error_set(e, rc, "\"%s\" is larger than %zu bytes",
				  path, out->limit);
		else if (rc < 0)
			error_set_errno(e, errno, "cannot read \"%s\"", path);
	}
	close(fd);
	return rc;
}

int
file_write_all(int fd, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC || errno == EDQUOT ? ERR_NOSPACE
								  : ERR_IO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int
file_sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return ERR_IO;
	/* EINVAL: a file system that has nothing to sync for a directory. */
	if (fsync(fd) < 0 && errno != EINVAL)
		rc = ERR_IO;
	close(fd);
	return rc;
}

static int
sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	int rc;

	if (!slash)
		return file_sync_dir(".");
	parent = alloc_string_n(path,
				slash == path ? 1 : (size_t)(slash - path));
	rc = file_sync_dir(parent);
	free(parent);
	return rc;
}

int
file_write_atomic(const char *path, struct bytes data, mode_t mode,
		  struct error *e)
{
	char *temporary = alloc_format("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	int rc = 0;

	if (fd < 0) {
		rc = error_set_errno(e, errno, "cannot write \"%s\"", path);
		free(temporary);
		return rc;
	}
	if (fchmod(fd, mode) < 0 ||
	    file_write_all(fd, data.data, data.size) < 0 || fsync(fd) < 0 ||
	    rename(temporary, path) < 0) {
		rc = error_set_errno(e, errno, "cannot write \"%s\"", path);
		unlink(temporary);
	} else if (sync_parent(path) < 0) {
		rc = error_set_errno(
			e, errno, "cannot sync the directory of \"%s\"", path);
	}
	close(fd);
	free(temporary);
	return rc;
}

/* Copies all of `in` to `out`; 0, or -1 with errno set. */
static int
copy_contents(int in, int out)
{
	uint8_t *chunk = alloc_zero(COPY_STEP, 1);
	ssize_t n;

	for (;;) {
		n = read(in, chunk, COPY_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (file_write_all(out, chunk, (size_t)n) < 0) {
			n = -1;
			break;
		}
	}
	free(chunk);
	return n < 0 ? -1 : 0;
}

static int
copy_file(const char *from, const char *to, struct error *e)
{
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int out, rc = 0;

	if (in < 0)
		return error_set_errno(e, errno, "cannot open \"%s\"", from);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (out < 0) {
		rc = error_set_errno(e, errno, "cannot create \"%s\"", to);
		close(in);
		return rc;
	}
	if (copy_contents(in, out) < 0 || fchmod(out, 0444) < 0 ||
	    fsync(out) < 0) {
		rc = error_set_errno(e, errno, "cannot copy \"%s\" to \"%s\"",
				     from, to);
		unlink(to);
	}
	close(in);
	close(out);
	return rc;
}

int
file_link_or_copy(const char *from, const char *to, bool *copied,
		  struct error *e)
{
	if (copied)
		*copied = false;
	if (link(from, to) == 0)
		return 0;
	switch (errno) {
	case EXDEV:
	case EPERM:
	case EMLINK:
	case EOPNOTSUPP:
		if (copied)
			*copied = true;
		return copy_file(from, to, e);
	default:
		return error_set_errno(e, errno, "cannot link \"%s\" to \"%s\"",
				       from, to);
	}
}

static int remove_contents(int fd, unsigned depth);

/* Unlinks one entry of directory `parent`; 0, or -1 with errno set. */
static int
remove_entry(int parent, const char *name, unsigned depth)
{
	int fd;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	if (depth == 0) {
		errno = ELOOP;
		return -1;
	}
	fd = openat(parent, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || remove_contents(fd, depth - 1) < 0)
		return -1;
	return unlinkat(parent, name, AT_REMOVEDIR);
}

/* Empties a directory and closes `fd`. */
static int
remove_contents(int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		close(fd);
		return -1;
	}
	while (rc == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			rc = remove_entry(fd, entry->d_name, depth);
	}
	if (rc < 0) {
		int saved = errno;

		closedir(dir);
		errno = saved;
		return -1;
	}
	closedir(dir);
	return 0;
}

int
file_remove_tree(const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || remove_contents(fd, TREE_DEPTH) < 0 || rmdir(path) < 0)
		return error_set_errno(e, errno, "cannot remove \"%s\"", path);
	return 0;
}

int
file_rename_new(const char *from, const char *to, struct error *e)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* Some network file systems know no flags; look, then leap. */
	if ((errno == EINVAL || errno == ENOSYS) && !file_exists(to) &&
	    rename(from, to) == 0)
		return 0;
	if (file_exists(to))
		return error_set(e, ERR_EXISTS, "\"%s\" already exists", to);
	return error_set_errno(e, errno, "cannot rename \"%s\" to \"%s\"", from,
			       to);
}

bool
file_exists(const char *path)
{
	struct stat info;

	return lstat(path, &info) == 0;
}

bool
file_in_path(const char *program)
{
	const char *path = getenv("PATH");
	char *copy = alloc_string(path ? path : "/bin:/usr/bin");
	char *rest = copy, *folder;
	struct stat info;
	bool found = false;

	while (!found && (folder = strsep(&rest, ":"))) {
		char *candidate = alloc_format(
			"%s/%s", *folder ? folder : ".", program);

		found = access(candidate, X_OK) == 0 &&
			stat(candidate, &info) == 0 && S_ISREG(info.st_mode);
		free(candidate);
	}
	free(copy);
	return found;
}

int
file_lock(const char *path, struct error *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return error_set_errno(e, errno, "cannot open lock \"%s\"",
				       path);
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	if (errno == EACCES || errno == EAGAIN)
		rc = error_set(e, ERR_BUSY,
			       "\"%s\" is locked by another process", path);
	else
		rc = error_set_errno(e, errno, "cannot lock \"%s\"", path);
	close(fd);
	return rc;
}

pid_t
file_lock_holder(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(NULL, errno, "-");
	rc = fcntl(fd, F_GETLK, &lock);
	close(fd);
	if (rc < 0)
		return ERR_IO;
	if (lock.l_type == F_UNLCK)
		return 0;
	/* A holder in another pid namespace has no number here. */
	return lock.l_pid > 0 ? lock.l_pid : ERR_BUSY;
}
