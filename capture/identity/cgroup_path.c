/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/cgroup_path.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/err.h"

/* FILEID_KERNFS of linux/exportfs.h, which is not for user space: a handle
 * that is the 64-bit id. */
#define HANDLE_KERNFS 0xfe
#define PATH_BYTES_MAX     4096

int
cgroup_path_open_root(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	int fd = ERR_NOTFOUND;

	if (!mounts)
		return ERR_NOTFOUND;
	while (fd < 0 && (entry = getmntent(mounts)) != NULL)
		if (strcmp(entry->mnt_type, "cgroup2") == 0)
			fd = open(entry->mnt_dir,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	endmntent(mounts);
	return fd < 0 ? ERR_NOTFOUND : fd;
}

/* The path that a descriptor was opened by. */
static char *
path_of_descriptor(int fd)
{
	char link[64];
	char path[PATH_BYTES_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	return n > 0 ? alloc_string_n(path, (size_t)n) : NULL;
}

char *
cgroup_path_of(uint64_t id)
{
	struct {
		struct file_handle head;
		uint8_t id[sizeof(uint64_t)];
	} handle = { .head = { .handle_bytes = sizeof(uint64_t),
			       .handle_type = HANDLE_KERNFS } };
	char *root = NULL, *path = NULL, *result = NULL;
	int top = cgroup_path_open_root();
	int fd;

	if (top < 0)
		return NULL;
	memcpy(&handle.head.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(top, &handle.head, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		root = path_of_descriptor(top);
		path = path_of_descriptor(fd);
		close(fd);
	}
	if (root && path && strncmp(path, root, strlen(root)) == 0) {
		const char *below = path + strlen(root);

		result = alloc_string(*below ? below : "/");
	}
	free(root);
	free(path);
	close(top);
	return result;
}

/* How much a line "id:controllers:path" says. */
static int
worth(struct bytes controllers, struct bytes path)
{
	bool root = path.size <= 1;

	if (controllers.size == 0)
		return root ? 1 : 4;
	if (root)
		return 0;
	if (bytes_equal(controllers, bytes_of("memory")))
		return 3;
	return bytes_equal(controllers, bytes_of("name=systemd")) ? 2 : 0;
}

char *
cgroup_path_choose(const char *proc_cgroup)
{
	struct bytes best = bytes_of("");
	const char *line = proc_cgroup;
	int most = 0;

	while (*line) {
		const char *end = strchrnul(line, '\n');
		const char *first = memchr(line, ':', (size_t)(end - line));
		const char *second =
			first ? memchr(first + 1, ':',
				       (size_t)(end - first - 1))
			      : NULL;

		if (second) {
			struct bytes controllers = bytes_make(
				first + 1, (size_t)(second - first - 1));
			struct bytes path = bytes_make(
				second + 1, (size_t)(end - second - 1));
			int value = worth(controllers, path);

			if (value > most) {
				most = value;
				best = path;
			}
		}
		line = *end ? end + 1 : end;
	}
	return alloc_string_n(best.data, best.size);
}
