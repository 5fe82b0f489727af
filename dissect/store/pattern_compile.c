/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of a pattern straight to its program.  A repetition compiles
 * its atom again from the text as often as it says.  Sets are of bytes; one
 * that has bytes of multi-byte characters is followed by a loop over their
 * continuation bytes, so that `.` is one character of UTF-8.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dissect/store/pattern_program.h"

#define NESTING 32
#define REPEAT_LIMIT 1000

/* Atoms compiled, each time counted: (((a{0}){1000}){1000}){1000} has no step
 * at all. */
#define ATOMS_LIMIT 20000

struct compiler {
	struct pattern *p;
	const char *at;
	bool nocase;
	unsigned nesting, atoms;
	struct error *error;
	int code; /* sticky */
};

static void alternatives(struct compiler *c);

static void
fail(struct compiler *c, const char *sentence)
{
	if (c->code == 0)
		c->code = error_set(c->error, ERR_INVALID, "pattern: %s",
				    sentence);
}

static uint32_t
emit(struct compiler *c, enum pattern_op op, int32_t first, int32_t second)
{
	struct pattern *p = c->p;

	if (p->step_count == PATTERN_STEPS) {
		fail(c, "too large, once its repetitions are written out");
		return 0;
	}
	p->steps[p->step_count] = (struct pattern_step){
		.op = op, .target = { first, second }
	};
	return p->step_count++;
}

/* Puts a step before those from `start` on; their targets stay right. */
static void
insert(struct compiler *c, uint32_t start, int32_t first, int32_t second)
{
	struct pattern_step *steps = c->p->steps;
	uint32_t count = c->p->step_count - start;

	(void)emit(c, STEP_SPLIT, 0, 0);
	if (c->code)
		return;
	memmove(&steps[start + 1], &steps[start], count * sizeof(*steps));
	steps[start] = (struct pattern_step){ .op = STEP_SPLIT,
					      .target = { first, second } };
}

static void
set_add(struct pattern_set *set, unsigned from, unsigned to)
{
	for (unsigned b = from; b <= to && b < 256; b++)
		set->bits[b >> 6] |= (uint64_t)1 << (b & 63);
}

static void
set_invert(struct pattern_set *set)
{
	for (int i = 0; i < 4; i++)
		set->bits[i] = ~set->bits[i];
}

static void
set_fold(struct pattern_set *set)
{
	for (unsigned b = 'a'; b <= 'z'; b++) {
		unsigned upper = b - 'a' + 'A';

		if (pattern_set_has(set, (uint8_t)b) ||
		    pattern_set_has(set, (uint8_t)upper)) {
			set_add(set, b, b);
			set_add(set, upper, upper);
		}
	}
}

static void
emit_bytes(struct compiler *c, const struct pattern_set *set)
{
	struct pattern *p = c->p;
	uint32_t step = emit(c, STEP_BYTE, 0, 0), i = 0;

	if (c->code)
		return;
	while (i < p->set_count && memcmp(&p->sets[i], set, sizeof(*set)) != 0)
		i++;
	/* No more sets than bytes of the pattern, and one of continuations. */
	if (i == p->set_count)
		p->sets[p->set_count++] = *set;
	p->steps[step].set = i;
}

/* One character of a set: a byte, and what continues it. */
static void
emit_set(struct compiler *c, struct pattern_set set)
{
	struct pattern_set continuation = { { 0 } };
	bool multibyte = pattern_set_has(&set, 0xc3);

	if (c->nocase)
		set_fold(&set);
	/* 0x80 to 0xbf begin no character. */
	set.bits[2] = 0;
	emit_bytes(c, &set);
	if (!multibyte)
		return;
	set_add(&continuation, 0x80, 0xbf);
	(void)emit(c, STEP_SPLIT, 1, 3);
	emit_bytes(c, &continuation);
	(void)emit(c, STEP_JUMP, -2, 0);
}

static void
emit_byte(struct compiler *c, uint8_t byte)
{
	struct pattern_set set = { { 0 } };

	set_add(&set, byte, byte);
	if (c->nocase)
		set_fold(&set);
	emit_bytes(c, &set);
}

/* \d, \w, \s and their opposites; false when the letter is none. */
static bool
add_class(struct pattern_set *set, char letter)
{
	struct pattern_set class = { { 0 } };

	switch (tolower((unsigned char)letter)) {
	case 'd':
		set_add(&class, '0', '9');
		break;
	case 'w':
		set_add(&class, '0', '9');
		set_add(&class, 'a', 'z');
		set_add(&class, 'A', 'Z');
		set_add(&class, '_', '_');
		break;
	case 's':
		set_add(&class, '\t', '\n');
		set_add(&class, '\f', '\r');
		set_add(&class, ' ', ' ');
		break;
	default:
		return false;
	}
	if (isupper((unsigned char)letter))
		set_invert(&class);
	for (int i = 0; i < 4; i++)
		set->bits[i] |= class.bits[i];
	return true;
}

