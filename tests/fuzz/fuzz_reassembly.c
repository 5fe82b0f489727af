/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reassembly against a model that keeps one cell a byte: what is passed
 * on must be exactly the bytes that came first, in order, without overlap;
 * no byte that was captured in time may be declared missing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dissect/reassembly.h"
#include "tests/fuzz/fuzz.h"

#define ORIGIN (1ull << 33)
#define WINDOW 4096

enum cell { CELL_UNKNOWN, CELL_BYTE, CELL_CUT, CELL_FIN };

struct model_side {
	uint64_t next;
	bool finished;
	uint8_t cell[WINDOW], byte[WINDOW];
};

struct model {
	struct reassembly r;
	struct model_side sides[2];
};

static void
on_data(void *owner, enum side side, struct bytes data,
	const struct stream_at *at)
{
	struct model *m = owner;
	struct model_side *s = &m->sides[side];

	assert(data.size > 0 && !s->finished);
	assert(at->position == ORIGIN + s->next);
	assert(at->acknowledged <= ORIGIN + m->sides[side_other(side)].next ||
	       m->sides[side_other(side)].finished);
	for (size_t i = 0; i < data.size; i++) {
		assert(s->cell[s->next] == CELL_BYTE);
		assert(s->byte[s->next] == data.data[i]);
		s->next++;
	}
}

static void
on_gap(void *owner, enum side side, uint64_t missing,
       const struct stream_at *at)
{
	struct model_side *s = &((struct model *)owner)->sides[side];

	assert(missing > 0 && !s->finished);
	assert(at->position == ORIGIN + s->next);
	for (uint64_t i = 0; i < missing && s->next < WINDOW; i++)
		assert(s->cell[s->next++] != CELL_BYTE);
}

static void
on_finish(void *owner, enum side side, bool clean)
{
	struct model_side *s = &((struct model *)owner)->sides[side];

	(void)clean;
	assert(!s->finished);
	s->finished = true;
	s->next++;
}

/* First come, first served. */
static void
model_claim(struct model_side *s, const struct reassembly_packet *p)
{
	uint64_t from = p->position - ORIGIN;

	for (uint64_t i = 0; i < (uint64_t)p->length + p->fin; i++) {
		uint64_t at = from + i;

		if (s->finished || at < s->next || s->cell[at] != CELL_UNKNOWN)
			continue;
		s->cell[at] = i < p->data.size	? CELL_BYTE
			      : i < p->length	? CELL_CUT
						: CELL_FIN;
		if (i < p->data.size)
			s->byte[at] = p->data.data[i];
	}
}

static void
take_packet(struct model *m, struct reassembly_context *c,
	    const uint8_t in[6], uint8_t number)
{
	uint8_t bytes[64];
	struct reassembly_packet p = {
		.side = in[0] & 1 ? SIDE_SERVER : SIDE_CLIENT,
		.fin = (in[0] & 0x3e) == 0x3e,
		.has_ack = !(in[0] & 0x40),
		.position = ORIGIN + (in[1] | (in[2] & 7u) << 8),
		.acknowledged = ORIGIN + (in[3] | (in[4] & 7u) << 8),
		.length = in[5] & 63,
	};

	memset(bytes, number, sizeof(bytes));
	p.data = bytes_make(bytes, in[0] & 0x80 ? p.length / 2 : p.length);
	c->now_ns += (int64_t)(in[2] >> 3) * 10000000;
	/* Far behind the acknowledgement of the other side is fine, too. */
	model_claim(&m->sides[p.side], &p);
	reassembly_add(&m->r, c, &p);
}

static void
check_end(const struct model *m, const struct reassembly_context *c)
{
	assert(m->r.buffered == 0 && c->buffered == 0);
	for (unsigned side = 0; side < 2; side++) {
		const struct model_side *s = &m->sides[side];

		for (uint64_t i = s->next; i < WINDOW && !s->finished; i++)
			assert(s->cell[i] != CELL_BYTE);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *m = calloc(1, sizeof(*m));
	static uint8_t recent[REASSEMBLY_RECENT_SIZE];
	struct reassembly_context c = {
		.recent = recent,
		.data = on_data,
		.gap = on_gap,
		.finish = on_finish,
	};

	assert(m);
	if (size > 0) {
		c.limit = data[0] & 1 ? 1 << 20 : data[0] * 8u;
		c.connection_limit = data[0] & 2 ? 1 << 20 : 1000;
		data++;
		size--;
	}
	m->r.owner = m;
	reassembly_start(&m->r, SIDE_CLIENT, ORIGIN);
	reassembly_start(&m->r, SIDE_SERVER, ORIGIN);
	for (uint8_t number = 1; size >= 6; data += 6, size -= 6) {
		if (data[0] == 0xff)
			reassembly_reset(&m->r, &c, SIDE_CLIENT,
					 ORIGIN + data[1]);
		else
			take_packet(m, &c, data, number++);
		if (data[5] & 0x80)
			reassembly_expire(&m->r, &c);
	}
	reassembly_flush(&m->r, &c, &(struct stream_at){ 0 });
	check_end(m, &c);
	free(m);
	return 0;
}
