/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"

#define STAGING_PREFIX ".tmp-"

/* True for the name of a staging directory whose maker is gone. */
static bool
staging_is_stale(const char *name)
{
	uint64_t pid;

	if (!bytes_starts_with(bytes_of(name), STAGING_PREFIX))
		return false;
	name += strlen(STAGING_PREFIX);
	if (!text_u64(bytes_make(name, strcspn(name, "-")), &pid) || pid == 0 ||
	    pid > INT32_MAX)
		return false;
	return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* Removes what processes that died have left in `parent`. */
static void
staging_clean(const char *parent)
{
	DIR *directory = opendir(parent);
	const struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)) != NULL) {
		char *path;

		if (!staging_is_stale(entry->d_name))
			continue;
		path = alloc_format("%s/%s", parent, entry->d_name);
		staging_discard(path);
		free(path);
	}
	closedir(directory);
}

/* "<parent>/.tmp-<pid>-XXXXXX", made. */
static char *
staging_make(const char *parent, struct error *e)
{
	char *path = alloc_format("%s/" STAGING_PREFIX "%d-XXXXXX", parent,
				  (int)getpid());

	if (mkdtemp(path))
		return path;
	error_set_errno(e, errno, "cannot create a directory in %s", parent);
	free(path);
	return NULL;
}

char *
staging_create(const char *parent, struct error *e)
{
	if (file_make_dirs(parent, e) < 0)
		return NULL;
	staging_clean(parent);
	return staging_make(parent, e);
}

int
staging_publish(const char *staged, const char *final, struct error *e)
{
	char *parent;
	int status = file_sync_dir(staged);

	if (status < 0)
		return error_set(e, status, "cannot sync %s", staged);
	status = file_rename_new(staged, final, e);
	if (status < 0)
		return status;
	parent = alloc_string_n(final, (size_t)(strrchr(final, '/') - final));
	status = file_sync_dir(parent);
	free(parent);
	return status < 0 ? error_set(e, status, "cannot sync %s", final) : 0;
}

void
staging_discard(const char *staged)
{
	char *segments = alloc_format("%s/segments", staged);
	int fd =
		open(segments, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0) { /* those of a snapshot are read-only */
		(void)fchmod(fd, 0700);
		close(fd);
	}
	free(segments);
	file_remove_tree(staged, NULL);
}

int
staging_remove(const char *path, struct error *e)
{
	char *parent =
		alloc_string_n(path, (size_t)(strrchr(path, '/') - path));
	char *hidden = staging_make(parent, e);
	int status = ERR_IO;

	free(parent);
	if (!hidden)
		return e && e->code ? e->code : ERR_IO;
	/* An empty directory may be replaced by another. */
	if (rename(path, hidden) == 0)
		status = 0;
	else
		status = error_set_errno(e, errno, "cannot remove %s", path);
	staging_discard(hidden);
	free(hidden);
	return status;
}
