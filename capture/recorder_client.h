/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a running recorder: its socket is captures/<capture>/control.sock
 * (capture/recorder/control.h says what it understands).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include <jansson.h>

#include "base/err.h"

#define RECORDER_SOCKET "control.sock"
#define RECORDER_LOCK   "recorder.lock"

/*
 * The socket's address in a capture's directory, however long its path is: the
 * descriptor returned (the caller's to close afterwards) stands for the
 * directory in it.  Negative with errno when the directory cannot be opened.
 */
int recorder_client_address(const char *directory, struct sockaddr_un *address);

/* Process id of the capture's recorder; 0: none runs. */
int recorder_client_holder(const char *home, const char *name);

/* Borrowed while it is asked. */
struct recorder_question {
	const char *home, *name;
	const char *command;
	int timeout_ms;
	const atomic_bool *cancelled; /* may be NULL */
};

/*
 * Sends a command and waits at most `timeout_ms` for its answer (new
 * reference, `"ok"` true).  NOTFOUND (nobody records this capture), DENIED (it
 * belongs to another user), TIMEOUT, CANCELLED, STATE (the recorder refused,
 * in its words).
 */
int recorder_client_ask(const struct recorder_question *question,
			json_t **answer, struct error *e);
