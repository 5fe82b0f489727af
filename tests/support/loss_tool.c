/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for requests that are paired with another's response.
 *
 *   loss_tool [--keys KEYLOG] [--seeds FIRST COUNT] [--seconds N]
 *             [--variant NAME] [--guesses] [--reduce OUT.pcap] FILE
 *
 * Dissects a capture as it is: what is paired there is the truth, which who
 * calls this has compared to an independent source.  Then once for each seed
 * and variant with packets lost, swapped, delayed, doubled or cut, for as many
 * seconds at the most.  A pair that is not marked as uncertain must be one of
 * the truth: the same packets brought its halves.  Prints for each protocol and
 * variant
 *
 *   PROTOCOL VARIANT TRUTH RIGHT UNCERTAIN_RIGHT UNCERTAIN_WRONG WRONG
 *
 * summed over seeds (TRUTH of one), and describes the first wrong pairs.  Exit
 * status 1: there were some; with --guesses those count that are marked.
 * --reduce writes the fewest packets that are left of the first run with a
 * wrong pair and still have one.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/capture_file.h"
#include "capture/key_log.h"
#include "dissect/engine.h"
#include "dissect/protocol_name.h"

#define DESCRIBED 10
#define TEXT      100
/* Packets within which bytes are sent again. */
#define SENT_AGAIN 300

struct recorded {
	int64_t time_ns;
	uint8_t *data;
	uint32_t captured, length;
	uint16_t link_type;
	bool to_server;                    /* sent to the lower port */
	uint32_t ports, sequence, payload; /* of TCP; payload 0: none */
	uint64_t first; /* index of the packet that brought its bytes first */
};

/* One half as it is compared. */
struct half {
	uint64_t packet;
	int64_t first_ns, last_ns;
	uint64_t wire_bytes;
	bool whole;
};

struct exchange {
	struct half request, response;
	uint32_t ports; /* of both ends, in any order */
	uint32_t next;  /* whose response began in the same packet, + 1 */
};

enum count {
	COUNT_TRUTH,
	COUNT_RIGHT,
	COUNT_UNCERTAIN_RIGHT,
	COUNT_UNCERTAIN_WRONG,
	COUNT_WRONG,
	COUNT_KINDS,
};

struct counts {
	uint64_t of[PROTOCOL_COUNT][COUNT_KINDS];
};

struct hunt {
	struct recorded *packets;
	size_t packet_count, packet_capacity;
	struct secret_list secrets;

	struct exchange *truth;
	uint32_t truth_count, truth_capacity;
	uint32_t *by_response; /* of each packet: index + 1 */

	struct counts *counts; /* of what is being dissected */
	uint64_t seed;
	const char *variant;
	unsigned described;
	bool quiet, guesses; /* describe none; also what is uncertain */
};

/* ---- the capture ---- */

static uint32_t
u16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* Ethernet and IPv4 without options. */
static void
look_into(struct recorded *p)
{
	const uint8_t *ip = p->data + 14;
	uint32_t head;

	if (p->link_type != 1 || p->captured < 54 || ip[0] != 0x45)
		return;
	p->to_server = u16(ip + 20) > u16(ip + 22);
	head = 20 + (ip[32] >> 4) * 4u;
	if (ip[9] != 6 || u16(ip + 2) < head)
		return;
	p->ports = u16(ip + 20) << 16 | u16(ip + 22);
	p->sequence = u16(ip + 24) << 16 | u16(ip + 26);
	p->payload = u16(ip + 2) - head;
}

/* Whether both brought some of the same bytes. */
static bool
are_same(const struct recorded *a, const struct recorded *b)
{
	return a->ports == b->ports &&
	       (b->sequence - a->sequence < a->payload ||
		a->sequence - b->sequence < b->payload);
}

