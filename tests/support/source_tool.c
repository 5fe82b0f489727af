/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures from a packet source as a recorder does, and writes what it got as
 * pcapng by raw_reader:
 *
 *   source_tool [-s cgroup|interface|af_packet|replay] [-i LIST] [-n LIST]
 *               [-f FILTER] [-r FILE] [-S SNAPLEN] [-B RING_BYTES]
 *               [-a AVOID] [-x SPEED] [-g CGROUP] [-H] [-w FILE]
 *   source_tool probe
 *
 * It says "ready" on stderr, runs until SIGINT or SIGTERM (replay: until the
 * end) and prints one JSON object: the source's counts and description, and
 * what was read.  -H reads nothing until the end, so that the ring overflows.
 * Without -w nothing is parsed: the packets are taken and given back.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "capture/pcapng_convert.h"
#include "capture/source/raw_filter.h"
#include "capture/source/raw_reader.h"
#include "capture/source/source.h"

#define LIST_MAX 64
#define FLUSH_BYTES (1u << 20)
#define LOOK_MS 50

static volatile sig_atomic_t stopped;

struct place {
	uint64_t netns;
	uint64_t ifindex;
};

struct tool {
	struct source *source;
	struct raw_filter *filter;
	struct map *interfaces; /* struct place → id + 1 */
	struct buf out;
	json_t *described;
	int file;
	int64_t clock_offset;
	uint64_t packets, bytes, interface_count, spans, damaged;
};

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void
block_end(struct tool *t, size_t begin)
{
	uint32_t size;

	buf_le32(&t->out, (uint32_t)(t->out.size - begin + 4));
	size = (uint32_t)(t->out.size - begin);
	memcpy(t->out.data + begin + 4, &size, sizeof size);
}

static void
write_section(struct tool *t)
{
	size_t begin = t->out.size;

	buf_le32(&t->out, PCAPNG_SECTION);
	buf_le32(&t->out, 0);
	buf_le32(&t->out, PCAPNG_BYTE_ORDER);
	buf_le32(&t->out, 1);
	buf_le64(&t->out, UINT64_MAX);
	block_end(t, begin);
}

/* What describe() says of the place. */
static const json_t *
described(struct tool *t, const struct place *place)
{
	const json_t *each;
	size_t i;

	for (int attempt = 0; attempt < 2; attempt++) {
		json_array_foreach(json_object_get(t->described,
						   "interfaces"),
				   i, each) {
			json_int_t netns = json_integer_value(
				json_object_get(each, "netns"));
			json_int_t ifindex = json_integer_value(
				json_object_get(each, "ifindex"));

			if ((uint64_t)netns == place->netns &&
			    (uint64_t)ifindex == place->ifindex)
				return each;
		}
		(void)t->source->type->refresh(t->source, NULL);
		json_decref(t->described);
		t->described = t->source->type->describe(t->source);
	}
	return NULL;
}

struct known {
	uint32_t id;
	uint16_t link_type;
	bool added;
};

static const struct known *
interface_of(struct tool *t, const struct raw_packet *p)
{
	struct place place = { p->netns, p->ifindex };
	struct known *known = map_put(t->interfaces, &place, NULL);
	const uint8_t resolution = 9;
	const json_t *about;
	const char *name;
	size_t begin = t->out.size;

	if (known->added)
		return known;
	about = described(t, &place);
	*known = (struct known){
		(uint32_t)t->interface_count++,
		(uint16_t)json_integer_value(
			json_object_get(about, "link_type")),
		true
	};
	if (!about)
		fprintf(stderr, "not described: %llu %llu\n",
			(unsigned long long)place.netns,
			(unsigned long long)place.ifindex);
	buf_le32(&t->out, PCAPNG_INTERFACE);
	buf_le32(&t->out, 0);
	buf_le16(&t->out, known->link_type);
	buf_le16(&t->out, 0);
	buf_le32(&t->out, 0);
	name = json_string_value(json_object_get(about, "name"));
	if (name)
		pcapng_put_option(&t->out, 2, bytes_of(name));
	pcapng_put_option(&t->out, PCAPNG_INTERFACE_TSRESOL,
			  bytes_make(&resolution, 1));
	buf_le32(&t->out, 0);
	block_end(t, begin);
	return known;
}

