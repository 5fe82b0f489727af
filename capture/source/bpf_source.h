/* SPDX-License-Identifier: Apache-2.0 */
/* What the two BPF sources have in common: the ring, its descriptor, the
 * filter, the counters. */
#pragma once

#include <jansson.h>

#include "capture/source/filter_code.h"
#include "capture/source/packet_program.h"
#include "capture/source/ring_pair.h"
#include "capture/source/source.h"

struct bpf_source {
	struct source source; /* first: this is one */
	struct packet_program program;
	struct ring_pair rings;
	int wake;             /* epoll: readable when peek should look */
	json_t *degraded;
	char *filter;         /* the expression; NULL: none */
	bool filter_in_kernel;
	struct map *quiet;    /* places → struct place_quiet */
};

/* A filter in front of a program. */
struct bpf_filter_program {
	int program; /* to be attached; -1: none */
	int array;
};

/* Begins; nothing is loaded yet.  End with bpf_source_end in any case. */
void bpf_source_begin(struct bpf_source *s, const struct source_type *type,
		      const struct source_options *options);
void bpf_source_end(struct bpf_source *s);

/* Loads the programs and maps their rings.  Errors as packet_program_load. */
int bpf_source_load(struct bpf_source *s, struct packet_program_options *load,
		    const struct source_options *options, struct error *e);

/*
 * Puts the filter in front of the program `capture` of `which`.  Where it
 * cannot run there, the recorder is to do it, and `filter->program` is -1.
 * INVALID when it is no filter for such packets.
 */
int bpf_source_filter(struct bpf_source *s, uint16_t link_type, bool ingress,
		      const struct packet_program *which,
		      struct bpf_filter_program *filter, struct error *e);
/* One that lets nothing through to it. */
int bpf_source_filter_none(struct bpf_source *s, bool ingress,
			   const struct packet_program *which,
			   struct bpf_filter_program *filter, struct error *e);
void bpf_filter_program_close(struct bpf_filter_program *filter);

/* Members of struct source_type. */
int bpf_source_descriptor(const struct source *source);
bool bpf_source_peek(struct source *source, struct source_span *span);
void bpf_source_release(struct source *source, size_t size);
void bpf_source_counts(const struct source *source,
		       struct source_counts *counts);
bool bpf_source_ended(const struct source *source);

/* Whether packets may still come from a place. */
typedef bool bpf_source_alive(const struct source *source,
			      const struct packet_place *place);

/*
 * Of the places as they are now those that are not alive and have been quiet
 * for ten minutes are forgotten: longer than a segment, as a rule, so that what
 * is in one is described with it.  Returns how many are alive and that quiet.
 */
size_t bpf_source_prune(struct bpf_source *s,
			const struct packet_place_counts *list, size_t count,
			bpf_source_alive *alive);

/* describe() without "interfaces"; new reference. */
json_t *bpf_source_describe(const struct bpf_source *s, const char *mechanism);
