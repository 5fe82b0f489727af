/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/json_file.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* A manifest of 100,000 segments is about 60 MB, of full ones twice that. */
#define JSON_FILE_MAX ((size_t)256 << 20)

int
json_file_read(const char *path, json_t **object, struct error *e)
{
	json_error_t problem;
	struct buf text;
	int status;

	buf_init(&text, JSON_FILE_MAX);
	status = file_read(path, &text, e);
	if (status == 0) {
		*object = json_loadb((const char *)text.data, text.size,
				     JSON_REJECT_DUPLICATES, &problem);
		if (!json_is_object(*object)) {
			json_decref(*object);
			*object = NULL;
			status = error_set(e, ERR_CORRUPT,
					   "%s is damaged: not a JSON object",
					   path);
		}
	}
	buf_free(&text);
	return status;
}

int
json_file_write(const char *path, const json_t *object, mode_t mode,
		struct error *e)
{
	char *text = json_dumps(object, JSON_INDENT(1));
	int status;

	assert(text); /* every string in it is UTF-8 */
	status = file_write_atomic(path, bytes_of(text), mode, e);
	free(text);
	return status;
}

int
json_file_replace(const char *path, const json_t *object, mode_t mode)
{
	char *temporary = alloc_format("%s.new", path);
	char *text = json_dumps(object, JSON_COMPACT);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
					 O_NOFOLLOW, mode);
	int status = fd < 0 || !text ? ERR_IO : 0;

	if (status == 0)
		status = file_write_all(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	if (status == 0 && rename(temporary, path) < 0)
		status = ERR_IO;
	if (status < 0)
		(void)unlink(temporary);
	free(text);
	free(temporary);
	return status;
}