static void
add_packet(struct hunt *h, const struct pcapng_packet *in, uint16_t link_type)
{
	struct recorded *p;

	if (h->packet_count == h->packet_capacity) {
		h->packet_capacity = h->packet_capacity * 2 + 64;
		h->packets = alloc_resize(h->packets, h->packet_capacity,
					  sizeof(*p));
	}
	p = &h->packets[h->packet_count++];
	*p = (struct recorded){ .time_ns = in->time_ns,
				.captured = in->captured,
				.length = in->length,
				.link_type = link_type };
	p->data = alloc_zero(1, in->captured + 1u);
	memcpy(p->data, in->data, in->captured);
	look_into(p);
	p->first = h->packet_count - 1;
	for (uint64_t i = p->first, n = 0; i > 0 && n < SENT_AGAIN; n++)
		if (p->payload && are_same(p, &h->packets[--i]))
			p->first = i;
}

static bool
read_capture(struct hunt *h, const char *path)
{
	struct capture_event event;
	struct capture_file file;
	struct error error;
	uint16_t link_type = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || capture_file_open(&file, fd, path, NULL, &error) < 0) {
		fprintf(stderr, "%s is no capture\n", path);
		return false;
	}
	while (capture_file_next(&file, &event) == 1) {
		if (event.kind == CAPTURE_EVENT_INTERFACE)
			link_type = event.interface.link_type;
		else if (event.kind == CAPTURE_EVENT_PACKET)
			add_packet(h, &event.packet, link_type);
	}
	capture_file_close(&file);
	close(fd);
	return true;
}

/* ---- calls ---- */

static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct half
half_of(const struct hunt *h, const struct call_half *in, bool incomplete)
{
	return (struct half){
		.packet = h->packets[in->packet.offset].first,
		.first_ns = in->first_ns,
		.last_ns = in->last_ns,
		.wire_bytes = in->wire_bytes,
		.whole = !incomplete,
	};
}

static struct exchange
exchange_of(const struct hunt *h, const struct call_event *call)
{
	return (struct exchange){
		.request = half_of(h, &call->request,
				   call->flags & CALL_REQUEST_INCOMPLETE),
		.response = half_of(h, &call->response,
				    call->flags & CALL_RESPONSE_INCOMPLETE),
		.ports = (uint32_t)call->client.port * call->server.port,
	};
}

static void
learn(void *context, struct call_event *call)
{
	struct hunt *h = context;
	struct exchange *x;

	if (!(call->flags & CALL_HAS_REQUEST) ||
	    (!(call->flags & CALL_HAS_RESPONSE) &&
	     call->reason != CALL_REASON_STREAM_RESET))
		return;
	if (h->truth_count == h->truth_capacity) {
		h->truth_capacity = h->truth_capacity * 2 + 64;
		h->truth =
			alloc_resize(h->truth, h->truth_capacity, sizeof(*x));
	}
	x = &h->truth[h->truth_count++];
	*x = exchange_of(h, call);
	/* What was reset is answered when the reset is lost. */
	if (!(call->flags & CALL_HAS_RESPONSE))
		x->response = (struct half){ .packet = x->request.packet,
					     .first_ns = x->request.first_ns,
					     .last_ns = INT64_MAX };
	x->next = h->by_response[x->response.packet];
	h->by_response[x->response.packet] = h->truth_count;
	h->counts->of[call->protocol][COUNT_TRUTH]++;
}

/* Whether a half is the one of the truth, or what is left of it. */
static bool
is_half(const struct hunt *h, const struct half *mine, const struct half *truth)
{
	int64_t time_ns = h->packets[mine->packet].time_ns;

	return mine->packet == truth->packet ||
	       (time_ns >= truth->first_ns && time_ns <= truth->last_ns);
}

static bool
is_size(const struct half *mine, const struct half *truth)
{
	return !mine->whole || !truth->whole ||
	       mine->wire_bytes == truth->wire_bytes;
}

