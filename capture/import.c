/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/capture.h"
#include "capture/home.h"
#include "capture/import_file.h"
#include "capture/json_file.h"
#include "capture/key_log.h"
#include "capture/staging.h"

#define NAME_MAX_SIZE 100

/* Cuts `suffix` off the end; true when it was there and not all there is. */
static bool
import_cut_suffix(char *name, const char *suffix)
{
	size_t size = strlen(name), cut = strlen(suffix);

	if (size <= cut || strcmp(name + size - cut, suffix) != 0)
		return false;
	name[size - cut] = '\0';
	return true;
}

/* A capture name made of a file name; free(3). */
static char *
import_default_name(const char *file)
{
	static const char *const packings[] = { ".gz", ".zst", ".lz4" };
	static const char *const formats[] = { ".pcap", ".pcapng", ".cap",
					       ".dmp", ".ntar" };
	const char *slash = strrchr(file, '/');
	char *name;
	bool done = false;

	if (strcmp(file, "-") == 0)
		return alloc_string("stdin");
	file = slash ? slash + 1 : file;
	file += strspn(file, ".-");
	name = alloc_string(file[0] ? file : "capture");
	for (size_t i = 0; i < 3 && !done; i++)
		done = import_cut_suffix(name, packings[i]);
	done = false;
	for (size_t i = 0; i < 5 && !done; i++)
		done = import_cut_suffix(name, formats[i]);
	if (strlen(name) > NAME_MAX_SIZE)
		name[NAME_MAX_SIZE] = '\0';
	for (char *at = name; *at; at++) {
		char one[2] = { *at, '\0' };

		if (*at != '.' && *at != '-' && !text_is_name(one))
			*at = '-';
	}
	return name;
}

static const char *
import_file_name(const char *file)
{
	return strcmp(file, "-") == 0 ? "standard input" : file;
}

/* Finds what is wrong with the files before anything is read. */
static int
import_check_files(struct import *import, struct error *e)
{
	const struct import_request *request = import->request;
	bool known = true;
	uint64_t total = 0;

	if (request->file_count == 0)
		return error_set(e, ERR_INVALID, "no file to import");
	for (size_t i = 0; i < request->file_count; i++) {
		const char *file = request->files[i];
		struct stat st;

		if (strcmp(file, "-") == 0) {
			known = false;
			continue;
		}
		if (stat(file, &st) < 0)
			return error_set_errno(e, errno, "cannot read %s",
					       file);
		if (S_ISDIR(st.st_mode))
			return error_set(e, ERR_INVALID,
					 "%s is a directory; give its files",
					 file);
		known = known && S_ISREG(st.st_mode);
		total += (uint64_t)st.st_size;
	}
	import->progress.bytes_total = known ? total : 0;
	return 0;
}

static int
import_one(struct import *import, uint32_t number, struct error *e)
{
	const char *file = import->request->files[number];
	bool standard_input = strcmp(file, "-") == 0;
	int fd = standard_input ? STDIN_FILENO
				: open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *shown;
	int status;

	if (fd < 0)
		return error_set_errno(e, errno, "cannot read %s", file);
	shown = text_printable(bytes_of(import_file_name(file)), 0);
	import->file_number = number;
	status = segment_writer_stream(import->writer, number, e);
	if (status == 0)
		status = import_file(import, fd, shown, e);
	free(shown);
	if (!standard_input)
		close(fd);
	return status;
}

static json_t *
import_text(const char *text)
{
	char *shown = text_printable(bytes_of(text), 0);
	json_t *string = json_string(shown);

	free(shown);
	return string;
}

static json_t *
import_describe(const struct import *import, const char *name)
{
	const struct import_request *request = import->request;
	json_t *object = json_object();
	json_t *sources = json_array();
	char host[256] = "localhost";

	gethostname(host, sizeof(host) - 1);
	for (size_t i = 0; i < request->file_count; i++)
		json_array_append_new(sources, import_text(request->files[i]));
	json_object_set_new(object, "format", json_integer(1));
	json_object_set_new(object, "name", json_string(name));
	json_object_set_new(object, "node",
			    import_text(request->node ? request->node : host));
	json_object_set_new(object, "kind", json_string("import"));
	json_object_set_new(object, "source", sources);
	json_object_set_new(object, "created",
			    segment_time_json(clock_wall_ns()));
	segment_index_set_totals(object, segment_writer_total(import->writer));
	json_object_set_new(object, "segments",
			    json_integer(segment_writer_count(import->writer)));
	json_object_set_new(object, "state", json_string("ready"));
	json_object_set_new(object, "progress", json_integer(100));
	json_object_set(object, "warnings", import->warnings);
	return object;
}

