/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/inventory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/home.h"
#include "capture/json_file.h"

#define BLOCK_SIZE 512u /* of st_blocks */
#define NUMBER_MAX 99999999u

struct inventory {
	char *directory, *segments, *raw;
	struct segment_index *sealed; /* by number */
	size_t count, capacity;
	uint32_t *waiting; /* raw, by number */
	size_t waiting_count, waiting_capacity;
	uint32_t *unreadable; /* entries, by number */
	size_t unreadable_count, unreadable_capacity;
	uint32_t largest;
};

static char *
inventory_path(const char *folder, uint32_t number, const char *suffix)
{
	return alloc_format("%s/%06u%s", folder, number, suffix);
}

/* The number in front of `suffix` in a file's name; 0: another file. */
static uint32_t
inventory_number(const char *name, const char *suffix)
{
	size_t size = strlen(name), end = strlen(suffix);
	uint64_t number;

	if (size <= end || strcmp(name + size - end, suffix) != 0 ||
	    !text_u64(bytes_make(name, size - end), &number) ||
	    number > NUMBER_MAX)
		return 0;
	return (uint32_t)number;
}

static bool
inventory_read(const struct inventory *i, uint32_t number,
	       struct segment_index *index)
{
	char *path = inventory_path(i->segments, number, ".json");
	json_t *entry;
	bool good = false;

	if (json_file_read(path, &entry, NULL) == 0) {
		good = segment_index_parse(entry, index) == 0;
		json_decref(entry);
	}
	free(path);
	return good;
}

static void
inventory_add(struct inventory *i, const struct segment_index *index)
{
	if (i->count == i->capacity) {
		i->capacity = i->capacity * 2 + 64;
		i->sealed = alloc_resize(i->sealed, i->capacity,
					 sizeof(*i->sealed));
	}
	i->sealed[i->count++] = *index;
	if (index->number > i->largest)
		i->largest = index->number;
}

static void
inventory_append(uint32_t **list, size_t *count, size_t *capacity,
		 uint32_t number)
{
	if (*count == *capacity) {
		*capacity = *capacity * 2 + 16;
		*list = alloc_resize(*list, *capacity, sizeof(**list));
	}
	(*list)[(*count)++] = number;
}

void
inventory_add_raw(struct inventory *i, uint32_t number)
{
	inventory_append(&i->waiting, &i->waiting_count, &i->waiting_capacity,
			 number);
	if (number > i->largest)
		i->largest = number;
}

/* Its number must not be given again: the segment would seem to be sealed. */
static void
inventory_add_unreadable(struct inventory *i, uint32_t number)
{
	inventory_append(&i->unreadable, &i->unreadable_count,
			 &i->unreadable_capacity, number);
	if (number > i->largest)
		i->largest = number;
}

static int
inventory_by_number(const void *a, const void *b)
{
	const struct segment_index *left = a, *right = b;

	return (left->number > right->number) - (left->number < right->number);
}

static int
inventory_by_value(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* One file of segments/: an entry counts, data without one is a leftover. */
static void
inventory_scan_segment(struct inventory *i, const char *name)
{
	uint32_t number = inventory_number(name, ".json");
	struct segment_index index;
	char *path;

	if (number && inventory_read(i, number, &index))
		inventory_add(i, &index);
	else if (number)
		inventory_add_unreadable(i, number);
	if (number)
		return;
	number = inventory_number(name, SEGMENT_SUFFIX);
	if (!number)
		return;
	path = inventory_path(i->segments, number, ".json");
	if (!file_exists(path)) {
		free(path);
		path = inventory_path(i->segments, number, SEGMENT_SUFFIX);
		(void)unlink(path);
	}
	free(path);
}

static void
inventory_scan(struct inventory *i, bool sealed)
{
	DIR *directory = opendir(sealed ? i->segments : i->raw);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)) != NULL) {
		uint32_t number = inventory_number(entry->d_name, ".raw");
		uint32_t damaged = inventory_number(entry->d_name, ".damaged");

		if (sealed)
			inventory_scan_segment(i, entry->d_name);
		else if (number)
			inventory_add_raw(i, number);
		else if (damaged > i->largest)
			i->largest = damaged;
	}
	if (directory)
		closedir(directory);
}

/* In their order; those whose raw segment waits will be made anew. */
static void
inventory_sort_unreadable(struct inventory *i)
{
	size_t kept = 0;

	if (i->unreadable_count > 0)
		qsort(i->unreadable, i->unreadable_count,
		      sizeof(*i->unreadable), inventory_by_value);
	for (size_t k = 0; k < i->unreadable_count; k++)
		if (i->waiting_count == 0 ||
		    !bsearch(&i->unreadable[k], i->waiting, i->waiting_count,
			     sizeof(*i->waiting), inventory_by_value))
			i->unreadable[kept++] = i->unreadable[k];
	i->unreadable_count = kept;
}

