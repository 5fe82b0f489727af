/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the MySQL dissector, shared by its files only. */
#pragma once

#include "base/buf.h"
#include "base/reader.h"
#include "dissect/proto/statements.h"

/* A longer packet is passed by the stream, and only its beginning read. */
#define MYSQL_HELD (128u << 10)
#define MYSQL_PIECE 4096
#define MYSQL_HEADER 4
/* A packet of this size goes on in the next one. */
#define MYSQL_PACKET_MAX 0xffffffu
#define MYSQL_COLUMNS 256
#define MYSQL_NAME 64

enum mysql_command {
	MYSQL_QUIT = 0x01,
	MYSQL_INIT_DB = 0x02,
	MYSQL_QUERY = 0x03,
	MYSQL_FIELD_LIST = 0x04,
	MYSQL_STATISTICS = 0x09,
	MYSQL_PROCESS_INFO = 0x0a,
	MYSQL_KILL = 0x0c,
	MYSQL_CHANGE_USER = 0x11,
	MYSQL_BINLOG_DUMP = 0x12,
	MYSQL_PREPARE = 0x16,
	MYSQL_EXECUTE = 0x17,
	MYSQL_LONG_DATA = 0x18,
	MYSQL_CLOSE = 0x19,
	MYSQL_FETCH = 0x1c,
	MYSQL_BINLOG_DUMP_GTID = 0x1e,
	MYSQL_BULK_EXECUTE = 0xfa,
	MYSQL_LOGIN = 0x100, /* not on the wire: what answers the greeting */
};

/* Capability flags; those over 32 bits are MariaDB's. */
#define MYSQL_CAN_LONG_PASSWORD (UINT64_C(1) << 0)
#define MYSQL_CAN_CONNECT_WITH_DB (UINT64_C(1) << 3)
#define MYSQL_CAN_COMPRESS (UINT64_C(1) << 5)
#define MYSQL_CAN_PROTOCOL_41 (UINT64_C(1) << 9)
#define MYSQL_CAN_SSL (UINT64_C(1) << 11)
#define MYSQL_CAN_SECURE (UINT64_C(1) << 15)
#define MYSQL_CAN_PLUGIN (UINT64_C(1) << 19)
#define MYSQL_CAN_ATTRIBUTES (UINT64_C(1) << 20)
#define MYSQL_CAN_PLUGIN_LENENC (UINT64_C(1) << 21)
#define MYSQL_CAN_TRACK (UINT64_C(1) << 23)
#define MYSQL_CAN_SKIP_METADATA (UINT64_C(1) << 25)
#define MYSQL_CAN_DEPRECATE_EOF (UINT64_C(1) << 24)
#define MYSQL_CAN_ZSTD (UINT64_C(1) << 26)
#define MYSQL_CAN_QUERY_ATTRIBUTES (UINT64_C(1) << 27)

enum mysql_compression {
	MYSQL_COMPRESSION_UNSURE, /* from the middle: the first packet tells */
	MYSQL_PLAIN,
	MYSQL_COMPRESSED,
};

enum mysql_state {
	MYSQL_FIRST,      /* a result begins */
	MYSQL_COLUMN,     /* `left` descriptions of columns follow */
	MYSQL_PARAMETER,  /* the same of parameters, and then of columns */
	MYSQL_ROWS,
	MYSQL_EVENTS,     /* of the binary log, until the connection ends */
};

struct mysql_name {
	char text[MYSQL_NAME];
	uint8_t size;
};

/* Decompresses one side (mysql_compressed.c). */
struct mysql_inflate {
	void *zlib;        /* z_stream; owned, NULL until one is needed */
	void *zstd;        /* ZSTD_DCtx; the same */
	size_t zstd_size;  /* counted as memory */
	uint64_t left;     /* bytes of the frame that are to come */
	uint64_t plain;    /* bytes of its content that are to come */
	bool squeezed;     /* it is compressed, */
	bool uses_zstd;    /* by that */
	bool broken;       /* the rest of it cannot be read */
};

struct mysql_conn {
	/* What both know. */
	uint64_t capabilities;      /* of the session; 0: not known */
	uint64_t server_capabilities; /* 0: not known */
	enum mysql_compression compression;
	bool login;                 /* until the server says OK */
	bool infile;                /* the server asked for a file */
	struct mysql_name database, database_next, program, file;
	struct statements statements;
	uint64_t last_prepared;     /* serial */

	/* The client. */
	uint64_t client_skip;       /* bytes of a long packet to pass */
	bool client_skipped, client_continues;

	/* The server. */
	bool answering;             /* a response is open */
	bool failed, binary;
	bool headed;                /* what heads the rows has ended */
	bool server_continues;
	enum mysql_state state;
	uint32_t command;           /* being answered; 0: not known */
	bool changes_database;      /* when it succeeds */
	uint64_t statement;         /* serial of what is being answered */
	uint64_t server_skip;
	uint64_t rows;
	uint32_t left, described;   /* columns to come, and said */
	uint32_t columns_next;      /* behind the parameters of a statement */
	uint32_t columns;           /* of the rows */
	struct buf names;           /* of columns, until all are described */
	bool names_kept;            /* counted as memory */
	uint16_t types[MYSQL_COLUMNS];

	struct mysql_inflate inflate[2]; /* by side */
};

