/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal_identity.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/map.h"
#include "capture/identity/identity_table.h"

/* Of a node, in the life of a recording. */
#define NAMESPACES_MAX 65536u

struct seal_identity {
	struct identity_table *table; /* NULL: there is nothing to tell */
	struct identity_wanted *wanted;
};

struct seal_identity *
seal_identity_open(const char *log_path)
{
	struct seal_identity *i = alloc_zero(1, sizeof(*i));

	/* Packets are worth sealing without knowing whose they are. */
	if (identity_table_load(log_path, &i->table, NULL) < 0)
		i->table = NULL;
	i->wanted = identity_wanted_new();
	return i;
}

void
seal_identity_close(struct seal_identity *i)
{
	if (!i)
		return;
	identity_table_free(i->table);
	identity_wanted_free(i->wanted);
	free(i);
}

void
seal_identity_want(struct seal_identity *i, int64_t time_ns, uint16_t link_type,
		   const struct raw_packet *packet)
{
	const struct identity_packet wanted = {
		.time_ns = time_ns,
		.cookie = packet->cookie,
		.netns = packet->netns,
		.link_type = link_type,
		.direction = (uint8_t)packet->direction,
		.data = bytes_make(packet->data, packet->captured),
	};

	if (i->table)
		identity_wanted_packet(i->wanted, &wanted);
}

static void
note_namespace(void *context, uint64_t cookie, uint64_t inode)
{
	uint64_t *known = map_put(context, &cookie, NULL);

	if (known)
		*known = inode;
}

void
seal_identity_namespaces(const struct seal_identity *i,
			 struct interfaces *interfaces)
{
	struct map *inodes;

	if (!i->table)
		return;
	inodes = map_new(sizeof(uint64_t), sizeof(uint64_t), NAMESPACES_MAX);
	identity_table_namespaces(i->table, note_namespace, inodes);
	for (size_t at = 0; at < interfaces_count(interfaces); at++) {
		const struct interface *one = interfaces_at(interfaces, at);
		const uint64_t *inode = map_get(inodes, &one->key.netns);

		if (one->inode == 0 && inode)
			interfaces_note(interfaces, (uint32_t)at, NULL, *inode);
	}
	map_free(inodes);
}

int
seal_identity_write(struct seal_identity *i, struct segment_writer *w,
		    struct error *e)
{
	if (!i->table)
		return 0;
	return identity_table_write(i->table, i->wanted, w, NULL, e);
}
