/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/raw_filter.h"

#include <stdlib.h>

#include <pcap/pcap.h>

#include "base/alloc.h"
#include "capture/link_types.h"
#include "capture/source/filter_code.h"

_Static_assert(sizeof(struct filter_code) == sizeof(struct bpf_insn),
	       "one layout");

/* Link types seen together on one node; a capture has one or two. */
#define KINDS_MAX 16

struct filter_kind {
	uint16_t link_type;
	struct filter filter; /* empty: no meaning for this link type */
};

struct raw_filter {
	char *expression;
	struct filter_kind kinds[KINDS_MAX];
	unsigned kind_count;
};

static struct filter_kind *
filter_kind(struct raw_filter *f, uint16_t link_type, struct error *e)
{
	struct filter_kind *kind;

	for (unsigned i = 0; i < f->kind_count; i++)
		if (f->kinds[i].link_type == link_type)
			return &f->kinds[i];
	if (f->kind_count == KINDS_MAX) /* the oldest makes room */
		filter_free(&f->kinds[--f->kind_count].filter);
	kind = &f->kinds[f->kind_count++];
	kind->link_type = link_type;
	(void)filter_compile(f->expression, link_type, &kind->filter, e);
	return kind;
}

int
raw_filter_new(const char *expression, struct raw_filter **f, struct error *e)
{
	struct raw_filter *new = alloc_zero(1, sizeof *new);
	bool useful;

	new->expression = alloc_string(expression);
	useful = filter_kind(new, LINK_TYPE_RAW, NULL)->filter.count > 0;
	if (filter_kind(new, LINK_TYPE_ETHERNET, e)->filter.count == 0 &&
	    !useful) {
		raw_filter_free(new);
		return ERR_INVALID;
	}
	*f = new;
	return 0;
}

void
raw_filter_free(struct raw_filter *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->kind_count; i++)
		filter_free(&f->kinds[i].filter);
	free(f->expression);
	free(f);
}

bool
raw_filter_matches(struct raw_filter *f, uint16_t link_type,
		   const uint8_t *data, uint32_t captured, uint32_t length)
{
	struct filter_kind *kind = filter_kind(f, link_type, NULL);
	const void *code = kind->filter.code;

	return kind->filter.count > 0 &&
	       bpf_filter(code, data, length, captured) != 0;
}
