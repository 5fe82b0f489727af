/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/redis_command.h"

#include <ctype.h>
#include <stdio.h>

#include "base/text.h"

#define SUMMARY_SIZE 160
#define SUMMARY_WORD 40

/* Where the first key is (0: there is none) and the value (0: none that is
 * the point of the command).  The rule is the first argument and no value. */
struct command {
	const char *name;
	uint8_t key, value;
	uint8_t words;      /* 2: the second word belongs to the name */
	uint8_t count;      /* where the number of keys is; they follow */
	enum redis_kind kind;
};

static const struct command commands[] = {
	{ "SET", 1, 2, 1, 0, REDIS_PLAIN },
	{ "SETNX", 1, 2, 1, 0, REDIS_PLAIN },
	{ "GETSET", 1, 2, 1, 0, REDIS_PLAIN },
	{ "APPEND", 1, 2, 1, 0, REDIS_PLAIN },
	{ "SETEX", 1, 3, 1, 0, REDIS_PLAIN },
	{ "PSETEX", 1, 3, 1, 0, REDIS_PLAIN },
	{ "SETRANGE", 1, 3, 1, 0, REDIS_PLAIN },
	{ "HSET", 1, 3, 1, 0, REDIS_PLAIN },
	{ "HSETNX", 1, 3, 1, 0, REDIS_PLAIN },
	{ "LPUSH", 1, 2, 1, 0, REDIS_PLAIN },
	{ "RPUSH", 1, 2, 1, 0, REDIS_PLAIN },
	{ "SADD", 1, 2, 1, 0, REDIS_PLAIN },
	{ "RESTORE", 1, 3, 1, 0, REDIS_PLAIN },
	{ "JSON.SET", 1, 3, 1, 0, REDIS_PLAIN },
	{ "PUBLISH", 1, 2, 1, 0, REDIS_PLAIN },
	{ "SPUBLISH", 1, 2, 1, 0, REDIS_PLAIN },
	{ "ECHO", 0, 1, 1, 0, REDIS_PLAIN },
	{ "PING", 0, 1, 1, 0, REDIS_PLAIN },
	{ "SUBSCRIBE", 1, 0, 1, 0, REDIS_SUBSCRIBE },
	{ "PSUBSCRIBE", 1, 0, 1, 0, REDIS_SUBSCRIBE },
	{ "SSUBSCRIBE", 1, 0, 1, 0, REDIS_SUBSCRIBE },
	{ "UNSUBSCRIBE", 1, 0, 1, 0, REDIS_SUBSCRIBE },
	{ "PUNSUBSCRIBE", 1, 0, 1, 0, REDIS_SUBSCRIBE },
	{ "SUNSUBSCRIBE", 1, 0, 1, 0, REDIS_SUBSCRIBE },
	{ "MONITOR", 0, 0, 1, 0, REDIS_MONITOR },
	{ "SYNC", 0, 0, 1, 0, REDIS_SYNC },
	{ "PSYNC", 0, 0, 1, 0, REDIS_SYNC },
	{ "SELECT", 0, 0, 1, 0, REDIS_SELECT },
	{ "RESET", 0, 0, 1, 0, REDIS_RESET },
	{ "AUTH", 0, 0, 1, 0, REDIS_PLAIN },
	{ "HELLO", 0, 0, 1, 0, REDIS_PLAIN },
	{ "QUIT", 0, 0, 1, 0, REDIS_PLAIN },
	{ "INFO", 0, 0, 1, 0, REDIS_PLAIN },
	{ "FLUSHDB", 0, 0, 1, 0, REDIS_PLAIN },
	{ "FLUSHALL", 0, 0, 1, 0, REDIS_PLAIN },
	{ "SCAN", 0, 0, 1, 0, REDIS_PLAIN },
	{ "WAIT", 0, 0, 1, 0, REDIS_PLAIN },
	{ "WAITAOF", 0, 0, 1, 0, REDIS_PLAIN },
	{ "SWAPDB", 0, 0, 1, 0, REDIS_PLAIN },
	{ "REPLCONF", 0, 0, 1, 0, REDIS_PLAIN },
	{ "REPLICAOF", 0, 0, 1, 0, REDIS_PLAIN },
	{ "SLAVEOF", 0, 0, 1, 0, REDIS_PLAIN },
	{ "FAILOVER", 0, 0, 1, 0, REDIS_PLAIN },
	{ "LOLWUT", 0, 0, 1, 0, REDIS_PLAIN },
	{ "SHUTDOWN", 0, 0, 1, 0, REDIS_PLAIN },
	{ "BGSAVE", 0, 0, 1, 0, REDIS_PLAIN },
	{ "MIGRATE", 3, 0, 1, 0, REDIS_PLAIN },
	{ "BITOP", 2, 0, 1, 0, REDIS_PLAIN },
	{ "EVAL", 0, 1, 1, 2, REDIS_PLAIN },
	{ "EVAL_RO", 0, 1, 1, 2, REDIS_PLAIN },
	{ "EVALSHA", 0, 0, 1, 2, REDIS_PLAIN },
	{ "EVALSHA_RO", 0, 0, 1, 2, REDIS_PLAIN },
	{ "FCALL", 0, 0, 1, 2, REDIS_PLAIN },
	{ "FCALL_RO", 0, 0, 1, 2, REDIS_PLAIN },
	{ "ZUNION", 0, 0, 1, 1, REDIS_PLAIN },
	{ "ZINTER", 0, 0, 1, 1, REDIS_PLAIN },
	{ "ZDIFF", 0, 0, 1, 1, REDIS_PLAIN },
	{ "ZINTERCARD", 0, 0, 1, 1, REDIS_PLAIN },
	{ "SINTERCARD", 0, 0, 1, 1, REDIS_PLAIN },
	{ "LMPOP", 0, 0, 1, 1, REDIS_PLAIN },
	{ "ZMPOP", 0, 0, 1, 1, REDIS_PLAIN },
	{ "BLMPOP", 0, 0, 1, 2, REDIS_PLAIN },
	{ "BZMPOP", 0, 0, 1, 2, REDIS_PLAIN },
	{ "CLIENT", 0, 0, 2, 0, REDIS_REPLY },
	{ "CONFIG", 2, 0, 2, 0, REDIS_PLAIN },
	{ "COMMAND", 0, 0, 2, 0, REDIS_PLAIN },
	{ "ACL", 2, 0, 2, 0, REDIS_PLAIN },
	{ "LATENCY", 0, 0, 2, 0, REDIS_PLAIN },
	{ "SLOWLOG", 0, 0, 2, 0, REDIS_PLAIN },
	{ "MODULE", 0, 0, 2, 0, REDIS_PLAIN },
	{ "FUNCTION", 0, 0, 2, 0, REDIS_PLAIN },
	{ "SCRIPT", 0, 2, 2, 0, REDIS_PLAIN },
	{ "CLUSTER", 0, 0, 2, 0, REDIS_PLAIN },
	{ "SENTINEL", 2, 0, 2, 0, REDIS_PLAIN },
	{ "DEBUG", 2, 0, 2, 0, REDIS_PLAIN },
	{ "MEMORY", 2, 0, 2, 0, REDIS_PLAIN },
	{ "OBJECT", 2, 0, 2, 0, REDIS_PLAIN },
	{ "PUBSUB", 2, 0, 2, 0, REDIS_PLAIN },
	{ "XINFO", 2, 0, 2, 0, REDIS_PLAIN },
	{ "XGROUP", 2, 0, 2, 0, REDIS_PLAIN },
};

