/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/home.h"

/* The part of `path` below directory `root` (without a slash), or NULL.  Both
 * are resolved already. */
static const char *
below(const char *root, const char *path)
{
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		n--; /* "/" allows everything */
	if (strncmp(path, root, n) != 0 || path[n] != '/' || !path[n + 1])
		return NULL;
	return path + n + 1;
}

/* open(2) of a path below a directory that fails if any part of it has become
 * a link since it was resolved. */
static int
open_beneath(const char *root, const char *rest, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long fd;

	if (dir < 0)
		return -1;
	fd = syscall(SYS_openat2, dir, rest, &how, sizeof(how));
	close(dir);
	return (int)fd;
}

/* The path of an open file as the kernel has it, or NULL. */
static char *
path_of_fd(int fd)
{
	char name[32], path[PATH_MAX];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, sizeof(path));
	if (n <= 0 || n >= (ssize_t)sizeof(path) || path[0] != '/')
		return NULL;
	return alloc_string_n(path, (size_t)n);
}

static char *
readable_below(const char *root, const char *path)
{
	char *resolved = *path == '/' ? alloc_string(path)
				      : alloc_format("%s/%s", root, path);
	char *canonical = realpath(resolved, NULL);
	const char *rest = canonical ? below(root, canonical) : NULL;
	int fd = rest ? open_beneath(root, rest, O_RDONLY) : -1;
	struct stat status;
	char *out = NULL;

	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		out = path_of_fd(fd);
	if (out && !below(root, out)) {
		free(out);
		out = NULL;
	}
	if (fd >= 0)
		close(fd);
	free(canonical);
	free(resolved);
	return out;
}

/* "/a, /b" of the allowed directories; free(3). */
static char *
allowed_list(const struct tool_config *config)
{
	struct buf list;
	char *text;

	buf_init(&list, 300);
	for (size_t i = 0; i < config->allowed_path_count; i++)
		buf_format(&list, "%s%s", i ? ", " : "",
			   config->allowed_paths[i]);
	text = text_printable(buf_view(&list), 0);
	buf_free(&list);
	return text;
}

char *
paths_readable(const struct tool_config *config, const char *path,
	       struct error *e)
{
	char *shown, *list, *out;

	if (config->allowed_path_count == 0) {
		error_set(e, ERR_DENIED,
			  "this server may read no files: its user has to "
			  "start it with --allow-path DIR");
		return NULL;
	}
	for (size_t i = 0; i < config->allowed_path_count; i++) {
		out = readable_below(config->allowed_paths[i], path);
		if (out)
			return out;
	}
	shown = text_printable(bytes_of(path), 120);
	list = allowed_list(config);
	error_set(e, ERR_DENIED,
		  "\"%s\" is not a readable file below an allowed directory "
		  "(%s); the server's --allow-path DIR allows more", shown,
		  list);
	free(list);
	free(shown);
	return NULL;
}

/* `path` split: the resolved directory (new) and the last name. */
static char *
resolve_directory(const char *exports, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *directory, *resolved;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return realpath(exports, NULL);
	directory = *path == '/'
			    ? alloc_string_n(path, (size_t)(slash - path) + 1)
			    : alloc_format("%s/%.*s", exports,
					   (int)(slash - path), path);
	resolved = realpath(directory, NULL);
	free(directory);
	return resolved;
}

static bool
is_writable_directory(const struct tool_config *config, const char *exports,
		      const char *directory)
{
	/* A name inside stands for the directory itself being allowed. */
	char *inside = alloc_format("%s/x", strcmp(directory, "/") ? directory
								   : "");
	char *own = realpath(exports, NULL);
	bool ok = own && below(own, inside);

	for (size_t i = 0; !ok && i < config->allowed_path_count; i++)
		ok = below(config->allowed_paths[i], inside) != NULL;
	free(own);
	free(inside);
	return ok;
}

static int
check_target(const char *target, bool overwrite, struct error *e)
{
	struct stat status;

	if (lstat(target, &status) != 0)
		return errno == ENOENT
			       ? 0
			       : error_set_errno(e, errno, "cannot use %s",
						 target);
	if (!S_ISREG(status.st_mode))
		return error_set(e, ERR_EXISTS, "%s exists and is no file",
				 target);
	if (!overwrite)
		return error_set(e, ERR_EXISTS,
				 "%s exists; give another path, or "
				 "overwrite: true", target);
	return 0;
}

static char *
writable_in(const struct tool_config *config, const char *exports,
	    const char *path, bool overwrite, struct error *e)
{
	const char *name;
	char *directory = resolve_directory(exports, path, &name);
	char *target = NULL;

	if (!directory ||
	    !is_writable_directory(config, exports, directory)) {
		char *shown = text_printable(bytes_of(path), 120);

		error_set(e, ERR_DENIED,
			  "\"%s\" is not in an existing directory below %s or "
			  "an allowed one; give a plain file name, or start "
			  "the server with --allow-path DIR", shown, exports);
		free(shown);
	} else if (!*name || strcmp(name, ".") == 0 ||
		   strcmp(name, "..") == 0) {
		error_set(e, ERR_INVALID, "the path must end in a file name");
	} else {
		target = alloc_format("%s/%s", strcmp(directory, "/")
						       ? directory : "", name);
		if (check_target(target, overwrite, e) < 0) {
			free(target);
			target = NULL;
		}
	}
	free(directory);
	return target;
}

char *
paths_writable(const struct tool_config *config, const char *path,
	       bool overwrite, struct error *e)
{
	char *exports = home_path(config->home, "exports", NULL);
	char *target = NULL;

	if (file_make_dirs(exports, e) == 0)
		target = writable_in(config, exports, path, overwrite, e);
	free(exports);
	return target;
}