/* The byte behind a backslash, or -1. */
static int
escaped_byte(struct compiler *c)
{
	static const char letters[] = "tnrfv", bytes[] = "\t\n\r\f\v";
	char letter = *c->at;
	const char *known = letter ? strchr(letters, letter) : NULL;

	if (known)
		return bytes[known - letters];
	if (letter && !isalnum((unsigned char)letter))
		return (unsigned char)letter;
	fail(c, letter ? "this \\ with a letter or digit is not supported"
		       : "a \\ stands at the end");
	return -1;
}

static void
escape(struct compiler *c)
{
	struct pattern_set set = { { 0 } };
	int byte;

	c->at++;
	if (*c->at == 'b' || *c->at == 'B') {
		(void)emit(c, *c->at == 'b' ? STEP_WORD : STEP_NO_WORD, 1, 0);
	} else if (*c->at == 'A' || *c->at == 'z') {
		(void)emit(c, *c->at == 'A' ? STEP_BEGIN : STEP_END, 1, 0);
	} else if (add_class(&set, *c->at)) {
		emit_set(c, set);
	} else {
		byte = escaped_byte(c);
		if (byte >= 0)
			emit_byte(c, (uint8_t)byte);
	}
	if (c->code == 0)
		c->at++;
}

/* "[:alpha:]" at `at`: adds it and returns its length, or 0. */
static size_t
named_class(struct pattern_set *set, const char *at)
{
	static const struct {
		const char *name;
		int (*has)(int);
	} classes[] = {
		{ "[:alpha:]", isalpha }, { "[:digit:]", isdigit },
		{ "[:alnum:]", isalnum }, { "[:space:]", isspace },
		{ "[:upper:]", isupper }, { "[:lower:]", islower },
		{ "[:punct:]", ispunct }, { "[:xdigit:]", isxdigit },
		{ "[:blank:]", isblank }, { "[:print:]", isprint },
		{ "[:cntrl:]", iscntrl }, { "[:graph:]", isgraph },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		size_t n = strlen(classes[i].name);

		if (strncmp(at, classes[i].name, n) != 0)
			continue;
		for (unsigned b = 0; b < 128; b++)
			if (classes[i].has((int)b))
				set_add(set, b, b);
		return n;
	}
	return 0;
}

/* One byte of a set, escaped or not; -1 after a class was added instead. */
static int
set_byte(struct compiler *c, struct pattern_set *set)
{
	unsigned char byte = (unsigned char)*c->at++;

	if (byte >= 0x80)
		fail(c, "letters beyond ASCII are not supported inside []");
	if (byte != '\\')
		return byte;
	if (add_class(set, *c->at)) {
		c->at++;
		return -1;
	}
	int escaped = escaped_byte(c);

	if (c->code == 0)
		c->at++;
	return escaped;
}

static void
bracket(struct compiler *c)
{
	struct pattern_set set = { { 0 } };
	bool invert, first = true;

	c->at++;
	invert = *c->at == '^';
	if (invert)
		c->at++;
	while (c->code == 0 && *c->at && (first || *c->at != ']')) {
		size_t named = named_class(&set, c->at);
		int from, to;

		first = false;
		if (named) {
			c->at += named;
			continue;
		}
		from = to = set_byte(c, &set);
		if (from < 0)
			continue;
		if (c->at[0] == '-' && c->at[1] && c->at[1] != ']') {
			c->at++;
			to = set_byte(c, &set);
			if (to < from)
				fail(c, "a range in [] runs backwards");
		}
		if (c->code == 0)
			set_add(&set, (unsigned)from, (unsigned)to);
	}
	if (*c->at != ']')
		fail(c, "a [ has no ]");
	if (c->code)
		return;
	c->at++;
	if (invert) {
		if (c->nocase)
			set_fold(&set);
		set_invert(&set);
	}
	emit_set(c, set);
}

static void
group(struct compiler *c)
{
	c->at++;
	if (c->at[0] == '?' && c->at[1] == ':')
		c->at += 2;
	else if (c->at[0] == '?')
		fail(c, "(? is not supported, but for (?:…), and (?i) at the "
			"beginning");
	if (++c->nesting > NESTING)
		fail(c, "too deeply nested");
	if (c->code)
		return;
	alternatives(c);
	c->nesting--;
	if (*c->at != ')')
		fail(c, "a ( has no )");
	else
		c->at++;
}

/* One character of the text, all its bytes. */
static void
literal(struct compiler *c)
{
	do {
		emit_byte(c, (uint8_t)*c->at++);
	} while (((uint8_t)*c->at & 0xc0) == 0x80);
}

static void
atom(struct compiler *c)
{
	struct pattern_set any = { { 0 } };

	if (++c->atoms > ATOMS_LIMIT) {
		fail(c, "too large, once its repetitions are written out");
		return;
	}
	switch (*c->at) {
	case '(':
		group(c);
		break;
	case '[':
		bracket(c);
		break;
	case '\\':
		escape(c);
		break;
	case '.':
		set_add(&any, '\n', '\n');
		set_invert(&any);
		emit_set(c, any);
		c->at++;
		break;
	case '^':
	case '$':
		(void)emit(c, *c->at == '^' ? STEP_BEGIN : STEP_END, 1, 0);
		c->at++;
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		fail(c, "a repetition has nothing before it; \\{ is a brace");
		break;
	default:
		literal(c);
		break;
	}
}

