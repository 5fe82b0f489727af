/* SPDX-License-Identifier: Apache-2.0 */
#include "server/clients/config_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

#define MODE_NEW 0600
#define MODE_MASK 07777

static int
refuse_link(const char *path, struct error *e)
{
	char target[1024];
	ssize_t size = readlink(path, target, sizeof(target) - 1);

	target[size > 0 ? size : 0] = '\0';
	return error_set(e, ERR_DENIED,
			 "\"%s\" is a link to \"%s\" and stays one: name the "
			 "file itself with --file", path, target);
}

static int
check(const char *path, const struct stat *st, struct error *e)
{
	if (S_ISLNK(st->st_mode))
		return refuse_link(path, e);
	if (!S_ISREG(st->st_mode))
		return error_set(e, ERR_DENIED, "\"%s\" is not a file", path);
	if (st->st_uid != geteuid())
		return error_set(e, ERR_DENIED,
				 "\"%s\" belongs to another user: run this as "
				 "that user", path);
	return 0;
}

int
config_file_read(struct config_file *f, const char *path, struct error *e)
{
	int rc;

	*f = (struct config_file){ .path = path };
	buf_init(&f->text, CONFIG_FILE_LIMIT);
	if (lstat(path, &f->known) < 0)
		return errno == ENOENT ?
			0 : error_set_errno(e, errno, "cannot look at \"%s\"",
					    path);
	f->exists = true;
	rc = check(path, &f->known, e);
	return rc < 0 ? rc : file_read(path, &f->text, e);
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int
check_unchanged(const struct config_file *f, struct error *e)
{
	struct stat now;
	bool exists = lstat(f->path, &now) == 0;

	if (exists == f->exists && (!exists || is_same(&now, &f->known)))
		return 0;
	return error_set(e, ERR_BUSY,
			 "\"%s\" was changed by another program meanwhile: "
			 "try again", f->path);
}

static int
make_directory(const char *path, struct error *e)
{
	const char *slash = strrchr(path, '/');
	char *directory;
	int rc;

	if (!slash || slash == path)
		return 0;
	directory = alloc_string_n(path, (size_t)(slash - path));
	rc = file_make_dirs(directory, e);
	free(directory);
	return rc;
}

int
config_file_write(struct config_file *f, struct bytes text, char **backup,
		  struct error *e)
{
	mode_t mode = f->exists ? f->known.st_mode & MODE_MASK : MODE_NEW;
	int rc;

	*backup = NULL;
	rc = f->exists ? 0 : make_directory(f->path, e);
	if (rc == 0 && f->exists) {
		*backup = alloc_format("%s.aftertap-backup", f->path);
		rc = file_write_atomic(*backup, buf_view(&f->text), mode, e);
	}
	if (rc == 0)
		rc = check_unchanged(f, e);
	if (rc == 0)
		rc = file_write_atomic(f->path, text, mode, e);
	if (rc < 0) {
		free(*backup);
		*backup = NULL;
	}
	return rc;
}

void
config_file_free(struct config_file *f)
{
	buf_free(&f->text);
}
