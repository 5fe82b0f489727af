/* SPDX-License-Identifier: Apache-2.0 */
/* What commands and answers of MySQL look like from outside. */
#include "base/text.h"
#include "dissect/proto/mysql_parts.h"
#include "dissect/proto/sql_text.h"

/* Of a text this much is looked at. */
#define TEXT_SEEN 512

enum content {
	CONTENT_SIZED,  /* between the sizes given */
	CONTENT_NAME,   /* printable */
	CONTENT_SQL,
	CONTENT_EXECUTE,
};

static const struct {
	const char *name;
	enum content content;
	uint32_t minimum, maximum;
} commands[] = {
	[MYSQL_QUIT] = { "QUIT", CONTENT_SIZED, 0, 0 },
	[MYSQL_INIT_DB] = { "USE", CONTENT_NAME, 1, 256 },
	[MYSQL_QUERY] = { "QUERY", CONTENT_SQL, 0, UINT32_MAX },
	[MYSQL_FIELD_LIST] = { "FIELD LIST", CONTENT_NAME, 2, 512 },
	[0x05] = { "CREATE DATABASE", CONTENT_NAME, 1, 256 },
	[0x06] = { "DROP DATABASE", CONTENT_NAME, 1, 256 },
	[0x07] = { "REFRESH", CONTENT_SIZED, 1, 1 },
	[0x08] = { "SHUTDOWN", CONTENT_SIZED, 0, 1 },
	[MYSQL_STATISTICS] = { "STATISTICS", CONTENT_SIZED, 0, 0 },
	[MYSQL_PROCESS_INFO] = { "PROCESS LIST", CONTENT_SIZED, 0, 0 },
	[MYSQL_KILL] = { "KILL", CONTENT_SIZED, 4, 4 },
	[0x0d] = { "DEBUG", CONTENT_SIZED, 0, 0 },
	[0x0e] = { "PING", CONTENT_SIZED, 0, 0 },
	[MYSQL_CHANGE_USER] = { "CHANGE USER", CONTENT_SIZED, 3, 65536 },
	[MYSQL_BINLOG_DUMP] = { "BINLOG DUMP", CONTENT_SIZED, 10, 1024 },
	[0x15] = { "REGISTER REPLICA", CONTENT_SIZED, 17, 1024 },
	[MYSQL_PREPARE] = { "PREPARE", CONTENT_SQL, 1, UINT32_MAX },
	[MYSQL_EXECUTE] = { "EXECUTE", CONTENT_EXECUTE, 9, UINT32_MAX },
	[MYSQL_LONG_DATA] = { "LONG DATA", CONTENT_SIZED, 6, UINT32_MAX },
	[MYSQL_CLOSE] = { "CLOSE", CONTENT_SIZED, 4, 4 },
	[0x1a] = { "RESET STATEMENT", CONTENT_SIZED, 4, 4 },
	[0x1b] = { "SET OPTION", CONTENT_SIZED, 2, 2 },
	[MYSQL_FETCH] = { "FETCH", CONTENT_SIZED, 8, 8 },
	[MYSQL_BINLOG_DUMP_GTID] = { "BINLOG DUMP", CONTENT_SIZED, 10, 65536 },
	[0x1f] = { "RESET CONNECTION", CONTENT_SIZED, 0, 0 },
	[MYSQL_BULK_EXECUTE] = { "EXECUTE", CONTENT_SIZED, 6, UINT32_MAX },
};

const char *
mysql_command_name(uint8_t command)
{
	return command < sizeof(commands) / sizeof(*commands)
		       ? commands[command].name
		       : NULL;
}

static bool
is_printable(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] < ' ' && !strchr("\t\n\r\f", in.data[i]))
			return false;
	return true;
}

/* Words that begin a statement, and hardly anything else that begins so. */
static bool
begins_statement(struct bytes sql)
{
	static const char *const words[] = {
		"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "SET",
		"SHOW", "BEGIN", "COMMIT", "ROLLBACK", "START", "CREATE",
		"DROP", "ALTER", "USE", "CALL", "EXPLAIN", "DESCRIBE", "DESC",
		"LOAD", "TRUNCATE", "WITH", "GRANT", "REVOKE", "FLUSH", "KILL",
		"LOCK", "UNLOCK", "ANALYZE", "OPTIMIZE", "CHECK", "DO",
		"PREPARE", "EXECUTE", "DEALLOCATE", "XA", "RENAME",
		"SAVEPOINT", "RELEASE", "HANDLER", "VALUES", "TABLE",
	};
	struct sql_text text;

	sql_text_read(sql, &text);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text.method, words[i]) == 0)
			return true;
	return false;
}