/* "{n}", "{n,}" or "{n,m}"; `*most` INT_MAX without an upper end. */
static void
bounds(struct compiler *c, int *least, int *most)
{
	char *end;
	long n = strtol(c->at + 1, &end, 10), m = n;

	if (*end == ',' && end[1] == '}') {
		m = INT_MAX;
		end++;
	} else if (*end == ',' && isdigit((unsigned char)end[1])) {
		m = strtol(end + 1, &end, 10);
	}
	if (!isdigit((unsigned char)c->at[1]) || *end != '}')
		fail(c, "a repetition is written {2}, {2,} or {2,5}; \\{ is a "
			"brace");
	else if (n > REPEAT_LIMIT || (m != INT_MAX && m > REPEAT_LIMIT) ||
		 m < n)
		fail(c, "too large, or a repetition runs backwards");
	*least = (int)n;
	*most = (int)m;
	c->at = end + 1;
}

/* The operator behind an atom; none is {1}. */
static void
repetition(struct compiler *c, int *least, int *most)
{
	*least = *most = 1;
	switch (*c->at) {
	case '*':
		*least = 0;
		*most = INT_MAX;
		break;
	case '+':
		*most = INT_MAX;
		break;
	case '?':
		*least = 0;
		break;
	case '{':
		bounds(c, least, most);
		break;
	default:
		return;
	}
	if (c->code)
		return;
	if (c->at[-1] != '}')
		c->at++;
	if (*c->at == '?') /* finding as little finds at the same places */
		c->at++;
	if (*c->at && strchr("*+?{", *c->at))
		fail(c, "two repetitions in a row");
}

/* Compiles the atom at `text` once more; returns how many steps it has. */
static int32_t
again(struct compiler *c, const char *text)
{
	uint32_t start = c->p->step_count;
	const char *back = c->at;

	c->at = text;
	atom(c);
	c->at = back;
	return (int32_t)(c->p->step_count - start);
}

static void
repeated_atom(struct compiler *c)
{
	uint32_t start = c->p->step_count;
	const char *text = c->at;
	int least, most;

	atom(c);
	if (c->code)
		return;
	repetition(c, &least, &most);
	if (c->code || (least == 1 && most == 1))
		return;
	c->p->step_count = start;
	for (int i = 0; i < least && c->code == 0; i++)
		(void)again(c, text);
	if (most == INT_MAX) {
		uint32_t loop = c->p->step_count;
		int32_t size = again(c, text);

		insert(c, loop, 1, size + 2);
		(void)emit(c, STEP_JUMP, -(size + 1), 0);
		return;
	}
	for (int i = least; i < most && c->code == 0; i++) {
		uint32_t choice = c->p->step_count;
		int32_t size = again(c, text);

		insert(c, choice, 1, size + 1);
	}
}

/* sequence {"|" sequence} */
static void
alternatives(struct compiler *c)
{
	uint32_t start = c->p->step_count, jump;

	while (c->code == 0 && *c->at && *c->at != '|' && *c->at != ')')
		repeated_atom(c);
	if (c->code || *c->at != '|')
		return;
	insert(c, start, 1, (int32_t)(c->p->step_count - start) + 2);
	jump = emit(c, STEP_JUMP, 0, 0);
	c->at++;
	alternatives(c);
	if (c->code == 0)
		c->p->steps[jump].target[0] =
			(int32_t)(c->p->step_count - jump);
}

static void
make_room(struct pattern *p)
{
	p->now.list = alloc_zero(p->step_count, sizeof(uint32_t));
	p->now.place = alloc_zero(p->step_count, sizeof(uint32_t));
	p->then.list = alloc_zero(p->step_count, sizeof(uint32_t));
	p->then.place = alloc_zero(p->step_count, sizeof(uint32_t));
	p->stack = alloc_zero(p->step_count, sizeof(uint32_t));
}

int
pattern_compile(const char *text, struct pattern **out, struct error *e)
{
	struct compiler c = { .at = text, .error = e };

	if (strlen(text) > PATTERN_LIMIT)
		return error_set(e, ERR_INVALID,
				 "a pattern has at most %d bytes",
				 PATTERN_LIMIT);
	c.p = alloc_zero(1, sizeof(*c.p));
	c.p->steps = alloc_zero(PATTERN_STEPS, sizeof(*c.p->steps));
	c.p->sets = alloc_zero(PATTERN_LIMIT + 1, sizeof(*c.p->sets));
	if (strncmp(text, "(?i)", 4) == 0) {
		c.nocase = true;
		c.at += 4;
	}
	alternatives(&c);
	if (c.code == 0 && *c.at)
		fail(&c, "a ) has no (");
	(void)emit(&c, STEP_MATCH, 0, 0);
	if (c.code) {
		pattern_free(c.p);
		return c.code;
	}
	make_room(c.p);
	*out = c.p;
	return 0;
}
