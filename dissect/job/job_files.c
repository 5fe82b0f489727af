/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/home.h"

static int
take_lock(struct job_files *files, const char *name, struct error *e)
{
	files->lock_fd = file_lock(files->lock, e);
	if (files->lock_fd == ERR_BUSY)
		return error_set(e, ERR_EXISTS,
				 "dissection \"%s\" is running (process %d); "
				 "choose another name",
				 name, (int)file_lock_holder(files->lock));
	return files->lock_fd < 0 ? files->lock_fd : 0;
}

/* With the lock held, nobody writes the part: it is a dead job's. */
static int
remove_stale(const struct job_files *files, struct error *e)
{
	static const char *const suffixes[] = { "", "-journal", "-wal",
						"-shm" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *path = alloc_format("%s%s", files->part, suffixes[i]);
		int failed = unlink(path) < 0 && errno != ENOENT;

		if (failed)
			error_set_errno(e, errno, "cannot remove \"%s\"", path);
		free(path);
		if (failed)
			return ERR_IO;
	}
	return 0;
}

int
job_files_claim(struct job_files *files, const char *home,
		const char *snapshot, const char *name, struct error *e)
{
	char *folder = home_path(home, "snapshots", snapshot, "dissections",
				 NULL);
	int rc = file_make_dirs(folder, e);

	*files = (struct job_files){
		.database = alloc_format("%s/%s.sqlite", folder, name),
		.part = alloc_format("%s/%s.sqlite.part", folder, name),
		.status = alloc_format("%s/%s.json", folder, name),
		.lock = alloc_format("%s/%s.lock", folder, name),
		.lock_fd = -1,
	};
	free(folder);
	if (rc == 0)
		rc = take_lock(files, name, e);
	if (rc == 0 && file_exists(files->database))
		rc = error_set(e, ERR_EXISTS,
			       "dissection \"%s\" of snapshot \"%s\" exists; "
			       "choose another name or delete it first",
			       name, snapshot);
	if (rc == 0)
		rc = remove_stale(files, e);
	if (rc < 0)
		job_files_release(files);
	return rc;
}

void
job_files_release(struct job_files *files)
{
	if (files->lock_fd >= 0)
		close(files->lock_fd);
	free(files->database);
	free(files->part);
	free(files->status);
	free(files->lock);
	*files = (struct job_files){ .lock_fd = -1 };
}
