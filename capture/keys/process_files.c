/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/process_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

#define MAPPINGS_MAX 65536

/* "start-end r-xp offset major:minor inode   /path"; false for a line that is
 * no executable mapping of a file. */
static bool
process_file_parse(char *line, struct process_file *file)
{
	static const char deleted[] = " (deleted)";
	unsigned major, minor;
	char permissions[5];
	int path = 0;
	size_t size;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's numbers are in range */
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %x:%x %" SCNu64 " %n",
		   &file->start, &file->end, permissions, &major, &minor,
		   (uint64_t *)&file->id.inode, &path) != 6 ||
	    permissions[2] != 'x' || file->id.inode == 0 || path == 0 ||
	    line[path] != '/')
		return false;
	file->id.device = major << 20 | (minor & 0xfffff);
	size = strcspn(line + path, "\n");
	line[(size_t)path + size] = '\0';
	file->deleted = size > sizeof(deleted) - 1 &&
			strcmp(line + path + size - (sizeof(deleted) - 1),
			       deleted) == 0;
	if (file->deleted)
		line[(size_t)path + size - (sizeof(deleted) - 1)] = '\0';
	file->path = line + path;
	return true;
}

int
process_files(const char *proc, uint32_t pid, process_file_visitor *visit,
	      void *context)
{
	char *path = alloc_format("%s/%u/maps", proc, pid);
	FILE *maps = fopen(path, "re");
	int status = maps ? 0 : errno == ENOENT ? ERR_NOTFOUND : ERR_DENIED;
	char *line = NULL;
	size_t room = 0;

	for (int i = 0; maps && status == 0 && i < MAPPINGS_MAX; i++) {
		struct process_file file = { .pid = pid };

		errno = 0;
		if (getline(&line, &room, maps) < 0) {
			status = errno == EACCES || errno == EPERM ? ERR_DENIED
								   : 0;
			break;
		}
		if (process_file_parse(line, &file))
			status = visit(context, &file);
	}
	if (maps)
		fclose(maps);
	free(line);
	free(path);
	return status;
}

int
process_files_all(const char *proc, process_file_visitor *visit, void *context)
{
	DIR *directory = opendir(proc);
	const struct dirent *entry;
	int unread = 0;

	while (directory && (entry = readdir(directory)) != NULL) {
		uint64_t pid;
		int status;

		if (!text_u64(bytes_of(entry->d_name), &pid) ||
		    pid > UINT32_MAX)
			continue;
		status = process_files(proc, (uint32_t)pid, visit, context);
		unread += status == ERR_DENIED;
		if (status < 0 && status != ERR_DENIED &&
		    status != ERR_NOTFOUND) {
			unread = status;
			break;
		}
	}
	if (directory)
		closedir(directory);
	return unread;
}

/* Opens a regular file; `inode` 0: whichever it is.  A stranger's path may
 * lead to a device, which opening alone sets going (a watchdog, a tape): so it
 * is looked at before. */
static int
process_open_regular(const char *path, uint64_t inode)
{
	int place = open(path, O_PATH | O_CLOEXEC);
	int fd = ERR_NOTFOUND;
	char again[32];
	struct stat st;

	if (place < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_DENIED;
	if (fstat(place, &st) == 0 && S_ISREG(st.st_mode) &&
	    (inode == 0 || st.st_ino == inode)) {
		snprintf(again, sizeof(again), "/proc/self/fd/%d", place);
		fd = open(again, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fd = ERR_DENIED;
	}
	close(place);
	return fd;
}

int
process_file_open(const char *proc, const struct process_file *file)
{
	char *path = alloc_format("%s/%u/root%s", proc, file->pid, file->path);
	int fd = file->deleted ? ERR_NOTFOUND
			       : process_open_regular(path, file->id.inode);

	if (fd < 0) {
		free(path);
		path = alloc_format("%s/%u/map_files/%" PRIx64 "-%" PRIx64,
				    proc, file->pid, file->start, file->end);
		fd = process_open_regular(path, 0);
	}
	if (fd < 0) {
		free(path);
		path = alloc_format("%s/%u/exe", proc, file->pid);
		fd = process_open_regular(path, file->id.inode);
	}
	free(path);
	return fd;
}

bool
process_file_is_program(const char *proc, const struct process_file *file)
{
	char *path = alloc_format("%s/%u/exe", proc, file->pid);
	struct stat st;
	bool is_program = stat(path, &st) == 0 && st.st_ino == file->id.inode;

	free(path);
	return is_program;
}
