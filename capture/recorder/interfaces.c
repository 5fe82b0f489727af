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

struct interfaces {
	struct interface *items;
	size_t count, capacity;
	struct map *numbers; /* interface_key → uint32_t */
	bool changed;
};

struct interfaces *
interfaces_load(const char *path)
{
	struct interfaces *i = alloc_zero(1, sizeof(*i));
	json_t *file;

	i->numbers = map_new(sizeof(struct interface_key), sizeof(uint32_t),
			     INTERFACES_MAX);
	if (json_file_read(path, &file, NULL) < 0)
		return i;
	interfaces_describe(i, json_object_get(file, "interfaces"));
	json_decref(file);
	i->changed = false;
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

uint32_t
interfaces_number(struct interfaces *i, struct interface_key key)
{
	bool added;
	uint32_t *number = map_put(i->numbers, &key, &added);

	if (!number)
		return INTERFACES_MAX - 1;
	if (!added)
		return *number;
	if (i->count == i->capacity) {
		i->capacity = i->capacity * 2 + 16;
		i->items = alloc_resize(i->items, i->capacity,
					sizeof(*i->items));
	}
	*number = (uint32_t)i->count;
	i->items[i->count++] = (struct interface){ .key = key };
	i->changed = true;
	return *number;
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
			json_pack("{s:I,s:I,s:I,s:I,s:s}", "netns",
				  (json_int_t)item->key.netns, "netns_inode",
				  (json_int_t)item->inode, "ifindex",
				  (json_int_t)item->key.ifindex, "link_type",
				  (json_int_t)item->key.link_type, "name",
				  item->name));
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
