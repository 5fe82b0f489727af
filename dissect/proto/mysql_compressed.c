/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed frames, in which the packets of a MySQL session that agreed on it
 * travel behind its login: 3 bytes of size, a number, 3 bytes of the size of
 * its content (0: not compressed).  The packets are a stream of their own.
 */
#include <stdlib.h>

#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "dissect/proto/mysql_parts.h"
#include "dissect/registry.h"
#include "dissect/sink_inner.h"

#define FRAME_HEADER 7
#define PLAIN_PIECE 8192
#define PEEK_SIZE 512
/* What zlib takes: its window and state. */
#define ZLIB_SIZE (48u << 10)
/* A frame is at most 16 MiB, and MySQL's default level needs no more. */
#define WINDOW_LOG 21
/* A larger decompressor is not kept from frame to frame. */
#define ZSTD_KEPT (512u << 10)

struct frame {
	size_t size, plain;
	uint8_t sequence;
	struct bytes content; /* may be cut */
};

static bool
read_frame(struct bytes in, struct frame *frame)
{
	struct reader r = reader_make(in);

	frame->size = reader_le16(&r);
	frame->size |= (size_t)reader_u8(&r) << 16;
	frame->sequence = reader_u8(&r);
	frame->plain = reader_le16(&r);
	frame->plain |= (size_t)reader_u8(&r) << 16;
	frame->content = bytes_first(bytes_from(in, FRAME_HEADER),
				     frame->size);
	return !r.failed;
}

static bool
begins_zstd(struct bytes in)
{
	static const char magic[] = "\x28\xb5\x2f\xfd";

	return in.size && memcmp(in.data, magic, in.size < 4 ? in.size : 4) == 0;
}

static bool
begins_zlib(struct bytes in)
{
	return in.size && (in.data[0] & 0x0f) == Z_DEFLATED &&
	       (in.size == 1 || (in.data[0] << 8 | in.data[1]) % 31 == 0);
}

/* Detection. */

static size_t
peek_zlib(struct bytes in, uint8_t out[PEEK_SIZE])
{
	z_stream z = { .next_in = (z_const Bytef *)(uintptr_t)in.data,
		       .avail_in = (uInt)in.size,
		       .next_out = out,
		       .avail_out = PEEK_SIZE };
	size_t size = 0;
	int rc;

	if (inflateInit(&z) != Z_OK)
		return 0;
	rc = inflate(&z, Z_SYNC_FLUSH);
	if (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR)
		size = PEEK_SIZE - z.avail_out;
	inflateEnd(&z);
	return size;
}

static size_t
peek_zstd(struct bytes in, uint8_t out[PEEK_SIZE])
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	ZSTD_inBuffer from = { in.data, in.size, 0 };
	ZSTD_outBuffer to = { out, PEEK_SIZE, 0 };
	size_t rc;

	if (!zstd)
		return 0;
	ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
	rc = ZSTD_decompressStream(zstd, &to, &from);
	ZSTD_freeDCtx(zstd);
	return ZSTD_isError(rc) ? 0 : to.pos;
}

static enum verdict
begins_packet(enum side side, struct bytes in, size_t whole)
{
	struct mysql_packet packet;

	if (side == SIDE_SERVER)
		return mysql_answer(in);
	if (mysql_packet(in, &packet) != VERDICT_YES)
		return VERDICT_MAYBE;
	return packet.size <= whole ? mysql_command(&packet) : VERDICT_NO;
}

enum verdict
mysql_is_compressed(enum side side, struct bytes in)
{
	uint8_t out[PEEK_SIZE];
	struct frame frame;
	size_t size = 0;

	if (!read_frame(in, &frame))
		return VERDICT_MAYBE;
	if (frame.size < MYSQL_HEADER ||
	    (side == SIDE_CLIENT && frame.sequence))
		return VERDICT_NO;
	if (!frame.plain)
		return begins_packet(side, frame.content, frame.size);
	if (!frame.content.size)
		return VERDICT_MAYBE;
	if (begins_zstd(frame.content))
		size = peek_zstd(frame.content, out);
	else if (begins_zlib(frame.content))
		size = peek_zlib(frame.content, out);
	else
		return VERDICT_NO;
	if (!size)
		return frame.content.size < 64 ? VERDICT_MAYBE : VERDICT_NO;
	return begins_packet(side, bytes_make(out, size), frame.plain);
}

