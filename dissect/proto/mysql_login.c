/* SPDX-License-Identifier: Apache-2.0 */
/* How a session of MySQL begins: the greeting, and who the client is. */
#include <stdio.h>

#include "base/text.h"
#include "dissect/proto/mysql_parts.h"

#define GREETING_VERSION 10
#define VERSION_SIZE 64
#define SALT_SIZE 8
#define FILLER 23
#define OLD_VERSION "5.5.5-" /* MariaDB puts it before its own */

/* The greeting's fixed part behind the version. */
struct greeting {
	struct bytes version, plugin;
	uint32_t connection;
	uint64_t capabilities;
};

static bool
read_greeting(struct bytes content, struct greeting *greeting)
{
	struct reader r = reader_make(content);
	uint8_t protocol = reader_u8(&r), filler, salt;
	uint32_t high, more;

	*greeting = (struct greeting){ .version = mysql_text(&r) };
	greeting->connection = reader_le32(&r);
	reader_skip(&r, SALT_SIZE);
	filler = reader_u8(&r);
	greeting->capabilities = reader_le16(&r);
	reader_skip(&r, 3); /* character set, status */
	high = reader_le16(&r);
	greeting->capabilities |= (uint64_t)high << 16;
	salt = reader_u8(&r);
	reader_skip(&r, 6);
	more = reader_le32(&r);
	if (!(greeting->capabilities & MYSQL_CAN_LONG_PASSWORD))
		greeting->capabilities |= (uint64_t)more << 32;
	if (r.failed || protocol != GREETING_VERSION || filler ||
	    !greeting->version.size || greeting->version.size > VERSION_SIZE)
		return false;
	if (greeting->capabilities & MYSQL_CAN_SECURE)
		reader_skip(&r, salt > 21 ? (size_t)(salt - SALT_SIZE) : 13);
	if (greeting->capabilities & MYSQL_CAN_PLUGIN)
		greeting->plugin = mysql_text(&r);
	return true;
}

static bool
is_version(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < ' ' || text.data[i] > '~')
			return false;
	return text.size && text.data[0] >= '0' && text.data[0] <= '9';
}

enum verdict
mysql_greeting(const struct mysql_packet *packet)
{
	struct bytes content = packet->content;
	struct mysql_failure failure;
	struct greeting greeting;

	if (packet->sequence || packet->size > MYSQL_PIECE)
		return VERDICT_NO;
	if (content.size && content.data[0] != GREETING_VERSION &&
	    content.data[0] != 0xff)
		return VERDICT_NO;
	if (content.size + MYSQL_HEADER < packet->size)
		return VERDICT_MAYBE;
	/* It may refuse at once. */
	if (mysql_failure(content, &failure))
		return failure.code >= 1000 && failure.code < 5000 &&
				       failure.message.size > 8 &&
				       text_is_utf8(failure.message)
			       ? VERDICT_YES
			       : VERDICT_NO;
	return read_greeting(content, &greeting) &&
			       is_version(greeting.version)
		       ? VERDICT_YES
		       : VERDICT_NO;
}

void
mysql_read_greeting(struct mysql_conn *conn, const struct mysql_packet *packet,
		    struct sink *sink)
{
	char summary[VERSION_SIZE + 64];
	struct greeting greeting;

	if (!read_greeting(packet->content, &greeting))
		return;
	if (bytes_starts_with(greeting.version, OLD_VERSION))
		greeting.version = bytes_from(greeting.version,
					      sizeof(OLD_VERSION) - 1);
	conn->server_capabilities = greeting.capabilities;
	sink_field(sink, FIELD_METHOD, bytes_of("GREETING"));
	sink_header(sink, bytes_of("server_version"), greeting.version);
	mysql_number_header("connection", greeting.connection, sink);
	if (greeting.plugin.size)
		sink_header(sink, bytes_of("authentication"), greeting.plugin);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of("OK"));
	sink_status(sink, 0);
	snprintf(summary, sizeof(summary), "GREETING of %.*s, connection %u",
		 (int)greeting.version.size,
		 (const char *)greeting.version.data, greeting.connection);
	sink_field(sink, FIELD_SUMMARY, bytes_of(summary));
}

struct login {
	uint64_t capabilities;
	bool only_tls; /* it ends before the user: TLS begins */
	struct bytes user, database, plugin, attributes;
};

/* Behind the fixed part. */
static void
read_names(struct reader *r, struct login *login)
{
	uint64_t can = login->capabilities;

	login->user = mysql_text(r);
	if (can & MYSQL_CAN_PLUGIN_LENENC)
		mysql_string(r);
	else if (can & MYSQL_CAN_SECURE)
		reader_skip(r, reader_u8(r));
	else
		mysql_text(r);
	if (can & MYSQL_CAN_CONNECT_WITH_DB)
		login->database = mysql_text(r);
	if (can & MYSQL_CAN_PLUGIN)
		login->plugin = mysql_text(r);
	if (can & MYSQL_CAN_ATTRIBUTES && reader_left(r))
		login->attributes = mysql_string(r);
}

static bool
is_zero(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i])
			return false;
	return true;
}

