/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairing under loss: conversations of a client and a server over a simulated
 * TCP connection, recorded in the middle, with packets of the recording lost.
 * Every request and its response carry the same number, so that the truth is
 * known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "dissect/stream.h"

#define EXCHANGES 60
#define PACKETS 2048

struct packet {
	enum side side;
	uint64_t position, acknowledged;
	size_t size;
	char data[160];
};

/* One direction: what was sent, has passed the recorder, has arrived. */
struct direction {
	struct packet queue[PACKETS];
	size_t sent, passed, arrived;
	uint64_t next;     /* position of the next byte to send */
	uint64_t received; /* what the receiver has, for its acknowledgements */
	unsigned messages; /* begun by the sender */
	unsigned complete; /* received as a whole */
};

struct network {
	struct direction to_server, to_client;
	struct packet trace[2 * PACKETS];
	size_t traced;
	uint32_t seed;
	unsigned depth;    /* requests the client leaves unanswered */
};

struct tally {
	unsigned pairs, right, wrong_certain, wrong_uncertain, uncertain;
};

static uint32_t
random_below(struct network *n, uint32_t limit)
{
	n->seed ^= n->seed << 13;
	n->seed ^= n->seed >> 17;
	n->seed ^= n->seed << 5;
	return n->seed % limit;
}

/* Sends a message in one or two packets. */
static void
transmit(struct network *n, enum side side, const char *text)
{
	struct direction *out = side == SIDE_CLIENT ? &n->to_server
						    : &n->to_client;
	const struct direction *in = side == SIDE_CLIENT ? &n->to_client
							 : &n->to_server;
	size_t left = strlen(text);
	bool split = random_below(n, 4) == 0;

	while (left) {
		struct packet *p = &out->queue[out->sent++];

		p->side = side;
		p->position = out->next;
		p->acknowledged = in->received;
		p->size = split && left > 30 ? left - 10 : left;
		memcpy(p->data, text, p->size);
		text += p->size;
		left -= p->size;
		out->next += p->size;
	}
}

static void
client_sends(struct network *n)
{
	char text[160];

	if (n->to_server.messages == EXCHANGES ||
	    n->to_server.messages - n->to_client.complete >= n->depth)
		return;
	snprintf(text, sizeof(text),
		 "GET /%u HTTP/1.1\r\nHost: a\r\nX-Fill: %.*s\r\n\r\n",
		 n->to_server.messages++, (int)random_below(n, 40),
		 "0123456789012345678901234567890123456789");
	transmit(n, SIDE_CLIENT, text);
}

static void
server_answers(struct network *n)
{
	char text[160];
	unsigned fill = 10 + random_below(n, 30);

	if (n->to_client.messages == n->to_server.complete)
		return;
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\nX-Id: %u\r\nContent-Length: %u\r\n\r\n%.*s",
		 n->to_client.messages++, fill, (int)fill,
		 "0123456789012345678901234567890123456789");
	transmit(n, SIDE_SERVER, text);
}

static void
pass(struct network *n, struct direction *d)
{
	if (d->passed < d->sent)
		n->trace[n->traced++] = d->queue[d->passed++];
}

static void
arrive(struct direction *d)
{
	const struct packet *p = &d->queue[d->arrived];
	bool whole;

	if (d->arrived == d->passed)
		return;
	d->arrived++;
	d->received = p->position + p->size;
	/* A message ends where the next begins, or where nothing was sent. */
	whole = d->arrived == d->sent || d->queue[d->arrived].data[0] == 'G' ||
		d->queue[d->arrived].data[0] == 'H';
	d->complete += whole;
}

static void
converse(struct network *n)
{
	while (n->to_client.complete < EXCHANGES) {
		switch (random_below(n, 6)) {
		case 0:
			client_sends(n);
			break;
		case 1:
			server_answers(n);
			break;
		case 2:
			pass(n, &n->to_server);
			break;
		case 3:
			pass(n, &n->to_client);
			break;
		case 4:
			arrive(&n->to_server);
			break;
		default:
			arrive(&n->to_client);
			break;
		}
	}
}

