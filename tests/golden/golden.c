/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden [--update] CASE…: replays CASE/input.stream whole, byte by byte and in
 * random pieces, and demands the events of CASE/expect.jsonl each time; then
 * replays every prefix and demands that nothing breaks.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "capture/key_log.h"
#include "dissect/application/application.h"
#include "dissect/tls/key_store.h"
#include "tests/golden/record.h"
#include "tests/golden/script.h"

#define FILE_LIMIT    (8u << 20)
#define RANDOM_ROUNDS 20
/* Prefixes of long inputs are tried in this many steps. */
#define PREFIX_STEPS 2000

/* How a packet is cut: one piece, single bytes, or random sizes. */
enum cut { CUT_WHOLE, CUT_BYTES, CUT_RANDOM };

struct replay {
	enum cut cut;
	uint32_t seed;
	uint64_t limit; /* bytes of data replayed before it all ends */
};

static uint32_t
next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static size_t
piece_size(struct replay *replay, size_t left)
{
	size_t size = left;

	if (replay->cut == CUT_BYTES)
		size = 1;
	if (replay->cut == CUT_RANDOM)
		size = next_random(&replay->seed) % 4 == 0
			       ? 1 + next_random(&replay->seed) % 3
			       : 1 + next_random(&replay->seed) % left;
	if (size > left)
		size = left;
	return size > replay->limit ? (size_t)replay->limit : size;
}

/* Every piece in memory of its own, so that overreads are seen. */
static void
send_piece(struct stream *s, const struct script_step *step, size_t offset,
	   size_t size)
{
	uint8_t *copy = malloc(size);
	struct stream_at at = {
		.time_ns = (int64_t)step->line * 1000000,
		.packet = { .offset = step->line },
		.position = step->position + offset,
		.acknowledged = step->acknowledged,
	};

	assert(copy);
	memcpy(copy, step->data.data + offset, size);
	stream_data(s, step->side, bytes_make(copy, size), &at);
	free(copy);
}

static void
play_step(struct stream *s, const struct script *script,
	  const struct script_step *step, struct replay *replay)
{
	struct stream_at at = { .time_ns = (int64_t)step->line * 1000000,
				.position = step->position };
	size_t offset = 0;

	switch (step->kind) {
	case SCRIPT_DATA:
		while (offset < step->data.size && replay->limit) {
			size_t size = step->data.size - offset;

			if (script->ip_protocol == 6)
				size = piece_size(replay, size);
			send_piece(s, step, offset, size);
			offset += size;
			replay->limit -=
				size < replay->limit ? size : replay->limit;
		}
		break;
	case SCRIPT_GAP:
		stream_gap(s, step->side, step->missing, &at);
		break;
	case SCRIPT_FIN:
	case SCRIPT_RST:
		stream_finish(s, step->side, step->kind == SCRIPT_FIN);
		break;
	}
}

/* What the stream says, with what the bodies say. */
struct listener {
	struct application *application;
	struct buf *out;
};

static void
take_call(void *context, struct call_event *event)
{
	struct listener *l = context;
	struct call_event call = *event;

	application_call(l->application, &call);
	record_call(l->out, &call);
}

static void
take_name(void *context, const struct name_event *name)
{
	struct listener *l = context;

	record_name(l->out, name);
}

static int
add_key(void *keys, const struct secret *secret)
{
	return key_store_add(keys, secret) ? 0 : ERR_LIMIT;
}

static void
play(const struct script *script, struct replay replay, struct buf *out)
{
	const struct application_options options = {
		.body_limit = script->options.body_limit,
		.ratio_limit = 200,
	};
	struct listener listener = { application_new(&options), out };
	struct coverage coverage = { 0 };
	struct stream_context context = {
		.options = script->options,
		.events = { .context = &listener,
			    .call = take_call,
			    .name = take_name },
		.coverage = &coverage,
		.buffered_limit = 16u << 20,
	};
	struct stream_identity identity = {
		.connection = 1,
		.client = { .port = 50000 },
		.server = { .port = script->ip_protocol == 17 ? 53 : 7777 },
		.ip_protocol = script->ip_protocol,
		.midstream = script->midstream,
	};
	struct key_store *keys = key_store_new(100);
	struct stream *s;

	assert(key_log_visit(buf_view(&script->keys), 0, add_key, keys) == 0);
	context.keys = keys;
	s = stream_new(&context, &identity);
	for (size_t i = 0; i < script->count && replay.limit; i++)
		play_step(s, script, &script->steps[i], &replay);
	stream_settle(s);
	record_stream(out, s);
	stream_free(s, script->end);
	record_coverage(out, &coverage);
	key_store_free(keys);
	application_free(listener.application);
	assert(context.buffered == 0 && context.streams == 0);
}

