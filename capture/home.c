/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/home.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* A variable's value when it is set to something. */
static const char *
home_variable(const char *name)
{
	const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe) */

	return value && value[0] ? value : NULL;
}

static char *
home_default(void)
{
	const char *value = home_variable("AFTERTAP_HOME");

	if (value)
		return alloc_string(value);
	value = home_variable("STATE_DIRECTORY");
	if (value) /* systemd separates several by colons; the first is ours */
		return alloc_string_n(value, strcspn(value, ":"));
	value = home_variable("XDG_DATA_HOME");
	if (value && value[0] == '/')
		return alloc_format("%s/aftertap", value);
	value = home_variable("HOME");
	return value ? alloc_format("%s/.local/share/aftertap", value) : NULL;
}

/* `path` made absolute and without trailing slashes; takes ownership. */
static char *
home_absolute(char *path)
{
	char *cwd, *absolute;
	size_t size = strlen(path);

	while (size > 1 && path[size - 1] == '/')
		path[--size] = '\0';
	if (path[0] == '/')
		return path;
	cwd = getcwd(NULL, 0);
	absolute = alloc_format("%s/%s", cwd ? cwd : ".", path);
	free(cwd);
	free(path);
	return absolute;
}

char *
home_open(const char *override_path, struct error *e)
{
	char *home = override_path && override_path[0]
			     ? alloc_string(override_path)
			     : home_default();

	if (!home) {
		error_set(e, ERR_INVALID,
			  "no home directory: set AFTERTAP_HOME or HOME");
		return NULL;
	}
	home = home_absolute(home);
	if (file_make_dirs(home, e) < 0) {
		free(home);
		return NULL;
	}
	return home;
}

char *
home_path(const char *home, ...)
{
	char *path = alloc_string(home);
	const char *part;
	va_list parts;

	va_start(parts, home);
	while ((part = va_arg(parts, const char *)) != NULL) {
		char *longer = alloc_format("%s/%s", path, part);

		free(path);
		path = longer;
	}
	va_end(parts);
	return path;
}
