/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parser as the writer sees it: a process that is not trusted, a pipe that
 * frames come out of, and a socket that asks for segments.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "dissect/event_wire.h"
#include "dissect/job/parser_process.h"

enum parser_state_name {
	PARSER_RUNNING,
	PARSER_FINISHED, /* said so, and everything it found is here */
	PARSER_FAILED,   /* see `fault` */
	PARSER_STOPPED,  /* by us, on request */
};

struct parser {
	unsigned index, count;
	enum parser_state_name state;
	pid_t pid;
	int process;  /* pidfd; -1 once reaped */
	int events;   /* pipe, non-blocking; -1 at its end */
	int channel;  /* socket, non-blocking; -1 at its end */
	size_t frame_limit;
	uint64_t received;        /* bytes of events … */
	uint64_t receive_limit;   /* … and how many there may be */
	bool cpu_limited;         /* by --cpu-seconds */
	struct buf in;            /* received, not yet a whole frame */
	struct event_progress progress; /* as last told */
	struct event_memory last_call;
	uint64_t next_block[2];   /* lowest ids of its next heads, bodies */
	bool done;                /* EVENT_DONE came */
	int64_t ended_ns;         /* when the pipe ended; 0: not yet */
	char *fault;              /* why it failed, owned; or NULL */
};

/* Forks the parser.  Call before anything that must not be forked is open. */
int parser_start(struct parser *p, const struct parser_setup *setup,
		 struct error *e);

/*
 * Reads once from the pipe, without waiting.  Returns the number of bytes, 0
 * when there are none now, or ERR_EMPTY at the end.
 */
int parser_read(struct parser *p);

/* It has sent more than its packets can give. */
bool parser_babbles(const struct parser *p);

/* Takes the next whole frame: 1, 0, or ERR_CORRUPT.  `*offset` (start with 0)
 * is where the next one begins; parser_drop forgets what was taken. */
int parser_frame(struct parser *p, size_t *offset, struct frame *frame);
void parser_drop(struct parser *p, size_t offset);

/* Kills it and says why, unless it failed before. */
void parser_fail(struct parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Kills it because the run ends; what is in its pipe can still be read. */
void parser_stop(struct parser *p);

/* Waits for the process when it has ended (or was killed) and finds out how:
 * sets `state` and `fault`.  True when it is gone. */
bool parser_reap(struct parser *p, bool wait);

/* Closes and frees everything; the process must have been reaped. */
void parser_free(struct parser *p);

/* "running" */
const char *parser_state_text(enum parser_state_name state);
