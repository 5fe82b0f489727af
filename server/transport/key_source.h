/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an issuer's keys come from: a file, or an URL that curl(1) is asked
 * to fetch, in a process of its own.  At most one fetch at a time, and none
 * sooner than KEY_SOURCE_PAUSE_S after the one before it began.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/buf.h"
#include "base/err.h"

#define KEY_SOURCE_PAUSE_S 30
#define KEY_SOURCE_FRESH_S 600 /* after that keys are asked for again */

struct key_source {
	uv_loop_t *loop;
	const char *from; /* borrowed */
	/* What was fetched, or NULL: it could not be.  In the loop, or, of a
	 * file, within key_source_fetch. */
	void (*done)(void *context, const struct bytes *text);
	void *context;
	uv_process_t process;
	uv_pipe_t output;
	struct buf text;
	char chunk[4096];
	int64_t began_ns; /* of the last fetch; 0: none yet */
	unsigned open;    /* handles of a fetch that are not closed */
	bool failed, closing;
};

/* `from`: a path, an https URL, or an http URL of this machine.  INVALID:
 * another URL, or a URL where there is no curl. */
int key_source_init(struct key_source *s, uv_loop_t *loop, const char *from,
		    struct error *e);

/* Is a fetch under way, or allowed? */
bool key_source_is_busy(const struct key_source *s);
bool key_source_may_fetch(const struct key_source *s, int64_t now_ns);
void key_source_fetch(struct key_source *s, int64_t now_ns);

/* Gives up what is under way; `done` is not called any more.  The loop must
 * run until nothing is left in it. */
void key_source_close(struct key_source *s);
