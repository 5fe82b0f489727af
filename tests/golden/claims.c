/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims CASE…: no protocol claims what is another's.  Each conversation of the
 * golden cases is given to each protocol alone, from its start and from its
 * middle, and so are random, compressed and encrypted bytes, and text.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <zlib.h>

#include "base/file.h"
#include "tests/golden/script.h"

#define FILE_LIMIT (8u << 20)
#define ROUNDS 150
#define PIECE 1200
#define PIECES 8

static void
ignore_call(void *context, struct call_event *call)
{
	(void)context;
	(void)call;
}

static void
ignore_name(void *context, const struct name_event *name)
{
	(void)context;
	(void)name;
}

struct play {
	struct coverage coverage;
	struct stream_context context;
	struct stream_identity identity;
	struct stream *stream;
};

static void
play_open(struct play *p, uint64_t protocols, uint8_t ip_protocol,
	  bool midstream)
{
	*p = (struct play){
		.context = {
			.options = { .protocols = protocols,
				     .body_limit = 4096,
				     .head_limit = 256u << 10,
				     .pending_limit = 64 },
			.events = { .call = ignore_call, .name = ignore_name },
			.buffered_limit = 16u << 20,
		},
		.identity = {
			.connection = 1,
			.client = { .port = 50000 },
			.server = { .port = 7777 },
			.ip_protocol = ip_protocol,
			.midstream = midstream,
		},
	};
	p->context.coverage = &p->coverage;
	p->stream = stream_new(&p->context, &p->identity);
}

/* The protocol that was found in the end. */
static enum protocol
play_close(struct play *p)
{
	enum protocol protocol;

	stream_finish(p->stream, SIDE_CLIENT, true);
	stream_finish(p->stream, SIDE_SERVER, true);
	protocol = stream_calls(p->stream) ? stream_protocol(p->stream)
					   : PROTOCOL_UNKNOWN;
	stream_free(p->stream, CALL_REASON_NO_RESPONSE);
	return protocol;
}

/* Who claims the conversation; of packets, the first `without` are lost. */
static enum protocol
claimed(const struct script *script, uint64_t protocols, size_t without)
{
	struct play p;

	play_open(&p, protocols, script->ip_protocol, script->midstream || without);
	for (size_t i = without; i < script->count; i++) {
		const struct script_step *step = &script->steps[i];
		struct stream_at at = {
			.time_ns = step->line,
			.position = step->position,
			.acknowledged = step->acknowledged,
		};

		if (step->kind == SCRIPT_DATA)
			stream_data(p.stream, step->side,
				    buf_view(&step->data), &at);
		else if (step->kind == SCRIPT_GAP)
			stream_gap(p.stream, step->side, step->missing, &at);
	}
	return play_close(&p);
}

static const char *
name_of(enum protocol protocol)
{
	return protocol ? registry_dissector(protocol)->name : "nobody";
}

/* The protocol of a case is the name of the folder above it. */
static enum protocol
owner_of(const char *directory)
{
	const char *end = strrchr(directory, '/'), *start = end;

	assert(end);
	while (start > directory && start[-1] != '/')
		start--;
	return registry_find(bytes_make(start, (size_t)(end - start)));
}

/*
 * What really has another protocol inside: "owner/case other".  Each is a
 * connection that changes protocol, or is asked to, in which the other is right,
 * or is a case of what the owner is not to be taken for.
 */
static bool
is_inside(const char *directory, enum protocol other)
{
	static const char *const inside[] = {
		"http2/upgrade_h2c http", "http2/upgrade_h2c_refused http",
		"http/upgrade_websocket websocket", "http/not_http smtp",
		"dns/not_dns sip",
		"nats/upgrade_tls tls", NULL
	};

	/* Every WebSocket begins as HTTP. */
	if (owner_of(directory) == PROTOCOL_websocket &&
	    other == PROTOCOL_http)
		return true;
	for (const char *const *entry = inside; *entry; entry++) {
		size_t size = strcspn(*entry, " ");
		const char *tail = directory + strlen(directory) - size;

		if (strlen(directory) >= size &&
		    strncmp(tail, *entry, size) == 0 &&
		    strcmp(*entry + size + 1, name_of(other)) == 0)
			return true;
	}
	return false;
}

static int
check_case(const char *directory)
{
	enum protocol owner = owner_of(directory);
	struct script script;
	struct error e = { 0 };
	struct buf text;
	char path[4096];
	int failures = 0;

	buf_init(&text, FILE_LIMIT);
	snprintf(path, sizeof(path), "%s/input.stream", directory);
	if (file_read(path, &text, &e) || script_parse(&script, buf_view(&text)))
		return 1;
	for (unsigned i = 1; i < PROTOCOL_COUNT; i++) {
		if (i == owner || is_inside(directory, (enum protocol)i))
			continue;
		for (size_t lost = 0; lost < script.count && lost < 8; lost++) {
			if (!claimed(&script, UINT64_C(1) << i, lost))
				continue;
			printf("%s without its first %zu packets: claimed by "
			       "%s\n",
			       directory, lost, name_of((enum protocol)i));
			failures++;
		}
	}
	script_free(&script);
	buf_free(&text);
	return failures;
}