/* Where packets alone do not tell messages apart, sizes do. */
static bool
is_true(const struct hunt *h, const struct exchange *x)
{
	uint32_t i = h->by_response[x->response.packet];
	unsigned candidates = 0;

	for (; i; i = h->truth[i - 1].next) {
		const struct exchange *truth = &h->truth[i - 1];

		if (!is_half(h, &x->request, &truth->request))
			continue;
		if (is_size(&x->request, &truth->request) &&
		    is_size(&x->response, &truth->response))
			return true;
		candidates++;
	}
	if (candidates == 1)
		return true;
	for (i = 0; i < h->truth_count; i++)
		if (h->truth[i].ports == x->ports &&
		    is_half(h, &x->request, &h->truth[i].request) &&
		    is_half(h, &x->response, &h->truth[i].response))
			return true;
	return false;
}

/* Of MQTT: what is left of an exchange whose PUBLISH is lost. */
static bool
is_release(const struct hunt *h, const struct call_event *call,
	   const struct exchange *x)
{
	int64_t asked = h->packets[x->request.packet].time_ns;
	int64_t answered = h->packets[x->response.packet].time_ns;

	if (!bytes_equal(call->fields[FIELD_METHOD], bytes_of("PUBREL")))
		return false;
	for (uint32_t i = 0; i < h->truth_count; i++)
		if (h->truth[i].ports == x->ports &&
		    h->truth[i].request.last_ns < asked &&
		    h->truth[i].response.first_ns < asked &&
		    h->truth[i].response.last_ns == answered)
			return true;
	return false;
}

static void
print_text(const char *name, struct bytes text)
{
	printf(" %s=\"", name);
	for (size_t i = 0; i < text.size && i < TEXT; i++)
		putchar(text.data[i] >= ' ' && text.data[i] < 127 ? text.data[i]
								  : '.');
	putchar('"');
}

static void
describe(const struct hunt *h, const struct call_event *call)
{
	printf("  %s: seed %" PRIu64 " %s %s packets %" PRIu64 "%s %" PRIu64
	       "%s ports %u %u",
	       call->flags & CALL_UNCERTAIN ? "uncertain" : "wrong", h->seed,
	       h->variant, protocol_name(call->protocol),
	       call->request.packet.offset + 1,
	       call->flags & CALL_REQUEST_INCOMPLETE ? "+" : "",
	       call->response.packet.offset + 1,
	       call->flags & CALL_RESPONSE_INCOMPLETE ? "+" : "",
	       call->client.port, call->server.port);
	print_text("method", call->fields[FIELD_METHOD]);
	print_text("path", call->fields[FIELD_PATH]);
	print_text("request", call->request.body);
	print_text("response", call->response.body);
	putchar('\n');
}

static void
judge(void *context, struct call_event *call)
{
	struct hunt *h = context;
	struct exchange x = exchange_of(h, call);
	bool uncertain = call->flags & CALL_UNCERTAIN, right;

	if (!(call->flags & CALL_HAS_REQUEST) ||
	    !(call->flags & CALL_HAS_RESPONSE))
		return;
	right = is_true(h, &x) || is_release(h, call, &x);
	h->counts->of[call->protocol]
		     [right ? uncertain ? COUNT_UNCERTAIN_RIGHT : COUNT_RIGHT
		      : uncertain ? COUNT_UNCERTAIN_WRONG
				  : COUNT_WRONG]++;
	if (!right && (h->guesses || !uncertain) && !h->quiet &&
	    h->described++ < DESCRIBED)
		describe(h, call);
}

/* One packet of an impaired capture. */
struct kept {
	uint32_t packet; /* index */
	uint32_t at;     /* whose time it has: index */
	uint32_t size;   /* bytes of it */
};

