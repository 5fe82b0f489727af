/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/socket_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/map.h"
#include "base/text.h"
#include "capture/identity/process_facts.h"
#include "capture/identity/socket_diag.h"

#define NAMESPACES_MAX ((size_t)4096)
/* Scans after which new namespaces are looked for whatever is known. */
#define NAMESPACES_AGE 10

/* A namespace and a process in it, by which it can be entered. */
struct namespace_entry {
	uint32_t pid;
};

struct socket_scan {
	struct map *namespaces; /* inode → namespace_entry */
	uint64_t own;           /* inode */
	size_t asked;
	uint64_t walks;
	unsigned age;
	char *limits;
};

/* A walk through /proc: which sockets of the list are searched. */
struct walk {
	const struct socket_scan_sink *sink;
	struct map *inodes; /* inode → index in the list */
	const struct socket_list *list;
};

struct socket_scan *
socket_scan_new(void)
{
	struct socket_scan *s = alloc_zero(1, sizeof(*s));
	struct stat info;

	s->namespaces = map_new(sizeof(uint64_t),
				sizeof(struct namespace_entry),
				NAMESPACES_MAX);
	if (stat("/proc/self/ns/net", &info) == 0)
		s->own = info.st_ino;
	return s;
}

void
socket_scan_free(struct socket_scan *s)
{
	if (!s)
		return;
	map_free(s->namespaces);
	free(s->limits);
	free(s);
}

const char *
socket_scan_limits(const struct socket_scan *s)
{
	return s->limits;
}

size_t
socket_scan_namespaces(const struct socket_scan *s)
{
	return s->asked;
}

uint64_t
socket_scan_walks(const struct socket_scan *s)
{
	return s->walks;
}

/* Calls for every process number in /proc. */
static void
each_process(void (*call)(void *, uint32_t), void *context)
{
	DIR *d = opendir("/proc");
	const struct dirent *entry;
	uint64_t pid;

	if (!d)
		return;
	while ((entry = readdir(d)) != NULL)
		if (text_u64(bytes_of(entry->d_name), &pid) &&
		    pid <= UINT32_MAX)
			call(context, (uint32_t)pid);
	closedir(d);
}

static void
note_namespace(void *context, uint32_t pid)
{
	struct socket_scan *s = context;
	char path[64];
	struct stat info;
	uint64_t inode;
	struct namespace_entry *entry;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/net", pid);
	if (stat(path, &info) < 0)
		return;
	inode = info.st_ino;
	entry = map_put(s->namespaces, &inode, NULL);
	if (entry)
		entry->pid = pid;
}

static void
find_namespaces(struct socket_scan *s)
{
	map_free(s->namespaces);
	s->namespaces = map_new(sizeof(uint64_t),
				sizeof(struct namespace_entry),
				NAMESPACES_MAX);
	each_process(note_namespace, s);
	s->age = 0;
	s->walks++;
}

static int
list_all(struct socket_scan *s, struct socket_list *list, struct error *e)
{
	const void *key;
	void *value;
	size_t cursor = 0;
	int rc = socket_diag_list(NULL, list, e);

	s->asked = rc == 0;
	free(s->limits);
	s->limits = NULL;
	while (rc == 0 && map_next(s->namespaces, &cursor, &key, &value)) {
		const struct namespace_entry *entry = value;
		struct error problem;
		char path[64];
		int status;

		if (*(const uint64_t *)key == s->own)
			continue;
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/net",
			 entry->pid);
		status = socket_diag_list(path, list, &problem);
		s->asked += status == 0;
		/* Gone since is no limit. */
		if (status < 0 && status != ERR_NOTFOUND && !s->limits)
			s->limits = alloc_string(problem.text);
	}
	return rc;
}

/* "socket:[1234]" */
static bool
socket_inode(int directory, const char *name, uint64_t *inode)
{
	char target[64];
	ssize_t n = readlinkat(directory, name, target, sizeof(target));
	struct bytes text = bytes_make(target, n > 0 ? (size_t)n : 0);

	if (!bytes_starts_with(text, "socket:[") || text.size < 10)
		return false;
	text = bytes_from(text, 8);
	text.size--;
	return text_u64(text, inode);
}

static void
walk_process(void *context, uint32_t pid)
{
	struct walk *w = context;
	char path[64];
	const struct dirent *entry;
	uint64_t start = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd", pid);
	d = opendir(path);
	if (!d)
		return;
	while ((entry = readdir(d)) != NULL) {
		struct owner_socket found;
		const size_t *index;
		uint64_t inode;

		if (!socket_inode(dirfd(d), entry->d_name, &inode))
			continue;
		index = map_get(w->inodes, &inode);
		if (!index)
			continue;
		if (start == 0)
			start = process_facts_start(pid);
		found = w->list->at[*index];
		found.head.pid = pid;
		found.head.start_ns = start;
		w->sink->found(w->sink->context, &found);
	}
	closedir(d);
}

int
socket_scan_run(struct socket_scan *s, bool thorough,
		const struct socket_scan_sink *sink, struct error *e)
{
	struct socket_list list = { .at = NULL };
	struct walk w = { .sink = sink, .list = &list };
	int rc;

	if (thorough || s->age++ >= NAMESPACES_AGE)
		find_namespaces(s);
	rc = list_all(s, &list, e);
	w.inodes = map_new(sizeof(uint64_t), sizeof(size_t), SOCKET_LIST_MAX);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		const uint64_t inode = list.at[i].inode;
		size_t *index;

		if (sink->known(sink->context, &list.at[i]) && !thorough)
			continue;
		index = map_put(w.inodes, &inode, NULL);
		if (index)
			*index = i;
	}
	if (map_count(w.inodes) > 0) {
		each_process(walk_process, &w);
		s->walks++;
	}
	map_free(w.inodes);
	free(list.at);
	return rc;
}
