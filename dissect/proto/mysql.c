/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MySQL's client/server protocol, version 10, of MySQL and MariaDB.  One call
 * is a command with all of its results.  See mysql.md.
 */
#include "dissect/proto/mysql_parts.h"
#include "dissect/registry.h"

/* A command that so many bytes do not show is not waited for. */
#define PROBE_ENOUGH 64

/* Detection. */

/* A packet, or a compressed frame that has one. */
static enum verdict
either(enum verdict verdict, enum side side, struct bytes in)
{
	enum verdict compressed = VERDICT_NO;

	if (verdict != VERDICT_YES)
		compressed = mysql_is_compressed(side, in);
	return compressed > verdict ? compressed : verdict;
}

static enum verdict
probe_client(struct bytes in)
{
	struct mysql_packet packet;
	enum verdict verdict;

	if (mysql_packet(in, &packet) != VERDICT_YES)
		return VERDICT_MAYBE;
	if (packet.sequence)
		return mysql_login(&packet);
	verdict = mysql_command(&packet);
	if (verdict == VERDICT_MAYBE && in.size >= PROBE_ENOUGH)
		verdict = VERDICT_NO;
	return either(verdict, SIDE_CLIENT, in);
}

static enum verdict
probe_server(struct bytes in)
{
	struct mysql_packet packet;
	enum verdict verdict;

	if (mysql_packet(in, &packet) != VERDICT_YES)
		return VERDICT_MAYBE;
	if (!packet.sequence && (verdict = mysql_greeting(&packet)))
		return verdict;
	return either(mysql_answer(in), SIDE_SERVER, in);
}

static bool
is_whole_answer(struct bytes in)
{
	struct mysql_packet packet;

	return mysql_packet(in, &packet) == VERDICT_YES &&
	       in.size == packet.size && mysql_answer(in) != VERDICT_NO;
}

/* A command that many other bytes may be is one if an answer follows. */
static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	struct mysql_packet packet;
	enum verdict verdict;

	(void)transport;
	if (!client.size)
		return probe_server(server);
	verdict = probe_client(client);
	if (verdict == VERDICT_MAYBE && is_whole_answer(server) &&
	    mysql_packet(client, &packet) == VERDICT_YES &&
	    client.size == packet.size &&
	    mysql_command(&packet) != VERDICT_NO)
		return VERDICT_YES;
	return verdict;
}

/* On a connection that is known to speak it less is needed. */
static enum verdict
resync_packet(enum side side, struct bytes in)
{
	struct mysql_packet packet;
	enum verdict verdict;

	if (mysql_packet(in, &packet) != VERDICT_YES)
		return VERDICT_MAYBE;
	if (side == SIDE_SERVER) {
		verdict = mysql_answer(in);
		return verdict == VERDICT_MAYBE && in.size == packet.size
			       ? VERDICT_YES
			       : verdict;
	}
	if (packet.sequence)
		return mysql_login(&packet);
	verdict = mysql_command(&packet);
	return verdict == VERDICT_MAYBE && in.size == packet.size ? VERDICT_YES
								  : verdict;
}

static enum verdict
resync(enum side side, struct bytes in)
{
	return either(resync_packet(side, in), side, in);
}

/* Of a session from its middle the first packet shows if it is compressed;
 * false: more of it is needed. */
static bool
settle(struct mysql_conn *conn, enum side side, struct bytes in,
       const struct sink *sink)
{
	struct mysql_packet packet;
	enum verdict verdict = VERDICT_NO;

	if (!sink_is_from_start(sink))
		verdict = mysql_is_compressed(side, in);
	if (verdict == VERDICT_MAYBE &&
	    (mysql_packet(in, &packet) != VERDICT_YES ||
	     in.size < packet.size))
		return false;
	conn->compression = verdict == VERDICT_YES ? MYSQL_COMPRESSED
						   : MYSQL_PLAIN;
	return true;
}

static struct step
feed(void *state, enum side side, struct bytes in, struct sink *sink)
{
	struct mysql_conn *conn = state;

	if (conn->compression == MYSQL_COMPRESSION_UNSURE &&
	    !settle(conn, side, in, sink))
		return step_more(in.size + 1);
	if (conn->compression == MYSQL_COMPRESSED)
		return mysql_compressed(conn, side, in, sink);
	return side == SIDE_CLIENT ? mysql_request(conn, in, sink)
				   : mysql_response(conn, in, sink);
}

/* Holes. */

static bool
gap(void *state, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	struct mysql_conn *conn = state;

	if (conn->compression == MYSQL_COMPRESSED)
		return mysql_compressed_gap(conn, side, pending.size, missing,
					    sink);
	if (side == SIDE_CLIENT) {
		conn->client_skip = 0;
		conn->client_skipped = conn->client_continues = false;
		conn->infile = false;
		conn->last_prepared = 0;
		return false;
	}
	/* The end of the login may be in the hole: then it begins here. */
	if (conn->login &&
	    conn->capabilities & (MYSQL_CAN_COMPRESS | MYSQL_CAN_ZSTD))
		conn->compression = MYSQL_COMPRESSED;
	conn->answering = conn->infile = conn->login = false;
	conn->server_continues = false;
	conn->server_skip = 0;
	mysql_forget_names(conn, sink);
	return false;
}

static void
release(void *state, struct sink *sink)
{
	struct mysql_conn *conn = state;

	(void)sink; /* what was kept is given back with the state */
	statements_free(&conn->statements);
	buf_free(&conn->names);
	mysql_compressed_release(conn);
}

static const uint16_t ports[] = { 3306, 3307, 4000, 6033, 0 };

const struct dissector dissector_mysql = {
	.name = "mysql",
	.title = "MySQL",
	.ports = ports,
	.transport = TRANSPORT_TCP,
	.pairing = PAIR_IN_ORDER,
	.conn_size = sizeof(struct mysql_conn),
	.strict = true,
	.probe = probe,
	.resync = resync,
	.feed = feed,
	.gap = gap,
	.release = release,
	.upgraded = mysql_upgraded,
};
