/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of memcached: what commands and answers look like. */
#include "dissect/proto/memcached_parts.h"

#include <ctype.h>

#include "base/text.h"

enum shape {
	SHAPE_ANY,     /* whatever follows */
	SHAPE_NOTHING,
	SHAPE_KEYS,    /* get: one or more */
	SHAPE_TOUCHES, /* gat: a time, and keys */
	SHAPE_STORE,   /* key, flags, time, size */
	SHAPE_CAS,     /* the same, and a number */
	SHAPE_KEY,     /* key; more may follow */
	SHAPE_NUMBER,  /* key and number */
	SHAPE_META,    /* key and flags */
	SHAPE_META_SET,
};

static const struct word {
	const char *name;
	enum shape shape;
	enum memcached_answer answer;
} words[] = {
	{ "get", SHAPE_KEYS, MEMCACHED_VALUES },
	{ "gets", SHAPE_KEYS, MEMCACHED_VALUES },
	{ "gat", SHAPE_TOUCHES, MEMCACHED_VALUES },
	{ "gats", SHAPE_TOUCHES, MEMCACHED_VALUES },
	{ "set", SHAPE_STORE, MEMCACHED_LINE_ANSWER },
	{ "add", SHAPE_STORE, MEMCACHED_LINE_ANSWER },
	{ "replace", SHAPE_STORE, MEMCACHED_LINE_ANSWER },
	{ "append", SHAPE_STORE, MEMCACHED_LINE_ANSWER },
	{ "prepend", SHAPE_STORE, MEMCACHED_LINE_ANSWER },
	{ "cas", SHAPE_CAS, MEMCACHED_LINE_ANSWER },
	{ "delete", SHAPE_KEY, MEMCACHED_LINE_ANSWER },
	{ "incr", SHAPE_NUMBER, MEMCACHED_LINE_ANSWER },
	{ "decr", SHAPE_NUMBER, MEMCACHED_LINE_ANSWER },
	{ "touch", SHAPE_NUMBER, MEMCACHED_LINE_ANSWER },
	{ "mg", SHAPE_META, MEMCACHED_META },
	{ "ms", SHAPE_META_SET, MEMCACHED_META },
	{ "md", SHAPE_META, MEMCACHED_META },
	{ "ma", SHAPE_META, MEMCACHED_META },
	{ "me", SHAPE_META, MEMCACHED_META },
	{ "mn", SHAPE_NOTHING, MEMCACHED_NOOP },
	{ "stats", SHAPE_ANY, MEMCACHED_STATS },
	{ "version", SHAPE_NOTHING, MEMCACHED_LINE_ANSWER },
	{ "flush_all", SHAPE_ANY, MEMCACHED_LINE_ANSWER },
	{ "verbosity", SHAPE_ANY, MEMCACHED_LINE_ANSWER },
	{ "cache_memlimit", SHAPE_ANY, MEMCACHED_LINE_ANSWER },
	{ "slabs", SHAPE_ANY, MEMCACHED_LINE_ANSWER },
	{ "lru", SHAPE_ANY, MEMCACHED_LINE_ANSWER },
	{ "lru_crawler", SHAPE_ANY, MEMCACHED_LINE_ANSWER },
	{ "watch", SHAPE_ANY, MEMCACHED_WATCH },
	{ "quit", SHAPE_NOTHING, MEMCACHED_LINE_ANSWER },
	{ "shutdown", SHAPE_ANY, MEMCACHED_LINE_ANSWER },
};

static bool
is_key(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] <= ' ' || in.data[i] == 0x7f)
			return false;
	return in.size && in.size <= MEMCACHED_KEY;
}

static bool
is_number(struct bytes in)
{
	int64_t value;

	return text_i64(in, &value);
}

/* FNV-1a, never 0. */
static uint32_t
hash_of(struct bytes in)
{
	uint32_t hash = UINT32_C(0x811c9dc5);

	for (size_t i = 0; i < in.size; i++)
		hash = (hash ^ in.data[i]) * UINT32_C(0x01000193);
	return hash | 1;
}

/* What an answer of a meta command repeats: its opaque word, or its key. */
static uint32_t
mark_of(struct bytes flags)
{
	uint32_t mark = 0;
	struct bytes flag;

	while ((flag = line_word(&flags)).size) {
		if (flag.data[0] == 'O')
			return hash_of(flag);
		if (flag.data[0] == 'k' && flag.size > 1)
			mark = hash_of(bytes_from(flag, 1));
	}
	return mark;
}

static void
meta_flags(struct bytes flags, struct memcached_command *command)
{
	struct bytes flag, all = flags;
	bool by_key = false;

	while ((flag = line_word(&flags)).size) {
		command->quiet |= flag.size == 1 && flag.data[0] == 'q';
		by_key |= flag.size == 1 && flag.data[0] == 'k';
	}
	command->mark = mark_of(all);
	if (!command->mark && by_key)
		command->mark = hash_of(command->key);
}

/* key, flags, time, size [, unique number]. */
static bool
store(struct bytes rest, bool cas, struct memcached_command *command)
{
	struct bytes flags, time, size, more;

	command->key = line_word(&rest);
	flags = line_word(&rest);
	time = line_word(&rest);
	size = line_word(&rest);
	if (cas && !is_number(line_word(&rest)))
		return false;
	more = line_word(&rest);
	command->silent = bytes_equal(more, bytes_of("noreply"));
	command->has_data = true;
	return is_key(command->key) && is_number(flags) && is_number(time) &&
	       text_u64(size, &command->data) &&
	       command->data <= UINT32_MAX &&
	       (!more.size || command->silent);
}