static void
dissect(struct hunt *h, const struct kept *kept, size_t count,
	void (*call)(void *context, struct call_event *call))
{
	struct engine_options options = engine_defaults();
	struct event_sink events = { .context = h, .call = call };
	struct engine *e = engine_new(&options, events);

	for (size_t i = 0; i < h->secrets.count; i++)
		engine_secret(e, &h->secrets.items[i]);
	for (size_t i = 0; i < count; i++) {
		const struct recorded *p = &h->packets[kept[i].packet];

		engine_packet(e,
			      &(struct packet_record){
				      .time_ns = h->packets[kept[i].at].time_ns,
				      .data = p->data,
				      .captured = kept[i].size,
				      .length = p->length,
				      .link_type = p->link_type,
				      .offset = kept[i].packet,
			      });
	}
	engine_finish(e);
	engine_free(e);
}

/* ---- variants ---- */

struct variant {
	const char *name;
	/* In a million: packets lost, also those of one side only; swapped with
	 * the next; delayed by five; doubled; beginnings of 20 lost in a row.
	 */
	uint32_t lost, lost_to_server, lost_to_client;
	uint32_t swapped, delayed, doubled, bursts;
	bool midstream; /* begins somewhere */
	uint32_t snap;  /* bytes of each packet; 0: all */
};

static const struct variant variants[] = {
	{ "drop0.1pct", .lost = 1000 },
	{ "drop1pct", .lost = 10000 },
	{ "drop5pct", .lost = 50000 },
	{ "drop20pct", .lost = 200000 },
	{ "bursts", .bursts = 2000 },
	{ "requests5pct", .lost_to_server = 50000 },
	{ "responses5pct", .lost_to_client = 50000 },
	{ "midstream", .midstream = true, .lost = 10000 },
	{ "swap", .swapped = 20000, .lost = 10000 },
	{ "delay", .delayed = 10000, .lost = 10000 },
	{ "double", .doubled = 20000, .lost = 10000 },
	{ "snap200", .snap = 200, .lost = 10000 },
};

#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

struct random {
	uint64_t state;
};

static bool
happens(struct random *r, uint32_t in_a_million)
{
	return mix(r->state++) % 1000000 < in_a_million;
}

static void
exchange_kept(struct kept *a, struct kept *b)
{
	struct kept first = *a;

	*a = (struct kept){ b->packet, a->at, b->size };
	*b = (struct kept){ first.packet, b->at, first.size };
}

/* The packets that are left, in `kept`, which has room for two of each. */
static size_t
impair(const struct hunt *h, const struct variant *v, struct kept *kept)
{
	struct random r = { mix(mix(h->seed) ^ mix((uint64_t)(v - variants))) };
	uint64_t start = mix(r.state++) % (h->packet_count + 1);
	size_t count = 0;
	unsigned burst = 0;

	for (uint32_t i = 0; i < h->packet_count; i++) {
		const struct recorded *p = &h->packets[i];
		uint32_t size = v->snap && v->snap < p->captured ? v->snap
								 : p->captured;

		if (happens(&r, v->bursts))
			burst = 20;
		if (burst && burst-- > 0)
			continue;
		if ((v->midstream && i < start) || happens(&r, v->lost) ||
		    happens(&r, p->to_server ? v->lost_to_server
					     : v->lost_to_client))
			continue;
		kept[count++] = (struct kept){ i, i, size };
		if (happens(&r, v->doubled))
			kept[count++] = (struct kept){ i, i, size };
	}
	for (size_t i = 0; i + 6 < count; i++) {
		if (happens(&r, v->swapped))
			exchange_kept(&kept[i], &kept[i + 1]);
		for (size_t k = 0; k < 5 && happens(&r, v->delayed); k++)
			exchange_kept(&kept[i + k], &kept[i + k + 1]);
	}
	return count;
}

/* ---- reducing ---- */

static uint64_t
wrong_pairs(const struct hunt *h, const struct counts *counts)
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < PROTOCOL_COUNT; i++)
		wrong +=
			counts->of[i][COUNT_WRONG] +
			(h->guesses ? counts->of[i][COUNT_UNCERTAIN_WRONG] : 0);
	return wrong;
}

static bool
is_wrong(struct hunt *h, const struct kept *kept, size_t count)
{
	struct counts counts = { 0 };

	h->counts = &counts;
	dissect(h, kept, count, judge);
	return wrong_pairs(h, &counts) > 0;
}