static void
write_packet(struct tool *t, const struct raw_packet *p)
{
	const struct known *known = interface_of(t, p);
	uint64_t time = (uint64_t)(p->time_ns + t->clock_offset);
	uint32_t flags = p->direction;
	size_t begin = t->out.size;

	if (t->filter && !raw_filter_matches(t->filter, known->link_type,
					     p->data, p->captured, p->length))
		return;
	buf_le32(&t->out, PCAPNG_ENHANCED_PACKET);
	buf_le32(&t->out, 0);
	buf_le32(&t->out, known->id);
	buf_le32(&t->out, (uint32_t)(time >> 32));
	buf_le32(&t->out, (uint32_t)time);
	buf_le32(&t->out, p->captured);
	buf_le32(&t->out, p->length);
	buf_append(&t->out, p->data, p->captured);
	for (uint32_t i = p->captured; i % 4; i++)
		buf_u8(&t->out, 0);
	pcapng_put_option(&t->out, PCAPNG_PACKET_FLAGS,
			  bytes_make(&flags, sizeof flags));
	buf_le32(&t->out, 0);
	block_end(t, begin);
	t->packets++;
	t->bytes += p->captured;
}

static void
flush(struct tool *t)
{
	if (t->file >= 0 &&
	    file_write_all(t->file, t->out.data, t->out.size) < 0)
		abort();
	buf_reset(&t->out);
}

static void
take_span(struct tool *t, const struct source_span *span)
{
	struct raw_packet p;
	struct raw_reader r;
	int got;

	t->spans++;
	if (t->file < 0)
		return;
	raw_reader_init(&r, t->source->type->format,
			bytes_make(span->data, span->size));
	while ((got = raw_reader_next(&r, &p)) == 1) {
		write_packet(t, &p);
		if (t->out.size > FLUSH_BYTES)
			flush(t);
	}
	if (got < 0) {
		fprintf(stderr, "span: %s\n", r.problem);
		t->damaged++;
	}
	raw_reader_free(&r);
}

static void
drain(struct tool *t)
{
	const struct source_type *type = t->source->type;
	struct source_span span;

	while (type->peek(t->source, &span)) {
		take_span(t, &span);
		type->release(t->source, span.size);
	}
}

static void
run(struct tool *t, bool hold)
{
	const struct source_type *type = t->source->type;
	struct pollfd wait[] = {
		{ .fd = type->descriptor(t->source), .events = POLLIN },
		{ .fd = type->watch(t->source), .events = POLLIN },
	};
	int64_t next = clock_monotonic_ns() + CLOCK_NS_PER_S;
	struct error e = { 0 };

	while (!stopped && !type->ended(t->source)) {
		poll(wait, 2, LOOK_MS);
		if (!hold)
			drain(t);
		if (!wait[1].revents && clock_monotonic_ns() < next)
			continue;
		next = clock_monotonic_ns() + CLOCK_NS_PER_S;
		if (type->refresh(t->source, &e) < 0)
			fprintf(stderr, "refresh: %s\n", e.text);
	}
	/* AF_PACKET closes its blocks after a while. */
	for (int i = 0; i < 4; i++) {
		poll(NULL, 0, LOOK_MS);
		drain(t);
	}
	(void)type->refresh(t->source, NULL);
}

static void
report(struct tool *t)
{
	struct source_counts c;
	struct rusage usage;
	json_t *out;

	getrusage(RUSAGE_SELF, &usage);
	t->source->type->counts(t->source, &c);
	out = json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:o}",
		"seen", (json_int_t)c.seen_packets, "seen_bytes",
		(json_int_t)c.seen_bytes, "captured",
		(json_int_t)c.captured_packets, "filtered",
		(json_int_t)c.filtered_packets, "cut",
		(json_int_t)c.cut_packets, "lost_ring",
		(json_int_t)c.lost_ring, "lost_errors",
		(json_int_t)c.lost_errors, "lost_kernel",
		(json_int_t)c.lost_kernel, "packets", (json_int_t)t->packets,
		"bytes", (json_int_t)t->bytes, "spans", (json_int_t)t->spans,
		"damaged", (json_int_t)t->damaged, "cpu",
		(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			1e-6 * (double)(usage.ru_utime.tv_usec +
					usage.ru_stime.tv_usec),
		"description", t->source->type->describe(t->source));
	json_dumpf(out, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(out);
}

