/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/store/pattern.h"

#include <stdlib.h>

#include "dissect/store/pattern_program.h"

void
pattern_free(struct pattern *p)
{
	if (!p)
		return;
	free(p->steps);
	free(p->sets);
	free(p->now.list);
	free(p->now.place);
	free(p->then.list);
	free(p->then.place);
	free(p->stack);
	free(p);
}

/* The list and the places need no clearing (Briggs and Torczon, 1993). */
static bool
add_state(struct pattern_states *states, uint32_t state)
{
	uint32_t place = states->place[state];

	if (place < states->count && states->list[place] == state)
		return false;
	states->place[state] = states->count;
	states->list[states->count++] = state;
	return true;
}

/* Whether a step that looks at a place and takes no byte lets through. */
static bool
holds(enum pattern_op op, struct bytes in, size_t at)
{
	bool before = at > 0 && pattern_is_word(in.data[at - 1]);
	bool after = at < in.size && pattern_is_word(in.data[at]);

	switch ((int)op) {
	case STEP_BEGIN:
		return at == 0;
	case STEP_END:
		return at == in.size;
	case STEP_WORD:
		return before != after;
	case STEP_NO_WORD:
		return before == after;
	default:
		return true;
	}
}

/*
 * Adds a state and all that it leads to without a byte; true when that is the
 * end of the pattern.  The stack never holds a state twice, because only
 * states that are new to the list are put there.
 */
static bool
follow(struct pattern *p, struct pattern_states *states, uint32_t state,
       struct bytes in, size_t at)
{
	uint32_t depth = 0;

	if (add_state(states, state))
		p->stack[depth++] = state;
	while (depth) {
		uint32_t pc = p->stack[--depth];
		const struct pattern_step *step = &p->steps[pc];
		int targets = step->op == STEP_SPLIT ? 2 : 1;

		if (step->op == STEP_MATCH)
			return true;
		if (step->op == STEP_BYTE || !holds(step->op, in, at))
			continue;
		for (int i = 0; i < targets; i++) {
			uint32_t to = (uint32_t)((int32_t)pc + step->target[i]);

			if (add_state(states, to))
				p->stack[depth++] = to;
		}
	}
	return false;
}

bool
pattern_match(struct pattern *p, struct bytes in)
{
	in = bytes_first(in, PATTERN_SUBJECT);
	p->now.count = 0;
	for (size_t at = 0;; at++) {
		struct pattern_states last;

		/* A match may begin at every place. */
		if (follow(p, &p->now, 0, in, at))
			return true;
		if (at == in.size)
			return false;
		p->then.count = 0;
		for (uint32_t i = 0; i < p->now.count; i++) {
			uint32_t pc = p->now.list[i];
			const struct pattern_step *step = &p->steps[pc];

			if (step->op == STEP_BYTE &&
			    pattern_set_has(&p->sets[step->set],
					    in.data[at]) &&
			    follow(p, &p->then, pc + 1, in, at + 1))
				return true;
		}
		last = p->now;
		p->now = p->then;
		p->then = last;
	}
}
