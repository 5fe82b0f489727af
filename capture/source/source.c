/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Appends what was passed over to `*why`. */
static void
why_add(char **why, const struct source_type *type, const struct error *e)
{
	char *longer = alloc_format("%s%s%s: %s", *why ? *why : "",
				    *why ? "; " : "", type->name, e->text);

	free(*why);
	*why = longer;
}

/* The types to be tried, best first; NULL at the end. */
static void
source_ladder(const struct source_options *options,
	      const struct source_type *ladder[3])
{
	unsigned n = 0;

	if (options->replay_file) {
		ladder[n++] = &source_replay;
	} else {
		if (!(options->avoid & SOURCE_AVOID_BPF))
			ladder[n++] = options->interfaces ? &source_interface :
							    &source_cgroup;
		ladder[n++] = &source_af_packet;
	}
	ladder[n] = NULL;
}

int
source_unwatched(const struct source *s)
{
	(void)s;
	return -1;
}

int
source_open(const struct source_options *options, struct source **s,
	    char **why, struct error *e)
{
	const struct source_type *ladder[3];
	char *passed = NULL;
	struct error each = { 0 };
	int status = ERR_UNSUPPORTED;

	source_ladder(options, ladder);
	for (unsigned i = 0; ladder[i]; i++) {
		status = ladder[i]->open(options, s, &each);
		/* What the user asked for is wrong for the others as well. */
		if (status != ERR_DENIED && status != ERR_UNSUPPORTED)
			break;
		why_add(&passed, ladder[i], &each);
	}
	if (status < 0)
		error_set(e, status, "%s",
			  passed && (status == ERR_DENIED ||
				     status == ERR_UNSUPPORTED) ?
				  passed :
				  each.text);
	if (why)
		*why = status == 0 ? passed : NULL;
	if (!why || status < 0)
		free(passed);
	return status;
}
