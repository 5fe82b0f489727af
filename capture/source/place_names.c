/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/place_names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "capture/bpf/packet_settings.h"
#include "capture/source/namespace.h"

struct place_names {
	struct map *names; /* struct packet_place → struct place_name */
};

/* One look at everything. */
struct survey {
	struct place_names *names;
	struct map *done;  /* inode numbers of namespaces */
	const char *label; /* of the namespace being read */
	uint64_t inode;
	unsigned refused;
	bool blind; /* there may be namespaces that were not looked at */
};

struct place_names *
place_names_new(void)
{
	struct place_names *n = alloc_zero(1, sizeof *n);

	n->names = map_new(sizeof(struct packet_place),
			   sizeof(struct place_name), PLACE_NAMES_MAX);
	return n;
}

void
place_names_free(struct place_names *n)
{
	if (!n)
		return;
	map_free(n->names);
	free(n);
}

/* Runs in the namespace. */
static int
survey_links(void *context)
{
	struct survey *s = context;
	struct packet_place place = { .netns = namespace_cookie() };
	struct link *links;
	size_t count;
	int status = namespace_links(&links, &count, NULL);

	for (size_t i = 0; i < count; i++) {
		struct place_name *name;

		place.ifindex = links[i].ifindex;
		name = map_put(s->names->names, &place, NULL);
		if (!name)
			break;
		memcpy(name->interface, links[i].name, sizeof links[i].name);
		snprintf(name->netns, sizeof name->netns, "%s", s->label);
		name->hardware = links[i].hardware;
		name->inode = s->inode;
	}
	free(links);
	return status;
}

static void
survey_file(struct survey *s, const char *path, const char *label)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;
	char number[32];
	bool added;

	/* Processes come and go. */
	if (fd < 0 && errno != ENOENT && errno != ESRCH)
		s->blind = true;

	if (fd >= 0 && fstat(fd, &about) == 0) {
		uint64_t inode = about.st_ino;

		if (map_put(s->done, &inode, &added) && added) {
			snprintf(number, sizeof number, "net:[%llu]",
				 (unsigned long long)inode);
			s->label = label ? label : number;
			s->inode = inode;
			if (namespace_run(fd, survey_links, s, NULL) < 0)
				s->refused++;
		}
	}
	if (fd >= 0)
		close(fd);
}

static void
survey_directory(struct survey *s, const char *path, bool processes)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		const char *name = entry->d_name;
		char *file;

		if (name[0] == '.' ||
		    (processes && !isdigit((unsigned char)name[0])))
			continue;
		file = alloc_format("%s/%s%s", path, name,
				    processes ? "/ns/net" : "");
		survey_file(s, file, processes ? NULL : name);
		free(file);
	}
	if (directory)
		closedir(directory);
}

/* Forgets the interfaces of namespaces that are gone. */
static void
survey_forget(struct survey *s)
{
	struct map *names = s->names->names;
	const void *key;
	void *value;
	size_t cursor = 0, gone = 0;
	struct packet_place *places =
		alloc_zero(map_count(names) + 1, sizeof *places);

	while (map_next(names, &cursor, &key, &value)) {
		const struct place_name *name = value;

		if (!map_get(s->done, &name->inode))
			places[gone++] = *(const struct packet_place *)key;
	}
	for (size_t i = 0; i < gone; i++)
		map_remove(names, &places[i]);
	free(places);
}

unsigned
place_names_refresh(struct place_names *n)
{
	struct survey s = { .names = n };
	struct stat about;

	s.done = map_new(sizeof(uint64_t), 1, NAMESPACES_MAX);
	s.label = "";
	if (stat("/proc/self/ns/net", &about) == 0) {
		s.inode = about.st_ino;
		map_put(s.done, &s.inode, NULL);
	}
	survey_links(&s); /* our own needs no right */
	survey_directory(&s, "/run/netns", false);
	survey_directory(&s, "/proc", true);
	if (!s.blind && map_count(s.done) < NAMESPACES_MAX)
		survey_forget(&s);
	map_free(s.done);
	return s.refused;
}

const struct place_name *
place_names_find(const struct place_names *n, uint64_t netns, uint32_t ifindex)
{
	struct packet_place place = { .netns = netns, .ifindex = ifindex };

	return map_get(n->names, &place);
}