/* Bytes that are nobody's. */

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

enum noise { NOISE_RANDOM, NOISE_GZIP, NOISE_TLS, NOISE_TEXT, NOISE_KINDS };

static void
fill(uint8_t *out, size_t size, uint64_t *seed)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(next_random(seed) >> 24);
}

static void
fill_gzip(uint8_t *out, size_t size, uint64_t *seed)
{
	static uint8_t text[PIECE * PIECES * 8];
	z_stream z = { 0 };

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(' ' + (next_random(seed) >> 30) % 40);
	assert(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) ==
	       Z_OK);
	z.next_in = text;
	z.avail_in = sizeof(text);
	z.next_out = out;
	z.avail_out = (unsigned)size;
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
}

/* Handshake and data records, filled with anything. */
static void
fill_tls(uint8_t *out, size_t size, uint64_t *seed)
{
	fill(out, size, seed);
	for (size_t at = 0; at + 5 < size; at += 5 + 300) {
		out[at] = at ? 23 : 22;
		out[at + 1] = 3;
		out[at + 2] = at ? 3 : 1;
		out[at + 3] = 300 >> 8;
		out[at + 4] = 300 & 0xff;
	}
}

/* What files have in them that are listed or handed over, numbers between
 * words: from anywhere in a line, as packets begin. */
static void
fill_text(uint8_t *out, size_t size, uint64_t *seed)
{
	static const char *const lines[][3] = {
		{ "-rw-r--r-- 1 root root ", " Sep 20  2022 bzdiff.", "\n" },
		{ "this is ", " of the words, p and b @ ", "\r\n" },
		{ "<p class=\"c", "\">1/", " &nbsp;</p>\n" },
		{ "", ".5,\"x/y\",", ",0\r\n" },
		{ "2022-09-20T10:00:00Z app[", "]: PING took ", " ms\n" },
		{ "", "\n", "\n" },
		{ "\xd0\xb0 \xd1\x8f ", "/\xc3\xa9 \xc2\xb0", "\r\n" },
	};
	const char *const *line = lines[next_random(seed) %
					(sizeof(lines) / sizeof(*lines))];
	size_t skip = next_random(seed) % 60;
	struct buf text;

	buf_init(&text, 2 * size);
	while (text.size < size + skip)
		for (int i = 0; i < 3; i++) {
			buf_text(&text, line[i]);
			if (i < 2)
				buf_format(&text, "%u",
					   (unsigned)(next_random(seed) % 9999));
		}
	memcpy(out, text.data + skip, size);
	buf_free(&text);
}

static enum protocol
claimed_noise(enum noise kind, uint64_t seed, uint64_t protocols)
{
	static void (*const fills[])(uint8_t *, size_t, uint64_t *) = {
		fill, fill_gzip, fill_tls, fill_text
	};
	static uint8_t sides[2][PIECE * PIECES];
	struct play p;

	fills[kind](sides[0], sizeof(sides[0]), &seed);
	fills[kind](sides[1], sizeof(sides[1]), &seed);
	play_open(&p, protocols, 6, seed & 1);
	for (unsigned i = 0; i < PIECES * 2; i++) {
		struct stream_at at = {
			.position = (uint64_t)(i / 2) * PIECE,
			.acknowledged = (uint64_t)((i + 1) / 2) * PIECE,
		};

		stream_data(p.stream, (enum side)(i % 2),
			    bytes_make(sides[i % 2] + at.position, PIECE),
			    &at);
	}
	return play_close(&p);
}

static int
check_noise(void)
{
	static const char *const names[] = { "random", "gzip", "TLS",
					     "text" };
	int failures = 0;

	for (unsigned kind = 0; kind < NOISE_KINDS; kind++)
		for (uint64_t seed = 1; seed <= ROUNDS; seed++)
			for (unsigned i = 1; i < PROTOCOL_COUNT; i++) {
				/* It has its records, filled with nonsense. */
				if (kind == NOISE_TLS && i == PROTOCOL_tls)
					continue;
				if (!claimed_noise((enum noise)kind,
						   seed * 0x9e3779b97f4a7c15,
						   UINT64_C(1) << i))
					continue;
				printf("%s bytes, seed %llu: claimed by %s\n",
				       names[kind], (unsigned long long)seed,
				       name_of((enum protocol)i));
				failures++;
			}
	return failures;
}

int
main(int argc, char **argv)
{
	int failures = check_noise();

	for (int i = 1; i < argc; i++)
		failures += check_case(argv[i]);
	printf("%d cases, %d false claims\n", argc - 1, failures);
	return failures ? 1 : 0;
}
