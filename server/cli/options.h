/* SPDX-License-Identifier: Apache-2.0 */
/* Walking argv of commands that are not tools. */
#pragma once

#include <stdbool.h>

struct options {
	int argc;
	char **argv;
	int at;         /* of the current word; starts before the first */
	bool only_words; /* "--" was seen */
};

/* Over argv[1…]; argv[0] is the command's name. */
struct options options_make(int argc, char **argv);

/* Moves to the next word; false at the end.  Skips one "--". */
bool options_next(struct options *o);

/* The current word is "--name" (a flag without value). */
bool options_flag(struct options *o, const char *name);

/* The value of "--name=value" or "--name value" (moves over it); NULL when the
 * current word is another option or has no value. */
const char *options_value(struct options *o, const char *name);

/* The current word is not an option ("-" is a word). */
bool options_is_word(const struct options *o);
const char *options_word(const struct options *o);

/* Complains about the current word; returns EXIT_USAGE. */
int options_unknown(const struct options *o, const char *command);