/* Writes capture.json and makes the whole visible. */
static int
import_publish(const struct import *import, const char *staged,
	       const char *final, json_t **capture, struct error *e)
{
	json_t *object = import_describe(import, strrchr(final, '/') + 1);
	char *path = home_path(staged, "capture.json", NULL);
	int status = json_file_write(path, object, 0644, e);

	if (status == 0)
		status = staging_publish(staged, final, e);
	if (status == 0 && capture)
		*capture = json_incref(object);
	free(path);
	json_decref(object);
	return status;
}

/* Writes the secrets that came with the files, and those of the key log, to a
 * file of their own. */
static int
import_secrets(struct import *import, const char *staged, struct error *e)
{
	const char *key_log = import->request->key_log;
	struct secret_list *secrets = &import->secrets;
	char *path = home_path(staged, "secrets.keys", NULL);
	int status = 0, fd = -1;
	struct buf out;

	if (key_log)
		status = key_log_visit_file(key_log, 0, secrets_list_add,
					    secrets, e);
	buf_init(&out, SECRETS_FILE_MAX);
	for (size_t i = 0; status == 0 && i < secrets->count; i++)
		secrets_encode(&out, &secrets->items[i]);
	if (status == 0 && out.size) {
		fd = secrets_open(path, e);
		status = fd < 0 ? fd : secrets_append(fd, buf_view(&out));
		if (fd >= 0 && status < 0)
			error_set(e, status, "cannot write %s: %s", path,
				  err_text(status));
	}
	if (fd >= 0)
		close(fd);
	if (out.data)
		explicit_bzero(out.data, out.size);
	buf_free(&out);
	free(path);
	return status;
}

/* Everything between the empty staging directory and its publication. */
static int
import_fill(struct import *import, const char *staged, struct error *e)
{
	const struct import_request *request = import->request;
	char *directory = home_path(staged, "segments", NULL);
	struct segment_settings settings = {
		.directory = directory,
		.segment_bytes = request->segment_bytes,
		.segment_ns = request->segment_ns,
		.compression_level = request->compression_level,
	};
	int status = file_make_dirs(directory, e);

	import->writer = segment_writer_new(&settings);
	for (uint32_t i = 0; i < request->file_count && status == 0; i++)
		status = import_one(import, i, e);
	if (status == 0)
		status = segment_writer_finish(import->writer, e);
	if (status == 0)
		status = import_secrets(import, staged, e);
	secrets_free(&import->secrets);
	free(directory);
	return status;
}

static int
import_run(struct import *import, const char *home, const char *final,
	   json_t **capture, struct error *e)
{
	char *parent = home_path(home, "captures", NULL);
	char *staged = staging_create(parent, e);
	int status;

	free(parent);
	if (!staged)
		return e && e->code ? e->code : ERR_IO;
	status = import_fill(import, staged, e);
	if (status == 0)
		status = import_publish(import, staged, final, capture, e);
	segment_writer_free(import->writer);
	if (status < 0)
		staging_discard(staged);
	free(staged);
	return status;
}

/* Fills in what went wrong when two made the same name at once, too. */
static int
import_name_taken(const char *name, struct error *e)
{
	return error_set(e, ERR_EXISTS,
			 "a capture named \"%s\" exists already; choose "
			 "another name or delete it first",
			 name);
}

int
capture_import(const char *home, const struct import_request *request,
	       json_t **capture, struct error *e)
{
	struct error ignored;
	struct import import = { .request = request };
	char *name, *final;
	int status;

	e = e ? e : &ignored;
	e->code = 0;
	status = import_check_files(&import, e);
	if (status < 0)
		return status;
	name = request->name ? alloc_string(request->name)
			     : import_default_name(request->files[0]);
	final = home_path(home, "captures", name, NULL);
	import.warnings = json_array();
	if (!text_is_name(name))
		status = error_set(e, ERR_INVALID,
				   "\"%s\" is not a name for a capture: use 1 "
				   "to 100 letters, digits, '.', '_' and '-', "
				   "beginning with a letter or digit",
				   name);
	else if (file_exists(final))
		status = import_name_taken(name, e);
	else
		status = import_run(&import, home, final, capture, e);
	if (status == ERR_EXISTS)
		status = import_name_taken(name, e);
	json_decref(import.warnings);
	free(final);
	free(name);
	return status;
}
