/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/pod_names.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "capture/identity/container_engine.h"
#include "capture/identity/container_id.h"

#define KEY_SIZE    64
#define NAMES_MAX   8192
#define ENTRIES_MAX 20000 /* of a directory that are looked at */
#define NAME_BYTES_MAX    512

/* Owned; NULL: unknown. */
struct names {
	char *pod, *pod_namespace, *pod_uid, *container;
	const char *mechanism;
};

struct names_key {
	uint8_t text[KEY_SIZE];
};

struct pod_names {
	char *pods_path, *containers_path;
	struct map *containers; /* id → struct names */
	struct map *pods;       /* uid → struct names */
	struct map *asked;      /* ids that the engine was asked about */
	struct container_engine *engine;
	int64_t read_ns;        /* monotonic, of the last reading */
	struct timespec pods_changed, containers_changed;
	bool news;
};

static bool
make_key(struct bytes text, struct names_key *key)
{
	*key = (struct names_key){ .text = { 0 } };
	if (text.size == 0 || text.size > KEY_SIZE)
		return false;
	memcpy(key->text, text.data, text.size);
	return true;
}

static void
names_clear(struct names *names)
{
	free(names->pod);
	free(names->pod_namespace);
	free(names->pod_uid);
	free(names->container);
	*names = (struct names){ .pod = NULL };
}

static void
names_free_all(struct map *m)
{
	const void *key;
	void *value;
	size_t cursor = 0;

	while (map_next(m, &cursor, &key, &value))
		names_clear(value);
	map_free(m);
}

static struct map *
names_map(void)
{
	return map_new(sizeof(struct names_key), sizeof(struct names),
		       NAMES_MAX);
}

struct pod_names *
pod_names_new(const char *root)
{
	struct pod_names *n = alloc_zero(1, sizeof(*n));

	n->pods_path = alloc_format("%s/var/log/pods", root);
	n->containers_path = alloc_format("%s/var/log/containers", root);
	n->containers = names_map();
	n->pods = names_map();
	n->asked = map_new(sizeof(struct names_key), 0, NAMES_MAX);
	n->engine = container_engine_new(root);
	n->read_ns = INT64_MIN;
	return n;
}

void
pod_names_free(struct pod_names *n)
{
	if (!n)
		return;
	container_engine_free(n->engine);
	names_free_all(n->containers);
	names_free_all(n->pods);
	map_free(n->asked);
	free(n->pods_path);
	free(n->containers_path);
	free(n);
}

/* Splits "a_b_c" at its first two underscores; false when there are fewer. */
static bool
split_three(struct bytes in, struct bytes parts[3])
{
	for (int i = 0; i < 2; i++) {
		const uint8_t *mark = in.size
					      ? memchr(in.data, '_', in.size)
					      : NULL;

		if (!mark)
			return false;
		parts[i] = bytes_make(in.data, (size_t)(mark - in.data));
		in = bytes_from(in, parts[i].size + 1);
	}
	parts[2] = in;
	return parts[0].size && parts[1].size && parts[2].size;
}

static char *
copy(struct bytes in)
{
	return alloc_string_n(in.data, in.size);
}

/* The container of a pod's directory when there is but one. */
static char *
only_container(const char *pods_path, const char *directory)
{
	char *path = alloc_format("%s/%s", pods_path, directory);
	DIR *d = opendir(path);
	const struct dirent *entry;
	char *only = NULL;
	int count = 0;

	free(path);
	if (!d)
		return NULL;
	while (count < 2 && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		free(only);
		only = alloc_string(entry->d_name);
	}
	closedir(d);
	if (count == 1)
		return only;
	free(only);
	return NULL;
}

static void
add_pod(struct pod_names *n, const char *directory)
{
	struct bytes parts[3];
	struct names_key key;
	struct names *names;

	if (!split_three(bytes_of(directory), parts) ||
	    !make_key(parts[2], &key))
		return;
	names = map_put(n->pods, &key, NULL);
	if (!names)
		return;
	names_clear(names);
	*names = (struct names){
		.pod_namespace = copy(parts[0]),
		.pod = copy(parts[1]),
		.pod_uid = copy(parts[2]),
		.container = only_container(n->pods_path, directory),
		.mechanism = "log directory",
	};
}

/* "<pod>_<namespace>_<container>-<64 digits>.log" */
static void
add_container(struct pod_names *n, const char *file)
{
	static const char ending[] = ".log";
	struct bytes name = bytes_of(file), parts[3], id;
	struct names_key key;
	struct names *names;

	if (name.size < sizeof(ending) - 1 + KEY_SIZE + 1)
		return;
	name.size -= sizeof(ending) - 1;
	id = bytes_from(name, name.size - KEY_SIZE);
	name.size -= KEY_SIZE;
	if (name.data[--name.size] != '-' || !make_key(id, &key) ||
	    !split_three(name, parts))
		return;
	names = map_put(n->containers, &key, NULL);
	if (!names)
		return;
	names_clear(names);
	*names = (struct names){
		.pod = copy(parts[0]),
		.pod_namespace = copy(parts[1]),
		.container = copy(parts[2]),
		.mechanism = "log directory",
	};
}