/* A packet: its number, and what is in it. */
struct mysql_packet {
	uint8_t sequence;
	size_t size;          /* all of it, header and content */
	struct bytes content; /* may be cut */
};

/* Type of a value: the code, and whether it has no sign. */
#define MYSQL_UNSIGNED 0x8000u

/* Values of length-encoded integers that are none. */
#define MYSQL_NULL UINT64_MAX

/* mysql_wire.c: the packet at the front of `in`; MAYBE: its header is not
 * here. */
enum verdict mysql_packet(struct bytes in, struct mysql_packet *packet);
/* A length-encoded integer, MYSQL_NULL for 0xfb; fails for 0xff. */
uint64_t mysql_number(struct reader *r);
/* A length-encoded string. */
struct bytes mysql_string(struct reader *r);
/* A text that ends with NUL, or with the input. */
struct bytes mysql_text(struct reader *r);
void mysql_number_header(const char *name, uint64_t value, struct sink *sink);
void mysql_set_name(struct mysql_name *name, struct bytes text);

static inline struct bytes
mysql_name(const struct mysql_name *name)
{
	return bytes_make(name->text, name->size);
}

/* OK, and what ends rows: 0x00 or 0xfe. */
struct mysql_ok {
	uint64_t affected, insert_id;
	uint16_t status, warnings;
	struct bytes info;
	struct bytes schema; /* now in use; empty: as before */
};
#define MYSQL_STATUS_TRANSACTION 0x0001
#define MYSQL_STATUS_MORE 0x0008
#define MYSQL_STATUS_CURSOR 0x0040

/* False when it is none. */
bool mysql_ok(struct bytes content, uint64_t capabilities, struct mysql_ok *ok);
/* An EOF packet of before OK took its place; sets status and warnings. */
bool mysql_eof(struct bytes content, struct mysql_ok *ok);
/* 0xff: an error. */
struct mysql_failure {
	uint16_t code;
	struct bytes state; /* SQLSTATE; empty: not said */
	struct bytes message;
};
bool mysql_failure(struct bytes content, struct mysql_failure *failure);
/* A column's description: its name and type. */
bool mysql_column(struct bytes content, struct bytes *name, uint16_t *type);
/* How many columns a result has; 0: this does not begin one.  `described` is
 * false when their descriptions are left out. */
uint32_t mysql_column_count(struct bytes content, uint64_t capabilities,
			    bool *described);

/* mysql_command.c: the name of a command; NULL: it is none. */
const char *mysql_command_name(uint8_t command);
/* Does the packet begin a command?  YES: it cannot well be anything else. */
enum verdict mysql_command(const struct mysql_packet *packet);
/* Does this begin an answer? */
enum verdict mysql_answer(struct bytes in);
/* Where the SQL of a query begins: behind its attributes. */
size_t mysql_query_start(struct bytes content, struct sink *sink);

/* mysql_login.c */
enum verdict mysql_greeting(const struct mysql_packet *packet);
enum verdict mysql_login(const struct mysql_packet *packet);
void mysql_read_greeting(struct mysql_conn *conn,
			 const struct mysql_packet *packet, struct sink *sink);
/* True when what follows is encrypted. */
bool mysql_read_login(struct mysql_conn *conn,
		      const struct mysql_packet *packet, struct sink *sink);
void mysql_read_change_user(struct mysql_conn *conn, struct bytes content,
			    struct sink *sink);

/* mysql_value.c: one binary value of that type, borrowed or written into
 * `text`; `*binary` is set when it may be no text. */
#define MYSQL_VALUE_TEXT 64
struct bytes mysql_value(struct reader *r, uint16_t type,
			 char text[MYSQL_VALUE_TEXT], bool *binary);
/* Rows, as lines of the body. */
void mysql_text_row(struct bytes content, struct sink *sink);
void mysql_binary_row(const struct mysql_conn *conn, struct bytes content,
		      struct sink *sink);

/* mysql_parameters.c: those of one execution, behind its iteration count. */
void mysql_parameters(const struct mysql_conn *conn,
		      struct statement *statement, uint8_t flags,
		      struct reader *r, struct sink *sink);

/* What the response finds with its request. */
uint64_t mysql_note(unsigned command, bool changes_database, uint64_t serial);

/* Takes packets of a side, as dissector.feed does. */
struct step mysql_request(struct mysql_conn *conn, struct bytes in,
			  struct sink *sink);
struct step mysql_response(struct mysql_conn *conn, struct bytes in,
			   struct sink *sink);

/* mysql_compressed.c: do these bytes begin a compressed frame in which a
 * packet begins? */
enum verdict mysql_is_compressed(enum side side, struct bytes in);
struct step mysql_compressed(struct mysql_conn *conn, enum side side,
			     struct bytes in, struct sink *sink);
/* True when the hole was inside of one frame. */
bool mysql_compressed_gap(struct mysql_conn *conn, enum side side,
			  size_t pending, uint64_t missing, struct sink *sink);
void mysql_compressed_release(struct mysql_conn *conn);
/* The stream within begins with what this one knows. */
void mysql_upgraded(void *state, struct bytes settings, struct sink *sink);
/* Names of columns are given up. */
void mysql_forget_names(struct mysql_conn *conn, struct sink *sink);
