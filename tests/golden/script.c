/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/golden/script.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/alloc.h"

#define DATA_LIMIT (4u << 20)
#define FIRST_CLIENT 1000 /* so that positions and numbers of sides differ */
#define FIRST_SERVER 500000

struct parser {
	struct script *script;
	const char *at;                /* in the line */
	uint64_t sent[2];              /* position behind the last byte */
	uint64_t starts[2][SCRIPT_STEPS]; /* of each packet */
	size_t packets[2];
	bool failed;
};

static void
blanks(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\t')
		p->at++;
}

/* True, and past it, when `word` comes next. */
static bool
word(struct parser *p, const char *word)
{
	size_t size = strlen(word);

	blanks(p);
	if (strncmp(p->at, word, size) != 0 || isalnum((uint8_t)p->at[size]))
		return false;
	p->at += size;
	return true;
}

static uint64_t
number(struct parser *p)
{
	char *end;
	uint64_t value;

	blanks(p);
	value = strtoull(p->at, &end, 10);
	p->failed |= end == p->at;
	p->at = end;
	return value;
}

static int
digit(char c)
{
	return isdigit((uint8_t)c)    ? c - '0'
	       : isxdigit((uint8_t)c) ? tolower((uint8_t)c) - 'a' + 10
				      : -1;
}

static uint8_t
hex_pair(struct parser *p)
{
	int high = digit(*p->at), low = high < 0 ? -1 : digit(p->at[1]);

	if (low < 0) {
		p->failed = true;
		return 0;
	}
	p->at += 2;
	return (uint8_t)(high << 4 | low);
}

static uint8_t
escape(struct parser *p)
{
	switch (*p->at++) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '0':
		return 0;
	case 'x':
		return hex_pair(p);
	default:
		return (uint8_t)p->at[-1];
	}
}

static void
string(struct parser *p, struct buf *out)
{
	char quote = *p->at++;
	size_t begin = out->size, size;

	while (*p->at && *p->at != quote)
		if (*p->at == '\\') {
			p->at++;
			buf_u8(out, escape(p));
		} else {
			buf_u8(out, (uint8_t)*p->at++);
		}
	p->failed |= *p->at != quote;
	p->at += *p->at == quote;
	size = out->size - begin;
	blanks(p);
	if (*p->at != '*')
		return;
	p->at++;
	for (uint64_t n = number(p); n > 1 && !out->failed && !p->failed; n--)
		if (buf_reserve(out, size))
			buf_append(out, out->data + begin, size);
}

static void
data(struct parser *p, struct script_step *step)
{
	enum side side = step->side, other = side_other(side);
	size_t late = word(p, "late") ? (size_t)number(p) : 0;

	step->kind = SCRIPT_DATA;
	buf_init(&step->data, DATA_LIMIT);
	for (blanks(p); *p->at && *p->at != '#' && !p->failed; blanks(p))
		if (*p->at == '"' || *p->at == '\'')
			string(p, &step->data);
		else
			buf_u8(&step->data, hex_pair(p));
	step->position = p->sent[side];
	step->acknowledged = p->sent[other];
	if (late && late <= p->packets[other])
		step->acknowledged =
			p->starts[other][p->packets[other] - late];
	p->starts[side][p->packets[side]++] = step->position;
	p->sent[side] += step->data.size;
	p->failed |= step->data.failed || !step->data.size;
}

static bool
take_side(struct parser *p, enum side *side)
{
	if (word(p, "C"))
		*side = SIDE_CLIENT;
	else if (word(p, "S"))
		*side = SIDE_SERVER;
	else
		return false;
	return true;
}

static void
step(struct parser *p, unsigned line)
{
	struct script_step *s = &p->script->steps[p->script->count];

	if (p->script->count == SCRIPT_STEPS) {
		p->failed = true;
		return;
	}
	*s = (struct script_step){ .line = line };
	p->script->count++;
	if (take_side(p, &s->side)) {
		data(p, s);
		return;
	}
	s->kind = word(p, "gap")   ? SCRIPT_GAP
		  : word(p, "fin") ? SCRIPT_FIN
				   : SCRIPT_RST;
	if (s->kind == SCRIPT_RST)
		p->failed |= !word(p, "rst");
	p->failed |= !take_side(p, &s->side);
	s->position = p->sent[s->side];
	if (s->kind != SCRIPT_GAP)
		return;
	blanks(p);
	if (*p->at == '?')
		p->at++;
	else
		p->sent[s->side] += s->missing = number(p);
}

static bool
setting(struct parser *p)
{
	struct script *s = p->script;

	if (word(p, "udp")) {
		s->ip_protocol = 17;
	} else if (word(p, "icmp")) {
		s->ip_protocol = 1;
	} else if (word(p, "icmpv6")) {
		s->ip_protocol = 58;
	} else if (word(p, "midstream")) {
		s->midstream = true;
	} else if (word(p, "limit")) {
		uint32_t *limit = word(p, "body")   ? &s->options.body_limit
				  : word(p, "head") ? &s->options.head_limit
				  : word(p, "pending")
					  ? &s->options.pending_limit
					  : NULL;

		p->failed |= !limit;
		if (limit)
			*limit = (uint32_t)number(p);
	} else if (word(p, "key")) {
		buf_text(&s->keys, p->at + strspn(p->at, " "));
		buf_text(&s->keys, "\n");
		p->at += strlen(p->at);
	} else if (word(p, "end")) {
		s->end = word(p, "close")     ? CALL_REASON_NO_RESPONSE
			 : word(p, "capture") ? CALL_REASON_CAPTURE_ENDED
			 : word(p, "evicted") ? CALL_REASON_EVICTED
					      : CALL_REASON_NONE;
		p->failed |= s->end == CALL_REASON_NONE;
	} else {
		return false;
	}
	return true;
}

unsigned
script_parse(struct script *script, struct bytes text)
{
	struct parser p = { .script = script,
			    .sent = { FIRST_CLIENT, FIRST_SERVER } };
	unsigned line = 1;

	*script = (struct script){
		.steps = alloc_zero(SCRIPT_STEPS, sizeof(*script->steps)),
		.options = { .protocols = UINT64_MAX,
			     .body_limit = 1u << 20,
			     .head_limit = 1u << 17,
			     .pending_limit = 100 },
		.ip_protocol = 6,
		.end = CALL_REASON_NO_RESPONSE,
	};
	buf_init(&script->keys, DATA_LIMIT);
	for (; text.size && !p.failed; line++) {
		const uint8_t *newline = memchr(text.data, '\n', text.size);
		size_t size = newline ? (size_t)(newline - text.data)
				      : text.size;
		char *copy = strndup((const char *)text.data, size);

		p.at = copy;
		blanks(&p);
		if (*p.at && *p.at != '#' && !setting(&p))
			step(&p, line);
		blanks(&p);
		p.failed |= *p.at && *p.at != '#';
		free(copy);
		if (p.failed)
			return line;
		text = bytes_from(text, size + (newline != NULL));
	}
	return 0;
}

void
script_free(struct script *script)
{
	for (size_t i = 0; i < script->count; i++)
		buf_free(&script->steps[i].data);
	free(script->steps);
	buf_free(&script->keys);
}
