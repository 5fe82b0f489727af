/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the client for something in the middle of a request: a form to be
 * filled in, a completion by its model, its roots.  A modern client is
 * answered with what is needed and asks again (2026-07-28,
 * basic/patterns/mrtr); an older one is sent requests.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

#include "server/mcp/work.h"

#define ASK_MAX 16 /* questions at a time */

/* A request to a client that has not been answered. */
struct question {
	TAILQ_ENTRY(question) link;
	struct mcp_request *request; /* on whose behalf */
	uint64_t number;
	char *name; /* what the tool calls it */
};

TAILQ_HEAD(question_list, question);

/* What ClientCapabilities say, as bits of enum tool_ability. */
unsigned ask_abilities(const json_t *capabilities);
/* True when `answers` is an object of results that clients may give. */
bool ask_are_answers(const json_t *answers);

/* Takes params.inputResponses and params.requestState of a modern request.
 * 0, or -1 with r->error. */
int ask_take_answers(struct mcp_request *r);
/* Asks what r->question holds.  `r` may be gone afterwards. */
void request_ask(struct mcp_request *r);
/* Sends the questions to a legacy client, for `r` or its task. */
void ask_client(struct mcp_request *r, struct mcp_connection *c,
		void *origin);
/* It could not be asked, or did not answer. */
void ask_fail(struct mcp_request *r, const char *why);
/* A response of the client. */
void ask_receive(struct mcp_connection *c, const json_t *message);
/* The request asks nothing any more. */
void ask_forget(struct mcp_request *r);
/* The client has gone: nobody will answer. */
void ask_close(struct mcp_connection *c);
/* Frees what is in it. */
void question_clear(struct tool_question *q);