/* The stream within. */

static bool
open_inner(const struct mysql_conn *conn, struct sink *sink)
{
	struct buf settings;

	if (sink_inner_is_open(sink))
		return true;
	if (!sink_inner_open(sink, sink_identity(sink)->tls))
		return false;
	buf_init(&settings, INNER_SETTINGS_MAX);
	buf_le64(&settings, conn->capabilities);
	buf_string(&settings, mysql_name(&conn->database));
	buf_string(&settings, mysql_name(&conn->program));
	sink_inner_adopt(sink, dissector_mysql.name, buf_view(&settings));
	buf_free(&settings);
	return true;
}

void
mysql_upgraded(void *state, struct bytes settings, struct sink *sink)
{
	struct mysql_conn *conn = state;
	struct reader r = reader_make(settings);

	(void)sink;
	conn->capabilities = reader_le64(&r);
	conn->compression = MYSQL_PLAIN;
	mysql_set_name(&conn->database, reader_string(&r));
	mysql_set_name(&conn->program, reader_string(&r));
}

/* Decompression. */

static void
free_zstd(struct mysql_inflate *f, struct sink *sink)
{
	ZSTD_freeDCtx(f->zstd);
	f->zstd = NULL;
	sink_give_back(sink, f->zstd_size);
	f->zstd_size = 0;
}

/* Counts what the decompressor has grown to. */
static bool
charge_zstd(struct mysql_inflate *f, struct sink *sink)
{
	size_t size = ZSTD_sizeof_DCtx(f->zstd);

	if (size > f->zstd_size && !sink_keep(sink, size - f->zstd_size)) {
		free_zstd(f, sink);
		return false;
	}
	if (size > f->zstd_size)
		f->zstd_size = size;
	return true;
}

static bool
ready_zstd(struct mysql_inflate *f, struct sink *sink)
{
	if (f->zstd) {
		ZSTD_DCtx_reset(f->zstd, ZSTD_reset_session_only);
		return true;
	}
	f->zstd = ZSTD_createDCtx();
	if (!f->zstd)
		abort();
	ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
	return charge_zstd(f, sink);
}

static bool
ready_zlib(struct mysql_inflate *f, struct sink *sink)
{
	if (f->zlib)
		return inflateReset(f->zlib) == Z_OK;
	if (!sink_keep(sink, ZLIB_SIZE))
		return false;
	f->zlib = alloc_zero(1, sizeof(z_stream));
	if (inflateInit((z_stream *)f->zlib) != Z_OK)
		abort();
	return true;
}

/* Takes more of `in` from `*used` on; returns how much came out, SIZE_MAX when
 * it is damaged. */
static size_t
step_zlib(struct mysql_inflate *f, struct bytes in, size_t *used,
	  uint8_t out[PLAIN_PIECE])
{
	z_stream *z = f->zlib;
	int rc;

	z->next_in = (z_const Bytef *)(uintptr_t)(in.data + *used);
	z->avail_in = (uInt)(in.size - *used);
	z->next_out = out;
	z->avail_out = PLAIN_PIECE;
	rc = inflate(z, Z_SYNC_FLUSH);
	*used = in.size - z->avail_in;
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return SIZE_MAX;
	return PLAIN_PIECE - z->avail_out;
}

static size_t
step_zstd(struct mysql_inflate *f, struct bytes in, size_t *used,
	  uint8_t out[PLAIN_PIECE])
{
	ZSTD_inBuffer from = { in.data, in.size, *used };
	ZSTD_outBuffer to = { out, PLAIN_PIECE, 0 };
	size_t rc = ZSTD_decompressStream(f->zstd, &to, &from);

	*used = from.pos;
	return ZSTD_isError(rc) ? SIZE_MAX : to.pos;
}