/* Takes away runs of packets, long ones first, as long as there is a wrong
 * pair. */
static size_t
reduce(struct hunt *h, struct kept *kept, size_t count)
{
	struct kept *fewer = alloc_zero(count + 1, sizeof(*fewer));

	h->quiet = true;
	for (size_t size = count / 2; size;
	     size = size > 1 ? (size + 1) / 2 : 0)
		for (size_t i = 0; i < count;) {
			size_t gone = size < count - i ? size : count - i;

			memcpy(fewer, kept, i * sizeof(*kept));
			memcpy(fewer + i, kept + i + gone,
			       (count - i - gone) * sizeof(*kept));
			if (!is_wrong(h, fewer, count - gone)) {
				i += gone;
				continue;
			}
			count -= gone;
			memcpy(kept, fewer, count * sizeof(*kept));
		}
	h->quiet = false;
	free(fewer);
	return count;
}

static void
put_u32(FILE *file, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, file);
}

static void
write_kept(const struct hunt *h, const struct kept *kept, size_t count,
	   const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	put_u32(file, 0xa1b23c4d);
	put_u32(file, 4u << 16 | 2);
	put_u32(file, 0);
	put_u32(file, 0);
	put_u32(file, 262144);
	put_u32(file, count ? h->packets[kept[0].packet].link_type : 1);
	for (size_t i = 0; i < count; i++) {
		const struct recorded *p = &h->packets[kept[i].packet];
		int64_t time_ns = h->packets[kept[i].at].time_ns;

		put_u32(file, (uint32_t)(time_ns / 1000000000));
		put_u32(file, (uint32_t)(time_ns % 1000000000));
		put_u32(file, kept[i].size);
		put_u32(file, p->length);
		fwrite(p->data, 1, kept[i].size, file);
		printf("  left: packet %u\n", kept[i].packet + 1);
	}
	if (fclose(file) != 0)
		fprintf(stderr, "%s could not be written\n", path);
}

/* ---- the hunt ---- */

struct arguments {
	const char *capture, *keys, *variant, *reduce;
	uint64_t first, count;
	int64_t seconds;
	bool guesses;
};

static void
print_counts(const struct counts *truth, const struct counts *counts,
	     const char *variant)
{
	for (unsigned i = 0; i < PROTOCOL_COUNT; i++)
		if (truth->of[i][COUNT_TRUTH] || counts->of[i][COUNT_WRONG])
			printf("%s %s %" PRIu64 " %" PRIu64 " %" PRIu64
			       " %" PRIu64 " %" PRIu64 "\n",
			       protocol_name(i), variant,
			       truth->of[i][COUNT_TRUTH],
			       counts->of[i][COUNT_RIGHT],
			       counts->of[i][COUNT_UNCERTAIN_RIGHT],
			       counts->of[i][COUNT_UNCERTAIN_WRONG],
			       counts->of[i][COUNT_WRONG]);
}

/* Dissects the capture with the variant's losses; true: there is a wrong pair,
 * and nothing more is to be done. */
static bool
try_variant(struct hunt *h, const struct variant *v, struct counts *counts,
	    const struct arguments *a, struct kept *kept)
{
	size_t count = impair(h, v, kept);

	h->counts = counts;
	h->variant = v->name;
	dissect(h, kept, count, judge);
	if (!a->reduce || !wrong_pairs(h, counts))
		return false;
	count = reduce(h, kept, count);
	is_wrong(h, kept, count);
	write_kept(h, kept, count, a->reduce);
	return true;
}

/* One seed, or what there is time for until `end_ns` (0: all); false: enough.
 */
static bool
try_seed(struct hunt *h, const struct arguments *a, int64_t end_ns,
	 struct counts *counts, struct kept *kept)
{
	for (size_t v = 0; v < VARIANTS; v++) {
		if (a->variant && strcmp(a->variant, variants[v].name) != 0)
			continue;
		if ((end_ns && clock_monotonic_ns() > end_ns) ||
		    try_variant(h, &variants[v], &counts[v], a, kept))
			return false;
	}
	return true;
}