static bool
keys(struct bytes rest, bool timed, struct memcached_command *command)
{
	struct bytes key;

	if (timed && !is_number(line_word(&rest)))
		return false;
	command->keys = rest;
	command->key = line_word(&rest);
	if (!is_key(command->key))
		return false;
	while ((key = line_word(&rest)).size)
		if (!is_key(key))
			return false;
	return true;
}

static bool
ends_in_noreply(struct bytes line)
{
	static const char word[] = " noreply";

	return line.size > sizeof(word) &&
	       bytes_equal(bytes_from(line, line.size - sizeof(word) + 1),
			   bytes_of(word));
}

static bool
fits(const struct word *word, struct bytes rest,
     struct memcached_command *command)
{
	bool meta = word->answer == MEMCACHED_META;
	struct bytes size;

	command->silent = !meta && ends_in_noreply(rest);
	switch (word->shape) {
	case SHAPE_KEYS:
	case SHAPE_TOUCHES:
		return keys(rest, word->shape == SHAPE_TOUCHES, command);
	case SHAPE_STORE:
	case SHAPE_CAS:
		return store(rest, word->shape == SHAPE_CAS, command);
	case SHAPE_KEY:
	case SHAPE_NUMBER:
	case SHAPE_META:
	case SHAPE_META_SET:
		command->key = line_word(&rest);
		if (!is_key(command->key))
			return false;
		break;
	case SHAPE_NOTHING:
		return !line_word(&rest).size;
	case SHAPE_ANY:
		command->key = line_word(&rest);
		return true;
	}
	if (word->shape == SHAPE_NUMBER)
		return is_number(line_word(&rest));
	if (word->shape == SHAPE_META_SET) {
		size = line_word(&rest);
		command->has_data = true;
		if (!text_u64(size, &command->data) ||
		    command->data > UINT32_MAX)
			return false;
	}
	if (meta)
		meta_flags(rest, command);
	return true;
}

static void
set_name(struct memcached_command *command, struct bytes name)
{
	size_t size = name.size < MEMCACHED_NAME ? name.size : MEMCACHED_NAME;

	for (size_t i = 0; i < size; i++)
		command->name[i] = (char)toupper(name.data[i]);
	command->name[size] = '\0';
}

bool
memcached_command(struct bytes line, struct memcached_command *command)
{
	struct bytes rest = line, name = line_word(&rest);

	*command = (struct memcached_command){ .answer =
						       MEMCACHED_LINE_ANSWER };
	if (!name.size || !text_is_utf8(name))
		return false;
	set_name(command, name);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!bytes_equal(name, bytes_of(words[i].name)))
			continue;
		command->known = true;
		command->answer = words[i].answer;
		return fits(&words[i], rest, command);
	}
	return true;
}

/* Whether two words are one as far as both go. */
static bool
is_same_start(struct bytes in, const char *word)
{
	size_t size = strlen(word);

	if (size > in.size)
		size = in.size;
	return memcmp(in.data, word, size) == 0 &&
	       (in.size == size || in.data[size] == ' ');
}

bool
memcached_begins_command(struct bytes in)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (is_same_start(in, words[i].name))
			return true;
	return false;
}

/* Answers. */

bool
memcached_begins_answer(struct bytes in)
{
	static const char *const names[] = {
		"VALUE", "STAT", "VERSION", "VA", "END", "STORED", "NOT_STORED",
		"EXISTS", "NOT_FOUND", "DELETED", "TOUCHED", "OK", "ERROR",
		"RESET", "BUSY", "MN", "CLIENT_ERROR", "SERVER_ERROR", "HD",
		"EN", "NS", "EX", "NF", "ME", NULL
	};

	for (const char *const *name = names; *name; name++)
		if (is_same_start(in, *name) ||
		    (in.size > strlen(*name) && in.data[strlen(*name)] == '\r' &&
		     bytes_starts_with(in, *name)))
			return true;
	return isdigit(in.data[0]);
}

static bool
is_value_line(struct bytes rest)
{
	struct bytes key = line_word(&rest);

	return is_key(key) && is_number(line_word(&rest)) &&
	       is_number(line_word(&rest));
}

enum verdict
memcached_answer(struct bytes line)
{
	static const char *const whole[] = {
		"END", "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED",
		"TOUCHED", "OK", "ERROR", "RESET", "BUSY", "MN", NULL
	};
	static const char *const first[] = {
		"CLIENT_ERROR", "SERVER_ERROR", "HD", "EN", "NS", "EX", "NF",
		"ME", NULL
	};
	struct bytes rest = line, word = line_word(&rest);

	if (bytes_equal(word, bytes_of("VALUE")))
		return is_value_line(rest) ? VERDICT_YES : VERDICT_NO;
	if (bytes_equal(word, bytes_of("STAT")))
		return line_word(&rest).size ? VERDICT_YES : VERDICT_NO;
	if (bytes_equal(word, bytes_of("VERSION")))
		return rest.size > 1 && isdigit(rest.data[1]) ? VERDICT_YES
							      : VERDICT_NO;
	if (bytes_equal(word, bytes_of("VA")))
		return is_number(line_word(&rest)) ? VERDICT_MAYBE
							: VERDICT_NO;
	for (const char *const *w = whole; *w; w++)
		if (bytes_equal(line, bytes_of(*w)))
			return VERDICT_MAYBE;
	for (const char *const *w = first; *w; w++)
		if (bytes_equal(word, bytes_of(*w)))
			return VERDICT_MAYBE;
	return is_number(line) ? VERDICT_MAYBE : VERDICT_NO;
}
