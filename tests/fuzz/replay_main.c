/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files, and over the files of directories, without
 * libFuzzer; a directory that does not exist is an empty corpus.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_LIMIT (4u << 20)

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *room, *exact;
	size_t size;

	if (!f) {
		perror(path);
		return 1;
	}
	room = malloc(INPUT_LIMIT);
	size = room ? fread(room, 1, INPUT_LIMIT, f) : 0;
	fclose(f);
	exact = malloc(size + !size); /* so that ASan sees an overread */
	if (exact) {
		memcpy(exact, room, size);
		LLVMFuzzerTestOneInput(exact, size);
	}
	free(exact);
	free(room);
	return 0;
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

int
main(int argc, char **argv)
{
	int failures = 0;
	unsigned count = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		int result = replay_directory(argv[i], &count);

		if (result < 0) {
			result = replay_file(argv[i]);
			count++;
		}
		failures += result;
	}
	printf("%u inputs replayed\n", count);
	return failures ? 1 : 0;
}