/* Before 4.1: two bytes of capabilities, three of size, and the user. */
static bool
read_old_login(struct reader *r, struct login *login)
{
	reader_skip(r, 1);
	login->user = mysql_text(r);
	login->capabilities &= 0xffff;
	return !r->failed && login->user.size && text_is_utf8(login->user);
}

static bool
read_login(struct bytes content, struct login *login)
{
	struct reader r = reader_make(content);
	struct bytes filler;
	uint64_t more;

	*login = (struct login){ .capabilities = reader_le16(&r) };
	if (!(login->capabilities & MYSQL_CAN_PROTOCOL_41)) {
		reader_skip(&r, 2);
		return read_old_login(&r, login);
	}
	login->capabilities |= (uint64_t)reader_le16(&r) << 16;
	reader_skip(&r, 5); /* size of packets, character set */
	filler = reader_take(&r, FILLER - 4);
	more = reader_le32(&r);
	if (r.failed || !is_zero(filler))
		return false;
	if (!(login->capabilities & MYSQL_CAN_LONG_PASSWORD))
		login->capabilities |= more << 32;
	else if (more)
		return false;
	login->only_tls = !reader_left(&r);
	if (login->only_tls)
		return login->capabilities & MYSQL_CAN_SSL;
	read_names(&r, login);
	return !r.failed && text_is_utf8(login->user);
}

enum verdict
mysql_login(const struct mysql_packet *packet)
{
	struct login login;

	if (packet->sequence < 1 || packet->sequence > 3 ||
	    packet->size < MYSQL_HEADER + 8 || packet->size > MYSQL_HELD / 2)
		return VERDICT_NO;
	if (packet->content.size + MYSQL_HEADER < packet->size)
		return VERDICT_MAYBE;
	return read_login(packet->content, &login) ? VERDICT_YES : VERDICT_NO;
}

/* Names and values that the client says of itself. */
static void
attributes(struct mysql_conn *conn, struct bytes in, struct sink *sink)
{
	struct reader r = reader_make(in);

	while (reader_left(&r)) {
		struct bytes name = mysql_string(&r), value = mysql_string(&r);

		if (r.failed)
			return;
		sink_header(sink, name, value);
		if (bytes_equal(name, bytes_of("program_name")) ||
		    (bytes_equal(name, bytes_of("_client_name")) &&
		     !conn->program.size))
			mysql_set_name(&conn->program, value);
	}
}

static void
say_login(struct mysql_conn *conn, const char *method,
	  const struct login *login, struct sink *sink)
{
	char summary[MYSQL_NAME * 2 + 32];
	struct bytes user = bytes_first(login->user, MYSQL_NAME);
	int user_size = (int)user.size;

	attributes(conn, login->attributes, sink);
	mysql_set_name(&conn->database, login->database);
	sink_field(sink, FIELD_METHOD, bytes_of(method));
	sink_field(sink, FIELD_HOST, mysql_name(&conn->database));
	sink_field(sink, FIELD_USER_AGENT, mysql_name(&conn->program));
	sink_field(sink, FIELD_PATH, login->user);
	sink_header(sink, bytes_of("user"), login->user);
	if (login->plugin.size)
		sink_header(sink, bytes_of("authentication"), login->plugin);
	snprintf(summary, sizeof(summary), "%s%s%.*s as %.*s", method,
		 conn->database.size ? " " : "", (int)conn->database.size,
		 conn->database.text, user_size,
		 user_size ? (const char *)user.data : "");
	sink_field(sink, FIELD_SUMMARY, bytes_of(summary));
}

bool
mysql_read_login(struct mysql_conn *conn, const struct mysql_packet *packet,
		 struct sink *sink)
{
	struct login login;

	if (!read_login(packet->content, &login))
		return false;
	if (login.only_tls) {
		sink_field(sink, FIELD_METHOD, bytes_of("SSL REQUEST"));
		sink_field(sink, FIELD_SUMMARY, bytes_of("SSL REQUEST"));
		return true;
	}
	conn->capabilities = login.capabilities;
	if (conn->server_capabilities)
		conn->capabilities &= conn->server_capabilities;
	if (conn->capabilities & (MYSQL_CAN_COMPRESS | MYSQL_CAN_ZSTD))
		sink_header(sink, bytes_of("compression"),
			    bytes_of(conn->capabilities & MYSQL_CAN_COMPRESS
					     ? "zlib"
					     : "zstd"));
	conn->login = true;
	say_login(conn, "CONNECT", &login, sink);
	return false;
}

void
mysql_read_change_user(struct mysql_conn *conn, struct bytes content,
		       struct sink *sink)
{
	struct reader r = reader_make(content);
	struct login login = { .user = mysql_text(&r) };
	uint64_t can = conn->capabilities ? conn->capabilities : UINT64_MAX;

	if (can & MYSQL_CAN_SECURE)
		reader_skip(&r, reader_u8(&r));
	else
		mysql_text(&r);
	login.database = mysql_text(&r);
	reader_skip(&r, 2); /* character set */
	if (can & MYSQL_CAN_PLUGIN && reader_left(&r))
		login.plugin = mysql_text(&r);
	if (can & MYSQL_CAN_ATTRIBUTES && reader_left(&r))
		login.attributes = mysql_string(&r);
	conn->login = true;
	say_login(conn, "CHANGE USER", &login, sink);
}