static enum verdict
is_sql(struct bytes content)
{
	content = bytes_from(content, mysql_query_start(content, NULL));
	content = bytes_first(content, TEXT_SEEN);
	if (!is_printable(content))
		return VERDICT_NO;
	return begins_statement(content) ? VERDICT_YES : VERDICT_MAYBE;
}

/* Statement, kind of cursor, how often: always once. */
static enum verdict
is_execute(struct bytes content)
{
	struct reader r = reader_make(content);
	uint8_t flags;

	reader_skip(&r, 4);
	flags = reader_u8(&r);
	return reader_le32(&r) == 1 && flags <= 0x0f ? VERDICT_YES : VERDICT_NO;
}

enum verdict
mysql_command(const struct mysql_packet *packet)
{
	struct bytes content = bytes_from(packet->content, 1);
	size_t size = packet->size - MYSQL_HEADER;
	uint8_t command = packet->content.size ? packet->content.data[0] : 0;

	if (packet->sequence || !size)
		return VERDICT_NO;
	if (!packet->content.size)
		return VERDICT_MAYBE;
	if (!mysql_command_name(command) ||
	    size - 1 < commands[command].minimum ||
	    size - 1 > commands[command].maximum)
		return VERDICT_NO;
	switch (commands[command].content) {
	case CONTENT_NAME:
		return is_printable(content) ? VERDICT_MAYBE : VERDICT_NO;
	case CONTENT_SQL:
		return is_sql(content);
	case CONTENT_EXECUTE:
		return content.size < 9 ? VERDICT_MAYBE : is_execute(content);
	case CONTENT_SIZED:
		break;
	}
	return VERDICT_MAYBE;
}

/* A first packet of columns, and behind it the first column. */
static enum verdict
begins_columns(struct bytes in, const struct mysql_packet *first)
{
	static const char catalog[] = "\3def";
	struct bytes second = bytes_from(in, first->size);
	struct mysql_packet packet;

	if (mysql_packet(second, &packet) != VERDICT_YES ||
	    packet.content.size < sizeof(catalog) - 1)
		return VERDICT_MAYBE;
	return packet.sequence == (uint8_t)(first->sequence + 1) &&
			       bytes_starts_with(packet.content, catalog)
		       ? VERDICT_YES
		       : VERDICT_NO;
}

static bool
is_failure(struct bytes content)
{
	struct mysql_failure failure;

	return mysql_failure(content, &failure) && failure.state.size &&
	       failure.code >= 1000 && text_is_utf8(failure.message);
}

/* What a statement that was prepared has: its number, columns, parameters. */
static bool
is_prepared(struct bytes content)
{
	return (content.size == 12 || content.size == 13) &&
	       content.data[0] == 0 && content.data[9] == 0 &&
	       (content.data[5] || content.data[7]);
}

/* Sizes that answers have, told by their first byte, so that others are not
 * waited for. */
#define ANSWER_MAX 4096
#define COUNT_MAX 10

static bool
may_answer(const struct mysql_packet *packet)
{
	size_t size = packet->size - MYSQL_HEADER;

	if (!size || size > ANSWER_MAX || !packet->sequence)
		return false;
	if (!packet->content.size)
		return true;
	if (packet->content.data[0] == 0xff)
		return packet->content.size < 4 ||
		       packet->content.data[3] == '#';
	return packet->sequence == 1 &&
	       (packet->content.data[0] == 0 || size <= COUNT_MAX);
}

enum verdict
mysql_answer(struct bytes in)
{
	struct mysql_packet packet;
	struct mysql_ok ok;
	bool described;

	if (mysql_packet(in, &packet) != VERDICT_YES)
		return VERDICT_MAYBE;
	if (!may_answer(&packet))
		return VERDICT_NO;
	if (in.size < packet.size)
		return VERDICT_MAYBE;
	if (packet.sequence != 1)
		return is_failure(packet.content) && in.size == packet.size
			       ? VERDICT_MAYBE
			       : VERDICT_NO;
	switch (packet.content.data[0]) {
	case 0xff:
		return is_failure(packet.content) ? VERDICT_YES : VERDICT_NO;
	case 0:
		if (is_prepared(packet.content) && in.size > packet.size)
			return begins_columns(in, &packet);
		return mysql_ok(packet.content, 0, &ok) &&
				       in.size == packet.size &&
				       ok.warnings < 0x1000
			       ? VERDICT_MAYBE
			       : VERDICT_NO;
	default:
		if (!mysql_column_count(packet.content, 0, &described))
			return VERDICT_NO;
		return begins_columns(in, &packet);
	}
}
