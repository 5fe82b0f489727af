/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/descriptor_list.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/map.h"

/* Hashes are keyed: those of two that differ do not meet. */
struct file {
	struct bytes content;
	uint64_t name, hash; /* hashes of the name, of the content */
	uint32_t older;      /* the one before of that name, and 1; 0: none */
	bool contested;      /* there is another one of that name */
};

struct answer {
	struct endpoint server;
	uint32_t file;
	int64_t time_ns;
};

struct descriptor_list {
	struct hash_key key;
	struct arena memory; /* of contents */
	struct buf files, answers;
	struct map *newest; /* hash of a name to the index of a file, and 1 */
	struct endpoint servers[DESCRIPTOR_LIST_SERVERS];
	unsigned server_count;
	uint64_t left_out;
};

struct descriptor_list *
descriptor_list_new(void)
{
	struct descriptor_list *l = alloc_zero(1, sizeof(*l));

	l->key = hash_key_random();
	l->newest = map_new(sizeof(uint64_t), sizeof(uint32_t),
			    DESCRIPTOR_LIST_FILES);
	arena_init(&l->memory, DESCRIPTOR_LIST_BYTES);
	buf_init(&l->files, DESCRIPTOR_LIST_FILES * sizeof(struct file));
	buf_init(&l->answers, DESCRIPTOR_LIST_ANSWERS * sizeof(struct answer));
	return l;
}

void
descriptor_list_free(struct descriptor_list *l)
{
	if (!l)
		return;
	map_free(l->newest);
	arena_free(&l->memory);
	buf_free(&l->files);
	buf_free(&l->answers);
	free(l);
}

static struct file *
files_of(const struct descriptor_list *l, size_t *count)
{
	*count = l->files.size / sizeof(struct file);
	return (struct file *)(void *)l->files.data;
}

static const struct answer *
answers_of(const struct descriptor_list *l, size_t *count)
{
	*count = l->answers.size / sizeof(struct answer);
	return (const struct answer *)(const void *)l->answers.data;
}

/* Keeps a file that is not there yet; false when there is no room. */
static bool
keep(struct descriptor_list *l, struct file *file)
{
	char *copy = arena_string(&l->memory, file->content);
	size_t count;

	(void)files_of(l, &count);
	if (!copy || count == DESCRIPTOR_LIST_FILES)
		return false;
	file->content.data = (const uint8_t *)copy;
	buf_append(&l->files, file, sizeof(*file));
	*(uint32_t *)map_put(l->newest, &file->name, NULL) =
		(uint32_t)count + 1;
	return true;
}

/* The index of the file, kept when it is new. */
static bool
find_or_keep(struct descriptor_list *l, const struct descriptor_event *event,
	     uint32_t *index)
{
	struct file file = {
		.content = event->file,
		.name = hash_bytes(l->key, event->name),
		.hash = hash_bytes(l->key, event->file),
	};
	const uint32_t *newest = map_get(l->newest, &file.name);
	size_t count;
	struct file *files = files_of(l, &count);

	file.older = newest ? *newest : 0;
	for (uint32_t at = file.older; at; at = files[at - 1].older) {
		*index = at - 1;
		if (files[at - 1].hash == file.hash)
			return true;
	}
	*index = (uint32_t)count;
	file.contested = file.older > 0;
	if (!keep(l, &file))
		return false;
	files = files_of(l, &count);
	for (uint32_t at = file.older; at; at = files[at - 1].older)
		files[at - 1].contested = true;
	return true;
}

void
descriptor_list_add(struct descriptor_list *l,
		    const struct descriptor_event *event)
{
	struct answer answer = { .server = event->server,
				 .time_ns = event->time_ns };

	if (find_or_keep(l, event, &answer.file))
		buf_append(&l->answers, &answer, sizeof(answer));
	else
		l->left_out++;
	l->left_out += l->answers.failed;
	l->answers.failed = false;
}

uint64_t
descriptor_list_left_out(const struct descriptor_list *l)
{
	return l->left_out;
}

static bool
is_server(const struct endpoint *server, const uint8_t ip[16], uint16_t port)
{
	return server->port == port && memcmp(server->ip, ip, 16) == 0;
}

unsigned
descriptor_list_group_of(const struct descriptor_list *l, const uint8_t ip[16],
			 uint16_t port)
{
	for (unsigned i = 0; i < l->server_count; i++)
		if (is_server(&l->servers[i], ip, port))
			return i + 1;
	return 0;
}

unsigned
descriptor_list_groups(struct descriptor_list *l)
{
	size_t file_count, count;
	const struct file *files = files_of(l, &file_count);
	const struct answer *answers = answers_of(l, &count);

	l->server_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct endpoint *server = &answers[i].server;

		if (!files[answers[i].file].contested ||
		    descriptor_list_group_of(l, server->ip, server->port) ||
		    l->server_count == DESCRIPTOR_LIST_SERVERS)
			continue;
		l->servers[l->server_count++] = *server;
	}
	return count ? l->server_count + 1 : 0;
}

/* The latest first. */
static int
compare_times(const void *left, const void *right)
{
	const struct answer *a = left, *b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? 1 : -1;
	return a->file < b->file ? -1 : a->file > b->file;
}

/* The contested files of one server, the last of each name. */
static void
give_own(const struct descriptor_list *l, const struct endpoint *server,
	 struct descriptors *out)
{
	struct map *given = map_new(sizeof(uint64_t), 1, DESCRIPTOR_LIST_FILES);
	size_t file_count, count, own = 0;
	const struct file *files = files_of(l, &file_count);
	const struct answer *answers = answers_of(l, &count);
	struct answer *sorted = alloc_zero(count, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		if (files[answers[i].file].contested &&
		    is_server(&answers[i].server, server->ip, server->port))
			sorted[own++] = answers[i];
	qsort(sorted, own, sizeof(*sorted), compare_times);
	for (size_t i = 0; i < own; i++) {
		const struct file *file = &files[sorted[i].file];
		bool added;

		map_put(given, &file->name, &added);
		if (added)
			descriptors_add_file(out, file->content);
	}
	free(sorted);
	map_free(given);
}

void
descriptor_list_give(const struct descriptor_list *l, unsigned group,
		     struct descriptors *out)
{
	size_t count;
	const struct file *files = files_of(l, &count);

	if (group)
		give_own(l, &l->servers[group - 1], out);
	descriptors_rank(out);
	for (size_t i = 0; i < count; i++)
		if (!files[i].contested)
			descriptors_add_file(out, files[i].content);
}