static const struct command standard = { "", 1, 0, 1, 0, REDIS_PLAIN };

static bool
is_word(struct bytes in, const char *word)
{
	return bytes_equal_nocase(in, bytes_of(word));
}

static const struct command *
find_command(struct bytes name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const char *known = commands[i].name;

		if ((name.data[0] & 0xdf) == (uint8_t)known[0] &&
		    is_word(name, known))
			return &commands[i];
	}
	return &standard;
}

enum redis_kind
redis_kind(const struct redis_request *request)
{
	enum redis_kind kind = find_command(request->args[0])->kind;

	if (kind == REDIS_REPLY &&
	    (request->count < 3 || !is_word(request->args[1], "REPLY")))
		return REDIS_PLAIN;
	return kind;
}

/* Where the first key is. */
static uint32_t
key_index(const struct redis_request *request, const struct command *command)
{
	uint64_t keys;

	if (is_word(request->args[0], "XREAD") ||
	    is_word(request->args[0], "XREADGROUP")) {
		for (uint32_t i = 1; i + 1 < request->count; i++)
			if (is_word(request->args[i], "STREAMS"))
				return i + 1;
		return 0;
	}
	if (!command->count)
		return command->key;
	if (command->count < request->count &&
	    text_u64(request->args[command->count], &keys) && keys)
		return command->count + 1u;
	return 0;
}

/* Whether an argument is a password. */
static bool
is_secret(const struct redis_request *request, uint32_t index)
{
	const struct bytes *args = request->args;

	if (is_word(args[0], "AUTH"))
		return index + 1 == request->total;
	if (is_word(args[0], "HELLO"))
		return index > 2 && is_word(args[index - 2], "AUTH");
	if (is_word(args[0], "MIGRATE"))
		return (index > 1 && is_word(args[index - 1], "AUTH")) ||
		       (index > 2 && is_word(args[index - 2], "AUTH2"));
	if (is_word(args[0], "ACL"))
		return index > 2 && args[index].size &&
		       memchr("<>#!", args[index].data[0], 4);
	if (is_word(args[0], "CONFIG"))
		return index > 2 && (is_word(args[index - 1], "requirepass") ||
				     is_word(args[index - 1], "masterauth"));
	return false;
}

