/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal_identity.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "capture/identity/identity_table.h"

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

int
seal_identity_write(struct seal_identity *i, struct segment_writer *w,
		    struct error *e)
{
	if (!i->table)
		return 0;
	return identity_table_write(i->table, i->wanted, w, NULL, e);
}
