/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's frontend/backend protocol, version 3.  One call is what the
 * server answers with one ReadyForQuery: a simple query, or the extended
 * messages up to Sync.  See postgresql.md.
 */
#include "dissect/proto/postgresql_parts.h"
#include "dissect/registry.h"

/* A longer message is not waited for. */
#define PROBE_SIZE (128u << 10)

/* Detection. */

/* Messages that may come first of what answers a request. */
static bool
may_begin(enum side side, uint8_t type)
{
	return side == SIDE_CLIENT ? strchr("QPBS", type) != NULL
				   : strchr("RT123tnENICGHSAZ", type) != NULL;
}

/* The contents of these are checked; others have only a length to go by. */
static bool
is_checked(enum side side, uint8_t type)
{
	return strchr(side == SIDE_CLIENT ? "QPBDCE" : "ZTDENCSt", type) !=
	       NULL;
}

/* Short messages without contents. */
static bool
is_plain(const struct postgresql_message *message)
{
	return strchr("S123nIsHcX", message->type) && !message->content.size &&
	       message->size == 5;
}

/*
 * Walks over messages: YES when `wanted` of those that are checked, or all that
 * is here, are sound; a message that is not whole is not judged.
 */
static enum verdict
walk(enum side side, struct bytes in, unsigned wanted)
{
	unsigned sound = 0, count = 0;

	while (in.size) {
		struct postgresql_message message;
		enum verdict verdict = postgresql_message(side, in, &message);

		if (verdict == VERDICT_NO ||
		    (!count && !may_begin(side, in.data[0])))
			return VERDICT_NO;
		if (verdict == VERDICT_MAYBE)
			return VERDICT_MAYBE;
		if (in.size < message.size)
			return message.size > PROBE_SIZE ? VERDICT_NO
							 : VERDICT_MAYBE;
		if (is_checked(side, message.type) && !is_plain(&message)) {
			if (!postgresql_is_sound(side, &message))
				return VERDICT_NO;
			sound++;
		}
		count++;
		if (sound >= wanted)
			return VERDICT_YES;
		in = bytes_from(in, message.size);
	}
	return VERDICT_MAYBE;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	enum verdict verdict = VERDICT_MAYBE;
	uint32_t code;

	(void)transport;
	if (client.size && !client.data[0])
		return postgresql_startup(client, &code);
	if (client.size)
		verdict = walk(SIDE_CLIENT, client, 2);
	if (verdict == VERDICT_MAYBE && client.size &&
	    walk(SIDE_CLIENT, client, 1) == VERDICT_YES && server.size)
		return walk(SIDE_SERVER, server, 1);
	if (verdict == VERDICT_MAYBE && server.size && !client.size)
		return walk(SIDE_SERVER, server, 2);
	return verdict;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	uint32_t code;

	if (side == SIDE_CLIENT && !in.data[0])
		return postgresql_startup(in, &code);
	return walk(side, in, 1);
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	return side == SIDE_CLIENT ? postgresql_request(state, in, sink)
				   : postgresql_response(state, in, sink);
}

/* Holes. */

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct postgresql_conn *conn = state;

	(void)pending;
	(void)missing;
	(void)sink;
	if (side == SIDE_SERVER) {
		conn->answering = conn->copy_in = false;
		conn->server_skip = 0;
		conn->encryption_asked = false;
		return false;
	}
	/* What was prepared meanwhile is not known; names may mean others. */
	conn->open = conn->copying = conn->synced = false;
	conn->skipped = conn->skip_ends = false;
	conn->client_skip = 0;
	for (unsigned i = 0; i < POSTGRESQL_PORTALS; i++)
		conn->portals[i].used = 0;
	statements_remove(&conn->statements,
			  statements_name(bytes_make(NULL, 0)), sink);
	return false;
}

static void
release(void *state, struct sink *sink)
{
	struct postgresql_conn *conn = state;

	(void)sink; /* what was kept is given back with the state */
	statements_free(&conn->statements);
}

static const uint16_t ports[] = { 5432, 5433, 6432, 0 };

const struct dissector dissector_postgresql = {
	.name = "postgresql",
	.title = "PostgreSQL",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct postgresql_conn),
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.release = release,
};