/* Whether all of the piece was read, and no more came out than was said. */
static bool
inflate_piece(struct mysql_inflate *f, struct bytes in, struct sink *sink)
{
	uint8_t out[PLAIN_PIECE];
	size_t used = 0, size;

	do {
		size = f->uses_zstd ? step_zstd(f, in, &used, out)
				    : step_zlib(f, in, &used, out);
		if (size == SIZE_MAX || size > f->plain)
			return false;
		if (size)
			sink_inner_data(sink, bytes_make(out, size),
					used ? used - 1 : 0, used ? used : 1);
		f->plain -= size;
		if (f->uses_zstd && !charge_zstd(f, sink))
			return false;
	} while (size == PLAIN_PIECE || (size && used < in.size));
	return used == in.size;
}

static void
begin_frame(struct mysql_conn *conn, struct mysql_inflate *f,
	    const struct frame *frame, struct sink *sink)
{
	f->left = frame->size;
	f->squeezed = frame->plain != 0;
	f->plain = f->squeezed ? frame->plain : frame->size;
	f->uses_zstd = begins_zstd(frame->content);
	f->broken = !open_inner(conn, sink);
	sink_inner_resume(sink);
	if (f->broken)
		sink_context(sink)->coverage->bytes_given_up += frame->size;
	else if (f->squeezed)
		f->broken = f->uses_zstd ? !ready_zstd(f, sink)
					 : !ready_zlib(f, sink);
}

static void
end_frame(struct mysql_inflate *f, size_t end, struct sink *sink)
{
	if (f->plain)
		sink_inner_gap(sink, f->plain, end);
	f->plain = 0;
	if (f->zstd_size > ZSTD_KEPT)
		free_zstd(f, sink);
}

struct step
mysql_compressed(struct mysql_conn *conn, enum side side, struct bytes in,
		 struct sink *sink)
{
	struct mysql_inflate *f = &conn->inflate[side];
	struct frame frame;
	struct bytes piece;

	if (!f->left) {
		if (!read_frame(in, &frame) ||
		    (frame.plain && frame.size && !frame.content.size))
			return step_more(FRAME_HEADER + 1);
		if (frame.plain && !begins_zstd(frame.content) &&
		    !begins_zlib(frame.content))
			return step_bad();
		if (frame.size)
			begin_frame(conn, f, &frame, sink);
		return step_done(FRAME_HEADER);
	}
	if (!in.size)
		return step_more(1);
	piece = bytes_first(in, f->left < in.size ? (size_t)f->left : in.size);
	if (!f->squeezed && !f->broken) {
		sink_inner_data(sink, piece, 0, piece.size);
		f->plain -= piece.size;
	} else if (!f->broken) {
		f->broken = !inflate_piece(f, piece, sink);
	}
	f->left -= piece.size;
	if (!f->left)
		end_frame(f, piece.size, sink);
	return step_done(piece.size);
}

bool
mysql_compressed_gap(struct mysql_conn *conn, enum side side, size_t pending,
		     uint64_t missing, struct sink *sink)
{
	struct mysql_inflate *f = &conn->inflate[side];
	uint64_t lost = pending + missing;

	if (!missing || !f->left || lost > f->left) {
		/* How much it was inside is not known: not nothing. */
		sink_inner_gap(sink, f->plain + (lost ? lost : 1),
			       (size_t)lost);
		f->left = f->plain = 0;
		return false;
	}
	f->left -= lost;
	f->broken |= f->squeezed;
	if (!f->broken) {
		sink_inner_gap(sink, lost, (size_t)lost);
		f->plain -= lost;
	}
	if (!f->left)
		end_frame(f, (size_t)lost, sink);
	return true;
}

void
mysql_compressed_release(struct mysql_conn *conn)
{
	for (int side = 0; side < 2; side++) {
		struct mysql_inflate *f = &conn->inflate[side];

		if (f->zlib)
			inflateEnd((z_stream *)f->zlib);
		free(f->zlib);
		ZSTD_freeDCtx(f->zstd);
		*f = (struct mysql_inflate){ .left = 0 };
	}
}
