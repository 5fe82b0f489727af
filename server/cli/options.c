/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/options.h"

#include <string.h>

#include "server/cli/command.h"

struct options
options_make(int argc, char **argv)
{
	return (struct options){ .argc = argc, .argv = argv };
}

bool
options_next(struct options *o)
{
	if (++o->at >= o->argc)
		return false;
	if (o->only_words || strcmp(o->argv[o->at], "--") != 0)
		return true;
	o->only_words = true;
	return ++o->at < o->argc;
}

bool
options_flag(struct options *o, const char *name)
{
	return !o->only_words && strcmp(o->argv[o->at], name) == 0;
}

const char *
options_value(struct options *o, const char *name)
{
	const char *word = o->argv[o->at];
	size_t size = strlen(name);

	if (o->only_words || strncmp(word, name, size) != 0)
		return NULL;
	if (word[size] == '=')
		return word + size + 1;
	if (word[size] == '\0' && o->at + 1 < o->argc)
		return o->argv[++o->at];
	return NULL;
}

bool
options_is_word(const struct options *o)
{
	const char *word = o->argv[o->at];

	return o->only_words || word[0] != '-' || strcmp(word, "-") == 0;
}

const char *
options_word(const struct options *o)
{
	return o->argv[o->at];
}

int
options_unknown(const struct options *o, const char *command)
{
	return cli_fail(EXIT_USAGE,
			"\"%s\" is not understood here, or needs a value; see "
			"\"aftertap help %s\"",
			o->argv[o->at], command);
}