static void
on_call(void *context, struct call_event *call)
{
	struct tally *tally = context;
	bool uncertain = call->flags & CALL_UNCERTAIN;
	unsigned asked = 0, answered = 0;
	char head[200] = "";

	if (!(call->flags & CALL_HAS_REQUEST) ||
	    !(call->flags & CALL_HAS_RESPONSE))
		return;
	snprintf(head, sizeof(head), "%.*s", (int)call->fields[FIELD_PATH].size,
		 (const char *)call->fields[FIELD_PATH].data);
	assert_int_equal(sscanf(head, "/%u", &asked), 1);
	/* (size, "X-Id", size, number): see struct call_half. */
	if (call->response.head.size < 7)
		return;
	snprintf(head, sizeof(head), "%.*s", call->response.head.data[5],
		 (const char *)call->response.head.data + 6);
	assert_int_equal(sscanf(head, "%u", &answered), 1);
	tally->pairs++;
	tally->uncertain += uncertain;
	tally->right += asked == answered;
	if (asked != answered)
		*(uncertain ? &tally->wrong_uncertain
			    : &tally->wrong_certain) += 1;
}

/* Gives what was recorded to a stream, as the reassembly would: whatever is
 * acknowledged or skipped and was not recorded is declared missing. */
static void
give(struct stream *s, const struct packet *p, uint64_t given[2])
{
	enum side other = side_other(p->side);
	struct stream_at at = { .time_ns = 1 };

	if (p->acknowledged > given[other]) {
		at.position = given[other];
		stream_gap(s, other, p->acknowledged - given[other], &at);
		given[other] = p->acknowledged;
	}
	if (p->position > given[p->side]) {
		at.position = given[p->side];
		stream_gap(s, p->side, p->position - given[p->side], &at);
	}
	at.position = p->position;
	at.acknowledged = p->acknowledged;
	stream_data(s, p->side, bytes_make(p->data, p->size), &at);
	given[p->side] = p->position + p->size;
}

static void
replay(struct network *n, uint32_t loss_permille, struct tally *tally)
{
	struct coverage coverage = { 0 };
	struct stream_context context = {
		.options = { UINT64_MAX, 1 << 16, 1 << 16, 100 },
		.events = { .context = tally, .call = on_call },
		.coverage = &coverage,
		.buffered_limit = 1 << 24,
	};
	struct stream_identity identity = { .ip_protocol = 6 };
	struct stream *s = stream_new(&context, &identity);
	uint64_t given[2] = { n->to_server.queue[0].position,
			      n->to_client.queue[0].position };

	for (size_t i = 0; i < n->traced; i++)
		if (random_below(n, 1000) >= loss_permille)
			give(s, &n->trace[i], given);
	stream_free(s, CALL_REASON_NO_RESPONSE);
	assert_int_equal(context.buffered, 0);
}

static struct tally
experiment(unsigned depth, uint32_t loss_permille, uint32_t rounds)
{
	struct network *n = malloc(sizeof(*n));
	struct tally tally = { 0 };

	assert_non_null(n);
	for (uint32_t round = 1; round <= rounds; round++) {
		memset(n, 0, sizeof(*n));
		n->seed = round * 2654435761u + depth;
		n->depth = depth;
		n->to_server.next = n->to_client.received = 1000;
		n->to_client.next = n->to_client.received = 70000;
		n->to_server.received = 1000;
		n->to_client.received = 70000;
		converse(n);
		replay(n, loss_permille, &tally);
	}
	free(n);
	print_message("depth %u, loss %u permille: %u pairs, %u right, "
		      "%u uncertain, wrong: %u certain, %u uncertain\n",
		      depth, loss_permille, tally.pairs, tally.right,
		      tally.uncertain, tally.wrong_certain,
		      tally.wrong_uncertain);
	return tally;
}

static void
everything_pairs_without_loss(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth <= 8; depth *= 2) {
		struct tally tally = experiment(depth, 0, 20);

		assert_int_equal(tally.right, 20 * EXCHANGES);
		assert_int_equal(tally.pairs, tally.right);
		assert_int_equal(tally.uncertain, 0);
	}
}

static void
no_pair_is_wrong_when_requests_wait(void **state)
{
	static const uint32_t losses[] = { 1, 10, 50, 200, 500 };

	(void)state;
	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
		struct tally tally = experiment(1, losses[i], 200);

		assert_int_equal(tally.wrong_certain, 0);
		assert_int_equal(tally.wrong_uncertain, 0);
	}
}

static void
no_certain_pair_is_wrong_when_requests_are_pipelined(void **state)
{
	static const uint32_t losses[] = { 1, 10, 50, 200 };

	(void)state;
	for (unsigned depth = 2; depth <= 8; depth *= 2)
		for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
			struct tally tally = experiment(depth, losses[i], 200);

			assert_int_equal(tally.wrong_certain, 0);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_pairs_without_loss),
		cmocka_unit_test(no_pair_is_wrong_when_requests_wait),
		cmocka_unit_test(
			no_certain_pair_is_wrong_when_requests_are_pipelined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
