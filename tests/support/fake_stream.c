/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_stream.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"

struct stream {
	struct stream_identity identity;
	struct stream_context *context;
	bool started[2], finished[2];
	uint64_t origin[2]; /* of the first byte or hole of a side */
	uint64_t next[2];
	uint64_t bytes;
	uint8_t first[2][32];
	size_t first_size[2];
};

static struct buf text;
static bool reversed;

static void
log_to(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
log_to(const char *format, ...)
{
	char *line = NULL;
	va_list list;

	va_start(list, format);
	assert(vasprintf(&line, format, list) >= 0);
	va_end(list);
	if (text.limit == 0)
		buf_init(&text, 64u << 20);
	buf_text(&text, line);
	free(line);
}

const char *
fake_stream_log(void)
{
	return text.size ? buf_cstr(&text) : "";
}

void
fake_stream_reset(void)
{
	buf_free(&text);
	reversed = false;
}

void
fake_stream_set_reversed(bool is)
{
	reversed = is;
}

struct stream *
stream_new(struct stream_context *context,
	   const struct stream_identity *identity)
{
	struct stream *s = alloc_zero(1, sizeof(*s));

	s->identity = *identity;
	s->context = context;
	log_to("new %ju %u %u%s\n", (uintmax_t)identity->connection,
	       identity->client.port, identity->server.port,
	       identity->midstream ? " midstream" : "");
	return s;
}

/* Positions of one side follow each other without overlap or jump. */
static void
check_position(struct stream *s, enum side side, const struct stream_at *at,
	       uint64_t size)
{
	if (s->identity.ip_protocol != 6)
		return;
	if (!s->started[side]) {
		s->started[side] = true;
		s->origin[side] = s->next[side] = at->position;
	}
	assert(at->position == s->next[side]);
	assert(!s->finished[side]);
	s->next[side] += size;
}

static const char *
relative(const struct stream *s, enum side side, uint64_t position,
	 char out[32])
{
	if (!s->started[side] || position < s->origin[side])
		snprintf(out, 32, "0");
	else
		snprintf(out, 32, "%ju",
			 (uintmax_t)(position - s->origin[side]));
	return out;
}

void
stream_data(struct stream *s, enum side side, struct bytes data,
	    const struct stream_at *at)
{
	enum side other = side_other(side);
	char position[32], acknowledged[32];

	assert(data.size > 0);
	check_position(s, side, at, data.size);
	/* The causality that stream.h asks for. */
	if (s->started[other] && !s->finished[other])
		assert(at->acknowledged <= s->next[other]);
	for (size_t i = 0; i < data.size && s->first_size[side] < 32; i++)
		s->first[side][s->first_size[side]++] = data.data[i];
	s->bytes += data.size;
	log_to("%c %s+%zu ack %s %.*s\n", side == SIDE_CLIENT ? 'C' : 'S',
	       relative(s, side, at->position, position), data.size,
	       relative(s, other, at->acknowledged, acknowledged),
	       data.size < 40 ? (int)data.size : 0,
	       (const char *)data.data);
}

void
stream_gap(struct stream *s, enum side side, uint64_t missing,
	   const struct stream_at *at)
{
	char position[32];

	assert(missing > 0);
	check_position(s, side, at, missing);
	log_to("%c gap %s+%ju\n", side == SIDE_CLIENT ? 'C' : 'S',
	       relative(s, side, at->position, position),
	       (uintmax_t)missing);
}

void
stream_finish(struct stream *s, enum side side, bool clean)
{
	assert(!s->finished[side]);
	s->finished[side] = true;
	log_to("%c %s\n", side == SIDE_CLIENT ? 'C' : 'S',
	       clean ? "fin" : "reset");
}

void
stream_settle(struct stream *s)
{
	(void)s;
}

void
stream_free(struct stream *s, enum call_reason reason)
{
	static const char *const names[] = {
#define X(name, sentence) #name,
		CALL_REASON_MAP(X)
#undef X
	};

	log_to("free %s\n", names[reason]);
	free(s);
}

uint64_t
stream_undissected(const struct stream *s)
{
	return s->bytes;
}

enum protocol
stream_protocol(const struct stream *s)
{
	(void)s;
	return PROTOCOL_UNKNOWN;
}

uint32_t
stream_calls(const struct stream *s)
{
	(void)s;
	return 0;
}

bool
stream_reversed(const struct stream *s)
{
	(void)s;
	return reversed;
}

struct bytes
stream_first_bytes(const struct stream *s, enum side side)
{
	return bytes_make(s->first[side], s->first_size[side]);
}
