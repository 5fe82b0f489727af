/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files, and over the files of directories, without
 * libFuzzer; a directory that does not exist is an empty corpus.  With "-" the
 * inputs come on stdin, each after its size (32 bits, this machine's order),
 * and a byte on stdout says that one is done.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_LIMIT (4u << 20)

/* From a copy of exactly that size, so that ASan sees an overread. */
static void
replay_bytes(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size + !size);

	if (exact) {
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
	}
	free(exact);
}

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *room;
	size_t size;

	if (!f) {
		perror(path);
		return 1;
	}
	room = malloc(INPUT_LIMIT);
	size = room ? fread(room, 1, INPUT_LIMIT, f) : 0;
	fclose(f);
	replay_bytes(room, size);
	free(room);
	return 0;
}

static int
replay_stdin(unsigned *count)
{
	uint8_t *room = malloc(INPUT_LIMIT);
	uint32_t size;
	int failures = !room;

	while (room && fread(&size, sizeof(size), 1, stdin) == 1) {
		if (size > INPUT_LIMIT || fread(room, 1, size, stdin) != size ||
		    (replay_bytes(room, size), write(1, ".", 1) != 1)) {
			failures = 1;
			break;
		}
		++*count;
	}
	free(room);
	return failures;
}

static int
replay_directory(const char *path, unsigned *count)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char file[PATH_MAX];
	int failures = 0;

	if (!directory)
		return errno == ENOENT ? 0 : errno == ENOTDIR ? -1 : 1;
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		failures += replay_file(file);
		++*count;
	}
	closedir(directory);
	return failures;
}

static int
replay(const char *path, unsigned *count)
{
	int result;

	if (!strcmp(path, "-"))
		return replay_stdin(count);
	result = replay_directory(path, count);
	if (result >= 0)
		return result;
	++*count;
	return replay_file(path);
}

int
main(int argc, char **argv)
{
	int failures = 0;
	unsigned count = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		failures += replay(argv[i], &count);
	fprintf(stderr, "%u inputs replayed\n", count);
	return failures ? 1 : 0;
}
