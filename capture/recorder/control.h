/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a recording, captures/<capture>/control.sock: a
 * SOCK_SEQPACKET socket; a message is one JSON object of at most
 * CONTROL_REQUEST_MAX bytes, {"command":"status"|"rotate"|"stop"}, and is
 * answered by one, {"ok":true,…} or {"ok":false,"error":text}.
 *
 * Only processes of the recorder's own user and of root are answered
 * (SO_PEERCRED); everybody else is hung up on.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

#define CONTROL_REQUEST_MAX 4096u
#define CONTROL_ANSWER_MAX  (128u << 10)
#define CONTROL_CLIENTS     16u

struct control;

/* Who asked, for an answer that comes later; valid until it is answered. */
struct control_client {
	int fd;            /* -1: free */
	bool waiting;      /* was asked and has not answered yet */
	uint32_t segment;  /* what it waits for; the handler's to use */
	bool stop;
};

/* Listens in `directory`; one that is left from before is replaced. */
int control_open(const char *directory, struct control **out, struct error *e);

/* Stops listening; who waits is hung up on.  NULL is allowed. */
void control_close(struct control *c);

/* Descriptors to poll for input: at most 1 + CONTROL_CLIENTS. */
size_t control_poll(const struct control *c, struct pollfd *polled);

/*
 * Takes what has come.  `handle` is given the command and returns the answer
 * (taken), or NULL after it has set client->waiting: then control_answer is
 * called later.
 */
void control_dispatch(struct control *c,
		      json_t *(*handle)(void *context, const char *command,
					struct control_client *client),
		      void *context);

/* Answers a client that waits (the answer is taken). */
void control_answer(struct control_client *client, json_t *answer);

/* The clients that wait: start with NULL; NULL at the end. */
struct control_client *control_waiting(struct control *c,
				       struct control_client *after);

/* {"ok":false,"error":text}; new reference. */
json_t *control_refusal(const char *text);