static size_t
split(char *text, const char **list)
{
	char *save = NULL;
	size_t count = 0;

	for (char *word = strtok_r(text, ",", &save); word && count < LIST_MAX;
	     word = strtok_r(NULL, ",", &save))
		list[count++] = word;
	return count;
}

struct arguments {
	struct source_options options;
	const char *type, *out;
	const char *interfaces[LIST_MAX], *namespaces[LIST_MAX];
	bool hold;
};

static bool
parse_option(struct arguments *a, int letter, char *value)
{
	switch (letter) {
	case 's': a->type = value; break;
	case 'i':
		a->options.interface_count = split(value, a->interfaces);
		a->options.interfaces = a->interfaces;
		break;
	case 'n':
		a->options.namespace_count = split(value, a->namespaces);
		a->options.namespaces = a->namespaces;
		break;
	case 'f': a->options.filter = value; break;
	case 'g': a->options.cgroup = value; break;
	case 'r': a->options.replay_file = value; break;
	case 'x': a->options.replay_speed = atof(value); break;
	case 'S': a->options.snaplen = (uint32_t)atol(value); break;
	case 'B': a->options.ring_bytes = strtoull(value, NULL, 10); break;
	case 'a': a->options.avoid = (unsigned)atoi(value); break;
	case 'H': a->hold = true; break;
	case 'w': a->out = value; break;
	default: return false;
	}
	return true;
}

static int
tool_open(struct tool *t, const struct arguments *a, struct error *e)
{
	const struct source_type *types[] = {
		&source_cgroup, &source_interface, &source_af_packet,
		&source_replay
	};
	int status = ERR_INVALID;
	char *why = NULL;

	if (!a->type)
		status = source_open(&a->options, &t->source, &why, e);
	if (why)
		fprintf(stderr, "passed over: %s\n", why);
	free(why);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (a->type && strcmp(types[i]->name, a->type) == 0)
			status = types[i]->open(&a->options, &t->source, e);
	if (status == 0 && t->source->recorder_filter)
		status = raw_filter_new(t->source->recorder_filter, &t->filter,
					e);
	return status;
}

int
main(int argc, char **argv)
{
	struct arguments a = { .type = NULL };
	struct tool t = { .file = -1 };
	struct error e = { 0 };
	int letter;

	if (argc == 2 && strcmp(argv[1], "probe") == 0) {
		t.described = source_probe();
		json_dumpf(t.described, stdout, JSON_INDENT(1));
		json_decref(t.described);
		return 0;
	}
	while ((letter = getopt(argc, argv, "s:i:n:f:g:r:x:S:B:a:Hw:")) != -1)
		if (!parse_option(&a, letter, optarg))
			return 2;
	if (tool_open(&t, &a, &e) < 0) {
		fprintf(stderr, "%s: %s\n", err_name(e.code), e.text);
		return e.code == ERR_DENIED || e.code == ERR_UNSUPPORTED ? 77 :
									    1;
	}
	if (a.out)
		t.file = open(a.out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	buf_init(&t.out, 64u << 20);
	t.interfaces = map_new(sizeof(struct place), sizeof(struct known),
			       65536);
	if (t.source->clock == RAW_CLOCK_MONOTONIC)
		t.clock_offset = clock_wall_ns() - clock_monotonic_ns();
	write_section(&t);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	fprintf(stderr, "ready\n");
	run(&t, a.hold);
	flush(&t);
	report(&t);
	t.source->type->close(t.source);
	raw_filter_free(t.filter);
	map_free(t.interfaces);
	buf_free(&t.out);
	json_decref(t.described);
	return t.damaged != 0;
}