int
inventory_load(const char *directory, struct inventory **out, struct error *e)
{
	struct inventory *i = alloc_zero(1, sizeof(*i));
	int status;

	i->directory = alloc_string(directory);
	i->segments = home_path(directory, "segments", NULL);
	i->raw = home_path(directory, "raw", NULL);
	status = file_make_dirs(i->segments, e);
	if (status == 0)
		status = file_make_dirs(i->raw, e);
	if (status < 0) {
		inventory_free(i);
		return status;
	}
	inventory_scan(i, true);
	inventory_scan(i, false);
	if (i->count > 0)
		qsort(i->sealed, i->count, sizeof(*i->sealed),
		      inventory_by_number);
	if (i->waiting_count > 0)
		qsort(i->waiting, i->waiting_count, sizeof(*i->waiting),
		      inventory_by_value);
	inventory_sort_unreadable(i);
	*out = i;
	return 0;
}

void
inventory_free(struct inventory *i)
{
	if (!i)
		return;
	free(i->sealed);
	free(i->waiting);
	free(i->unreadable);
	free(i->segments);
	free(i->raw);
	free(i->directory);
	free(i);
}

uint32_t
inventory_next(const struct inventory *i)
{
	return i->largest + 1;
}

uint32_t
inventory_first_raw(const struct inventory *i)
{
	return i->waiting_count > 0 ? i->waiting[0] : 0;
}

size_t
inventory_raw_count(const struct inventory *i)
{
	return i->waiting_count;
}

bool
inventory_waits(const struct inventory *i, uint32_t number)
{
	return i->waiting_count > 0 && i->waiting[0] <= number;
}

static bool
inventory_has_entry(const struct inventory *i, uint32_t number)
{
	char *path = inventory_path(i->segments, number, ".json");
	bool there = file_exists(path);

	free(path);
	return there;
}

int
inventory_sealed(struct inventory *i, uint32_t number)
{
	struct segment_index index;
	size_t kept = 0;

	for (size_t k = 0; k < i->waiting_count; k++)
		if (i->waiting[k] != number)
			i->waiting[kept++] = i->waiting[k];
	i->waiting_count = kept;
	if (!inventory_read(i, number, &index))
		return inventory_has_entry(i, number) ? ERR_CORRUPT : 0;
	for (size_t k = i->count; k-- > 0;)
		if (i->sealed[k].number == number)
			return 0;
	inventory_add(i, &index);
	return 0;
}

uint32_t
inventory_unreadable(const struct inventory *i, uint32_t after,
		     int64_t *written_ns)
{
	struct stat info;
	char *path;
	size_t k = 0;

	while (k < i->unreadable_count && i->unreadable[k] <= after)
		k++;
	if (k == i->unreadable_count)
		return 0;
	path = inventory_path(i->segments, i->unreadable[k], ".json");
	*written_ns = stat(path, &info) == 0
			      ? (int64_t)info.st_mtim.tv_sec * CLOCK_NS_PER_S +
					info.st_mtim.tv_nsec
			      : 0;
	free(path);
	return i->unreadable[k];
}

size_t
inventory_count(const struct inventory *i)
{
	return i->count;
}

struct segment_index
inventory_totals(const struct inventory *i)
{
	struct segment_index sum = { 0 };

	for (size_t k = 0; k < i->count; k++)
		segment_index_add(&sum, &i->sealed[k]);
	return sum;
}

static uint64_t
inventory_folder(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	struct stat info;
	uint64_t sum = 0;

	while (directory && (entry = readdir(directory)) != NULL)
		if (fstatat(dirfd(directory), entry->d_name, &info,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(info.st_mode))
			sum += (uint64_t)info.st_blocks * BLOCK_SIZE;
	if (directory)
		closedir(directory);
	return sum;
}

uint64_t
inventory_disk(const struct inventory *i)
{
	uint64_t sum = inventory_folder(i->directory) +
		       inventory_folder(i->raw);

	/* Sealed ones do not change; a stat of each would be a thousand. */
	for (size_t k = 0; k < i->count; k++)
		sum += (i->sealed[k].stored_bytes + 8191) & ~UINT64_C(4095);
	return sum;
}

bool
inventory_evict(struct inventory *i, struct segment_index *gone)
{
	char *entry, *data;

	if (i->count == 0)
		return false;
	*gone = i->sealed[0];
	entry = inventory_path(i->segments, gone->number, ".json");
	data = inventory_path(i->segments, gone->number, SEGMENT_SUFFIX);
	(void)unlink(entry);
	(void)unlink(data);
	free(entry);
	free(data);
	i->count--;
	memmove(i->sealed, i->sealed + 1, i->count * sizeof(*i->sealed));
	return true;
}

uint32_t
inventory_oldest_raw(const struct inventory *i, uint32_t except)
{
	for (size_t k = 0; k < i->waiting_count; k++)
		if (i->waiting[k] != except)
			return i->waiting[k];
	return 0;
}

void
inventory_return_raw(struct inventory *i, uint32_t number)
{
	inventory_add_raw(i, number);
	qsort(i->waiting, i->waiting_count, sizeof(*i->waiting),
	      inventory_by_value);
}