static bool
is_printable(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] < ' ' || in.data[i] == 0x7f)
			return false;
	return true;
}

struct line {
	char text[SUMMARY_SIZE + SUMMARY_WORD + 32];
	size_t size;
};

static void
add_word(struct line *line, struct bytes word)
{
	size_t room = sizeof(line->text) - line->size;
	int size;

	if (line->size > SUMMARY_SIZE)
		return;
	if (!word.size)
		word = bytes_of("\"\"");
	if (word.size > SUMMARY_WORD || !is_printable(word))
		size = snprintf(line->text + line->size, room, "%s(%zu bytes)",
				line->size ? " " : "", word.size);
	else
		size = snprintf(line->text + line->size, room, "%s%.*s",
				line->size ? " " : "", (int)word.size,
				word.size ? (const char *)word.data : "");
	line->size += (size_t)size;
}

static void
emit_summary(const struct redis_request *request, struct bytes method,
	     uint32_t words, struct sink *sink)
{
	struct line line = { .size = 0 };
	uint32_t i = words;
	char size[32];

	add_word(&line, method);
	for (; i < request->count && line.size <= SUMMARY_SIZE; i++)
		add_word(&line, is_secret(request, i) ? bytes_of("***")
						      : request->args[i]);
	if (i == request->seen && request->next) {
		snprintf(size, sizeof(size), "(%llu bytes)",
			 (unsigned long long)request->next);
		add_word(&line, bytes_of(size));
		i++;
	}
	if (i < request->total)
		line.size += (size_t)snprintf(line.text + line.size,
					      sizeof(line.text) - line.size,
					      " … (%u arguments)",
					      request->total - words);
	sink_field(sink, FIELD_SUMMARY, bytes_make(line.text, line.size));
}

void
redis_argument_in_body(uint64_t size, struct sink *sink)
{
	char text[48];

	snprintf(text, sizeof(text), "(%llu bytes, in the body)",
		 (unsigned long long)size);
	sink_header(sink, bytes_of("argument"), bytes_of(text));
}

void
redis_argument(struct bytes argument, struct sink *sink)
{
	if (argument.size <= REDIS_ARGUMENT_SIZE) {
		sink_header(sink, bytes_of("argument"), argument);
		return;
	}
	redis_argument_in_body(argument.size, sink);
	sink_body(sink, argument);
}

static void
emit_arguments(const struct redis_request *request, uint32_t words,
	       uint32_t key, uint32_t value, struct sink *sink)
{
	for (uint32_t i = words; i < request->count; i++) {
		if (is_secret(request, i))
			sink_header(sink, bytes_of("password"),
				    request->args[i]);
		else if (i == value)
			sink_body(sink, request->args[i]);
		else if (i != key)
			redis_argument(request->args[i], sink);
	}
	if (request->seen > request->count)
		sink_truncated(sink);
}

/* The name in capitals, of two words where the second belongs to it. */
static struct bytes
method_name(const struct redis_request *request, uint32_t words,
	    char out[80])
{
	size_t size = 0;

	for (uint32_t i = 0; i < words; i++) {
		struct bytes word = bytes_first(request->args[i], 32);

		if (i)
			out[size++] = ' ';
		for (size_t j = 0; j < word.size; j++)
			out[size++] = (char)toupper(word.data[j]);
	}
	return bytes_make(out, size);
}

void
redis_emit(const struct redis_request *request, struct sink *sink)
{
	const struct command *command = find_command(request->args[0]);
	uint32_t words = command->words == 2 && request->count > 1 &&
					 redis_is_name(request->args[1])
				 ? 2
				 : 1;
	uint32_t key = key_index(request, command), value = command->value;
	struct bytes method;
	char name[80];

	method = method_name(request, words, name);
	/* With more fields or values than one, none is the point. */
	if (value && (is_word(method, "HSET") || is_word(method, "LPUSH") ||
		      is_word(method, "RPUSH") || is_word(method, "SADD")) &&
	    request->total > value + 1u)
		value = 0;
	sink_field(sink, FIELD_METHOD, method);
	if (key && key < request->count && !is_secret(request, key))
		sink_field(sink, FIELD_PATH, request->args[key]);
	emit_summary(request, method, words, sink);
	emit_arguments(request, words, key, value, sink);
}