/* Prints the lines that differ; true when there are none. */
static bool
same(struct bytes expected, struct bytes got, const char *how)
{
	if (bytes_equal(expected, got))
		return true;
	printf("%s gives other events:\n", how);
	while (expected.size || got.size) {
		struct bytes *both[] = { &expected, &got };
		struct bytes lines[2];

		for (int i = 0; i < 2; i++) {
			const uint8_t *newline =
				both[i]->size ? memchr(both[i]->data, '\n',
						       both[i]->size)
					      : NULL;
			size_t size =
				newline ? (size_t)(newline - both[i]->data) + 1
					: both[i]->size;

			lines[i] = bytes_first(*both[i], size);
			*both[i] = bytes_from(*both[i], size);
		}
		if (bytes_equal(lines[0], lines[1]))
			continue;
		if (lines[0].size)
			printf("-%.*s", (int)lines[0].size, lines[0].data);
		if (lines[1].size)
			printf("+%.*s", (int)lines[1].size, lines[1].data);
	}
	return false;
}

static bool
check(const struct script *script, struct bytes expected)
{
	static const char *const names[] = { "whole", "byte by byte",
					     "in random pieces" };
	bool good = true;
	struct buf got;

	buf_init(&got, FILE_LIMIT);
	for (uint32_t round = 0; round < 2 + RANDOM_ROUNDS && good; round++) {
		struct replay replay = { round < 2 ? (enum cut)round
						   : CUT_RANDOM,
					 0x9e3779b9u * (round + 1),
					 UINT64_MAX };

		buf_reset(&got);
		play(script, replay, &got);
		good = same(expected, buf_view(&got), names[replay.cut]);
	}
	buf_free(&got);
	return good;
}

static void
play_prefixes(const struct script *script)
{
	uint64_t total = 0, step;
	struct buf got;

	for (size_t i = 0; i < script->count; i++)
		total += script->steps[i].data.size;
	step = 1 + total / PREFIX_STEPS;
	buf_init(&got, FILE_LIMIT);
	for (uint64_t limit = 1; limit < total; limit += step) {
		buf_reset(&got);
		play(script, (struct replay){ CUT_WHOLE, 1, limit }, &got);
	}
	buf_free(&got);
}

static bool
run_case(const char *directory, bool update)
{
	char path[4096];
	struct script script;
	struct buf text, expected;
	struct error e = { 0 };
	unsigned line;
	bool good;

	buf_init(&text, FILE_LIMIT);
	buf_init(&expected, FILE_LIMIT);
	snprintf(path, sizeof(path), "%s/input.stream", directory);
	if (file_read(path, &text, &e)) {
		printf("%s\n", e.text);
		return false;
	}
	line = script_parse(&script, buf_view(&text));
	good = line == 0;
	if (line)
		printf("%s:%u: makes no sense\n", path, line);
	snprintf(path, sizeof(path), "%s/expect.jsonl", directory);
	if (good && update) {
		play(&script, (struct replay){ CUT_WHOLE, 1, UINT64_MAX },
		     &expected);
		good = !file_write_atomic(path, buf_view(&expected), 0644, &e);
		buf_reset(&expected);
	}
	if (good && file_read(path, &expected, &e))
		good = false;
	if (e.code)
		printf("%s\n", e.text);
	good = good && check(&script, buf_view(&expected));
	if (good)
		play_prefixes(&script);
	script_free(&script);
	buf_free(&text);
	buf_free(&expected);
	return good;
}

int
main(int argc, char **argv)
{
	bool update = argc > 1 && strcmp(argv[1], "--update") == 0;
	int failures = 0;

	for (int i = 1 + update; i < argc; i++) {
		if (run_case(argv[i], update))
			continue;
		printf("FAILED %s\n", argv[i]);
		failures++;
	}
	printf("%d cases, %d failed\n", argc - 1 - update, failures);
	return failures ? 1 : 0;
}
