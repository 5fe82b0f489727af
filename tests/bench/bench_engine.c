/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast packets become connections: runs a classic pcap file, held in
 * memory, through an engine whose streams do nothing.
 *
 *   bench_engine FILE.pcap [ROUNDS]
 *
 * With ROUNDS 0 it prints the connections instead, one a line.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "dissect/engine.h"

/* ---- streams that do nothing ---- */

struct stream {
	int unused;
};

struct stream *
stream_new(struct stream_context *context,
	   const struct stream_identity *identity)
{
	static struct stream only;

	(void)context;
	(void)identity;
	return &only;
}

void
stream_free(struct stream *s, enum call_reason reason)
{
	(void)s;
	(void)reason;
}

void
stream_data(struct stream *s, enum side side, struct bytes data,
	    const struct stream_at *at)
{
	(void)s;
	(void)side;
	(void)data;
	(void)at;
}

void
stream_gap(struct stream *s, enum side side, uint64_t missing,
	   const struct stream_at *at)
{
	(void)s;
	(void)side;
	(void)missing;
	(void)at;
}

void
stream_finish(struct stream *s, enum side side, bool clean)
{
	(void)s;
	(void)side;
	(void)clean;
}

void
stream_settle(struct stream *s)
{
	(void)s;
}

uint64_t
stream_undissected(const struct stream *s)
{
	(void)s;
	return 0;
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
	return false;
}

struct bytes
stream_first_bytes(const struct stream *s, enum side side)
{
	(void)s;
	(void)side;
	return bytes_make(NULL, 0);
}

/* ---- the file ---- */

struct pcap {
	struct bytes rest;
	uint64_t offset;
	uint32_t fraction_ns;
	uint16_t link_type;
	bool swapped;
};

static uint32_t
pcap_u32(const struct pcap *f, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return f->swapped ? __builtin_bswap32(value) : value;
}

static bool
pcap_open(struct pcap *f, struct bytes in)
{
	uint32_t magic;

	*f = (struct pcap){ .rest = in, .fraction_ns = 1000 };
	if (in.size < 24)
		return false;
	memcpy(&magic, in.data, sizeof(magic));
	f->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
	if (f->swapped)
		magic = __builtin_bswap32(magic);
	if (magic == 0xa1b23c4d)
		f->fraction_ns = 1;
	else if (magic != 0xa1b2c3d4)
		return false;
	f->link_type = (uint16_t)pcap_u32(f, in.data + 20);
	f->rest = bytes_from(in, 24);
	f->offset = 24;
	return true;
}

static bool
pcap_next(struct pcap *f, struct packet_record *record)
{
	const uint8_t *at = f->rest.data;
	uint32_t captured;

	if (f->rest.size < 16)
		return false;
	captured = pcap_u32(f, at + 8);
	if (captured > f->rest.size - 16)
		return false;
	*record = (struct packet_record){
		.time_ns = (int64_t)pcap_u32(f, at) * CLOCK_NS_PER_S +
			   (int64_t)pcap_u32(f, at + 4) * f->fraction_ns,
		.data = at + 16,
		.captured = captured,
		.length = pcap_u32(f, at + 12),
		.link_type = f->link_type,
		.offset = f->offset,
	};
	if (record->length < captured)
		record->length = captured;
	f->rest = bytes_from(f->rest, 16 + captured);
	f->offset += 16 + captured;
	return true;
}

/* ---- results ---- */

static void
print_endpoint(const struct endpoint *end)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];

	if (memcmp(end->ip, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, end->ip + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, end->ip, text, sizeof(text));
	printf("%s %u ", text, end->port);
}

#define PRINT_SIDES(name)                                                     \
	printf(" " #name "=%ju+%ju", (uintmax_t)c->tcp.name[0],               \
	       (uintmax_t)c->tcp.name[1])

static void
print_connection(void *context, const struct connection_event *c)
{
	(void)context;
	printf("%u ", c->ip_protocol);
	print_endpoint(&c->client);
	print_endpoint(&c->server);
	printf("packets=%ju+%ju duplicates=%ju state=%d midstream=%d "
	       "one_direction=%d",
	       (uintmax_t)c->packets[0], (uintmax_t)c->packets[1],
	       (uintmax_t)c->duplicate_packets, c->state, c->midstream,
	       c->one_direction);
	if (c->ip_protocol == 6) {
		printf(" completeness=%u irtt=%jd rtts=%u",
		       c->tcp.completeness, (intmax_t)c->tcp.initial_rtt_ns,
		       c->tcp.rtt_samples);
		PRINT_SIDES(retransmissions);
		PRINT_SIDES(fast_retransmissions);
		PRINT_SIDES(out_of_order);
		PRINT_SIDES(dup_acks);
		PRINT_SIDES(zero_windows);
		PRINT_SIDES(windows_full);
		PRINT_SIDES(keepalives);
		PRINT_SIDES(holes);
		PRINT_SIDES(missing_bytes);
		PRINT_SIDES(overlaps_differing);
		PRINT_SIDES(payload_bytes);
	}
	printf("\n");
}

static void
print_coverage(const struct coverage *v)
{
#define X(name, text)                                                         \
	if (v->name)                                                          \
		fprintf(stderr, "%-20s %10ju\n", #name, (uintmax_t)v->name);
	COVERAGE_MAP(X)
#undef X
}

static int64_t
run(struct bytes in, bool print, bool last, uint64_t *packets)
{
	struct engine_options options = engine_defaults();
	struct event_sink events = { .connection = print ? print_connection
							 : NULL };
	struct engine *e = engine_new(&options, events);
	struct packet_record record;
	struct pcap f;
	int64_t start = clock_monotonic_ns(), took;

	if (!pcap_open(&f, in)) {
		fprintf(stderr, "not a classic pcap file\n");
		exit(1);
	}
	for (*packets = 0; pcap_next(&f, &record); ++*packets)
		engine_packet(e, &record);
	engine_finish(e);
	took = clock_monotonic_ns() - start;
	if (last)
		print_coverage(engine_coverage(e));
	engine_free(e);
	return took;
}

int
main(int argc, char **argv)
{
	struct error error;
	struct buf in;
	uint64_t packets = 0;
	int rounds = argc > 2 ? atoi(argv[2]) : 3;

	buf_init(&in, 4ull << 30);
	if (argc < 2 || file_read(argv[1], &in, &error) < 0) {
		fprintf(stderr, "usage: bench_engine FILE.pcap [ROUNDS]\n");
		return 1;
	}
	if (rounds == 0)
		run(buf_view(&in), true, true, &packets);
	for (int i = 0; i < rounds; i++) {
		int64_t took = run(buf_view(&in), false, i == rounds - 1,
				   &packets);

		printf("%ju packets, %.1f ns/packet, %.0f MB/s\n",
		       (uintmax_t)packets, (double)took / (double)packets,
		       (double)in.size * 1e3 / (double)took);
	}
	buf_free(&in);
	return 0;
}
