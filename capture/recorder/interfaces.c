/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/interfaces.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "capture/json_file.h"
#include "capture/link_types.h"

/* Segments in which one is used are noted to so many, or the file would be
 * another after each. */
#define STEP 16u

struct interfaces {
	struct interface *items;
	size_t count, capacity;
	uint32_t segment; /* being sealed */
	uint32_t oldest;  /* what was last used before it is free */
	size_t free;      /* no number below is */
	struct map *numbers; /* interface_key → uint32_t */
	bool changed;
};

static void
interfaces_use(struct interfaces *i, uint32_t number)
{
	uint32_t last = i->segment | (STEP - 1);

	if (i->items[number].last >= last)
		return;
	i->items[number].last = last;
	i->changed = true;
}

/* What the file says of when they were last used; one that says nothing may be
 * in any segment there is. */
static void
interfaces_load_use(struct interfaces *i, json_t *list)
{
	for (size_t at = 0; at < i->count; at++) {
		json_t *last = json_object_get(json_array_get(list, at),
					       "last");

		if (last)
			i->items[at].last =
				(uint32_t)json_integer_value(last);
	}
	/* Numbers in between stay, as others are counted from the first. */
	while (i->count > 0 && i->items[i->count - 1].last < i->oldest)
		map_remove(i->numbers, &i->items[--i->count].key);
}

struct interfaces *
interfaces_load(const char *path, uint32_t segment, uint32_t oldest)
{
	struct interfaces *i = alloc_zero(1, sizeof(*i));
	json_t *file, *list;
	size_t count;

	i->numbers = map_new(sizeof(struct interface_key), sizeof(uint32_t),
			     INTERFACES_MAX);
	i->segment = segment;
	if (json_file_read(path, &file, NULL) < 0)
		return i;
	list = json_object_get(file, "interfaces");
	interfaces_describe(i, list);
	i->oldest = oldest;
	i->free = 0;
	count = i->count;
	interfaces_load_use(i, list);
	i->changed = i->count != count;
	json_decref(file);
	return i;
}

void
interfaces_free(struct interfaces *i)
{
	if (!i)
		return;
	map_free(i->numbers);
	free(i->items);
	free(i);
}

/* A number that nobody has any more, or a new one. */
static uint32_t
interfaces_room(struct interfaces *i)
{
	while (i->free < i->count && i->items[i->free].last >= i->oldest)
		i->free++;
	if (i->free < i->count) {
		map_remove(i->numbers, &i->items[i->free].key);
		return (uint32_t)i->free;
	}
	if (i->count == INTERFACES_MAX)
		return INTERFACES_MAX;
	if (i->count == i->capacity) {
		i->capacity = i->capacity * 2 + 16;
		i->items = alloc_resize(i->items, i->capacity,
					sizeof(*i->items));
	}
	return (uint32_t)i->count++;
}

uint32_t
interfaces_number(struct interfaces *i, struct interface_key key)
{
	uint32_t *known = map_get(i->numbers, &key), number;

	if (known) {
		interfaces_use(i, *known);
		return *known;
	}
	number = interfaces_room(i);
	if (number == INTERFACES_MAX)
		return INTERFACES_MAX - 1;
	i->items[number] = (struct interface){ .key = key };
	interfaces_use(i, number);
	i->changed = true;
	known = map_put(i->numbers, &key, NULL);
	if (known)
		*known = number;
	return number;
}

void
interfaces_note(struct interfaces *i, uint32_t number, const char *name,
		uint64_t inode)
{
	struct interface *known = &i->items[number];

	if (name && strcmp(known->name, name) != 0) {
		snprintf(known->name, sizeof(known->name), "%s", name);
		i->changed = true;
	}
	if (inode && known->inode != inode) {
		known->inode = inode;
		i->changed = true;
	}
}

void
interfaces_describe(struct interfaces *i, json_t *described)
{
	json_t *item;
	size_t at;

	json_array_foreach (described, at, item) {
		const char *name =
			json_string_value(json_object_get(item, "name"));
		struct interface_key key = {
			.netns = (uint64_t)json_integer_value(
				json_object_get(item, "netns")),
			.ifindex = (uint32_t)json_integer_value(
				json_object_get(item, "ifindex")),
			.link_type = (uint32_t)json_integer_value(
				json_object_get(item, "link_type")),
		};
		uint64_t inode = (uint64_t)json_integer_value(
			json_object_get(item, "netns_inode"));

		if (at >= INTERFACES_MAX)
			break;
		interfaces_note(i, interfaces_number(i, key), name, inode);
	}
}

int
interfaces_save(struct interfaces *i, const char *path, struct error *e)
{
	json_t *file, *list;
	int status;

	if (!i->changed)
		return 0;
	list = json_array();
	for (size_t at = 0; at < i->count; at++) {
		const struct interface *item = &i->items[at];

		json_array_append_new(
			list,
			json_pack("{s:I,s:I,s:I,s:I,s:s,s:I}", "netns",
				  (json_int_t)item->key.netns, "netns_inode",
				  (json_int_t)item->inode, "ifindex",
				  (json_int_t)item->key.ifindex, "link_type",
				  (json_int_t)item->key.link_type, "name",
				  item->name, "last", (json_int_t)item->last));
	}
	file = json_pack("{s:i,s:o}", "format", 1, "interfaces", list);
	status = json_file_write(path, file, 0600, e);
	json_decref(file);
	if (status == 0)
		i->changed = false;
	return status;
}

size_t
interfaces_count(const struct interfaces *i)
{
	return i->count;
}

const struct interface *
interfaces_at(const struct interfaces *i, size_t at)
{
	return &i->items[at];
}