static void
read_directory(struct pod_names *n, const char *path,
	       void (*add)(struct pod_names *, const char *))
{
	DIR *d = opendir(path);
	const struct dirent *entry;

	if (!d)
		return;
	for (int i = 0; i < ENTRIES_MAX && (entry = readdir(d)) != NULL; i++)
		if (entry->d_name[0] != '.' &&
		    strlen(entry->d_name) < NAME_BYTES_MAX)
			add(n, entry->d_name);
	closedir(d);
}

static struct timespec
changed_at(const char *path)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return (struct timespec){ .tv_sec = 0 };
	return info.st_mtim;
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Reads the directories again when they changed; true when it did. */
static bool
refresh(struct pod_names *n)
{
	int64_t now = clock_monotonic_ns();
	struct timespec pods, containers;

	if (n->read_ns != INT64_MIN && now - n->read_ns < CLOCK_NS_PER_S)
		return false;
	pods = changed_at(n->pods_path);
	containers = changed_at(n->containers_path);
	if (n->read_ns != INT64_MIN && same_time(pods, n->pods_changed) &&
	    same_time(containers, n->containers_changed))
		return false;
	n->read_ns = now;
	n->pods_changed = pods;
	n->containers_changed = containers;
	/* Pods come and go for years: only those that are there now. */
	names_free_all(n->pods);
	n->pods = names_map();
	if (map_count(n->containers) >= NAMES_MAX) {
		names_free_all(n->containers);
		n->containers = names_map();
	}
	read_directory(n, n->pods_path, add_pod);
	read_directory(n, n->containers_path, add_container);
	return true;
}

static bool
look_up(const struct pod_names *n, struct bytes id, struct bytes uid,
	struct pod_name *out)
{
	struct names_key key;
	const struct names *container = NULL, *pod = NULL, *first;

	if (make_key(id, &key))
		container = map_get(n->containers, &key);
	if (make_key(uid, &key))
		pod = map_get(n->pods, &key);
	first = container ? container : pod;
	if (!first)
		return false;
	*out = (struct pod_name){
		.pod = bytes_of(first->pod),
		.pod_namespace = bytes_of(first->pod_namespace),
		.pod_uid = uid.size ? uid : bytes_of(first->pod_uid),
		.container = bytes_of(first->container),
		.mechanism = first->mechanism,
	};
	return true;
}

static void
take_answers(struct pod_names *n)
{
	struct container_labels labels;
	struct names_key key;
	struct names *names;

	while (container_engine_take(n->engine, &labels)) {
		names = make_key(bytes_of(labels.id), &key)
				? map_put(n->containers, &key, NULL)
				: NULL;
		if (names) {
			names_clear(names);
			*names = (struct names){
				.pod = labels.pod,
				.pod_namespace = labels.pod_namespace,
				.pod_uid = labels.pod_uid,
				.container = labels.container,
				.mechanism = "container engine",
			};
			free(labels.id);
			n->news = true;
		} else {
			container_labels_free(&labels);
		}
	}
}

static void
ask(struct pod_names *n, struct bytes id)
{
	struct names_key key;
	struct container_id parsed;
	bool added;

	/* Only what cannot break out of a request line. */
	if (!container_engine_present(n->engine) || id.size != KEY_SIZE ||
	    !container_id_parse(id, &parsed) || !make_key(id, &key))
		return;
	if (!map_put(n->asked, &key, &added)) {
		map_free(n->asked);
		n->asked = map_new(sizeof(struct names_key), 0, NAMES_MAX);
		return;
	}
	if (added && !container_engine_ask(n->engine, id))
		map_remove(n->asked, &key);
}

bool
pod_names_find(struct pod_names *n, struct bytes container_id,
	       struct bytes pod_uid, struct pod_name *out)
{
	if (container_id.size == 0 && pod_uid.size == 0)
		return false;
	take_answers(n);
	if (look_up(n, container_id, pod_uid, out) && out->container.size)
		return true;
	if (refresh(n))
		n->news = true;
	if (look_up(n, container_id, pod_uid, out))
		return true;
	ask(n, container_id);
	return false;
}

bool
pod_names_news(struct pod_names *n)
{
	bool news;

	take_answers(n);
	news = n->news;
	n->news = false;
	return news;
}

bool
pod_names_has_logs(const struct pod_names *n)
{
	return changed_at(n->pods_path).tv_sec != 0 ||
	       changed_at(n->containers_path).tv_sec != 0;
}

bool
pod_names_has_engine(const struct pod_names *n)
{
	return container_engine_present(n->engine);
}

size_t
pod_names_count(const struct pod_names *n)
{
	return map_count(n->containers) + map_count(n->pods);
}