/* Returns how many seeds were tried with all variants. */
static uint64_t
try_seeds(struct hunt *h, const struct arguments *a, struct counts *counts,
	  struct kept *kept)
{
	int64_t end_ns =
		a->seconds ? clock_monotonic_ns() + a->seconds * CLOCK_NS_PER_S
			   : 0;
	uint64_t i = 0;

	for (; i < a->count; i++) {
		h->seed = a->first + i;
		if (!try_seed(h, a, end_ns, counts, kept))
			break;
	}
	return i;
}

static uint64_t
hunt(struct hunt *h, const struct arguments *a)
{
	struct kept *kept = alloc_zero(h->packet_count * 2 + 1, sizeof(*kept));
	struct counts truth = { 0 };
	struct counts *counts = alloc_zero(VARIANTS, sizeof(*counts));
	uint64_t wrong = 0, seeds;

	for (uint32_t i = 0; i < h->packet_count; i++)
		kept[i] = (struct kept){ i, i, h->packets[i].captured };
	h->by_response =
		alloc_zero(h->packet_count + 1, sizeof(*h->by_response));
	h->counts = &truth;
	dissect(h, kept, h->packet_count, learn);
	seeds = try_seeds(h, a, counts, kept);
	for (size_t v = 0; v < VARIANTS && !a->reduce; v++)
		if (!a->variant || strcmp(a->variant, variants[v].name) == 0)
			print_counts(&truth, &counts[v], variants[v].name);
	for (size_t v = 0; v < VARIANTS; v++)
		wrong += wrong_pairs(h, &counts[v]);
	printf("seeds: %" PRIu64 ", wrong pairs: %" PRIu64 "\n", seeds, wrong);
	free(kept);
	free(counts);
	return wrong;
}

static bool
parse(struct arguments *a, int argc, char **argv)
{
	*a = (struct arguments){ .first = 1, .count = 100 };
	for (int i = 1; i < argc; i++) {
		int left = argc - i - 1;

		if (strcmp(argv[i], "--guesses") == 0) {
			a->guesses = true;
		} else if (strcmp(argv[i], "--keys") == 0 && left > 0) {
			a->keys = argv[++i];
		} else if (strcmp(argv[i], "--variant") == 0 && left > 0) {
			a->variant = argv[++i];
		} else if (strcmp(argv[i], "--reduce") == 0 && left > 0) {
			a->reduce = argv[++i];
		} else if (strcmp(argv[i], "--seeds") == 0 && left > 1) {
			a->first = strtoull(argv[++i], NULL, 10);
			a->count = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--seconds") == 0 && left > 0) {
			a->seconds = strtoll(argv[++i], NULL, 10);
		} else if (argv[i][0] != '-' && !a->capture) {
			a->capture = argv[i];
		} else {
			return false;
		}
	}
	return a->capture != NULL;
}

int
main(int argc, char **argv)
{
	struct hunt h = { 0 };
	struct arguments a;
	struct error error;
	uint64_t wrong;

	if (!parse(&a, argc, argv)) {
		fprintf(stderr,
			"usage: loss_tool [--keys KEYLOG] [--seeds FIRST "
			"COUNT] [--seconds N] [--variant NAME] [--guesses] "
			"[--reduce OUT] FILE\n");
		return 2;
	}
	if (!read_capture(&h, a.capture))
		return 2;
	if (a.keys && key_log_visit_file(a.keys, 0, secrets_list_add,
					 &h.secrets, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		return 2;
	}
	h.guesses = a.guesses;
	wrong = hunt(&h, &a);
	for (size_t i = 0; i < h.packet_count; i++)
		free(h.packets[i].data);
	free(h.packets);
	free(h.truth);
	free(h.by_response);
	secrets_free(&h.secrets);
	return wrong > 0;
}
