/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tool is, for both sides: server/mcp/ (which calls it) and
 * server/tools/ (which implements it).  Tools are plain blocking functions;
 * they run on a pool thread, or directly in the CLI.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/* What the user of this server permits; fixed at start, const afterwards. */
struct tool_config {
	const char *home;
	const char *default_db;      /* NULL: none */
	const char *const *allowed_paths; /* directories import may read and export
					   * may write, absolute and resolved */
	size_t allowed_path_count;
	bool allow_reveal;           /* reveal=true may show secrets */
	bool allow_capture;          /* recordings may be started and stopped */
	bool whole_answers;          /* rows are never cut to a model's budget:
				      * a person or a program reads them */
	const char *program;         /* path of this executable, for jobs */
	const char *dissect_program; /* path of aftertap-dissect */
	const char *capture_program; /* path of aftertap-capture */
	int lifeline;                /* descriptor jobs inherit: its end of file
				      * tells them to stop; -1: they live on */
};

struct tool_call {
	const struct tool_config *config;
	json_t *arguments;           /* object, borrowed; validated against the
				      * input schema's names and types */
	int64_t now_ns;
	int64_t started_ns;          /* monotonic; of the first run */
	bool again;                  /* this is not the first run */
	const atomic_bool *cancelled;
	/* Interrupts a running query: a tool that opens a store registers it. */
	void (*set_interrupt)(void *context, void (*interrupt)(void *), void *arg);
	void (*progress)(void *context, double value, double total,
			 const char *message);
	/* A line for whoever reads the server's log messages; may be NULL. */
	void (*log)(void *context, const char *text);
	void *context;               /* of the callbacks above */
	unsigned abilities;          /* bits of enum tool_ability */
	bool is_task;                /* nobody is kept waiting: `wait_ms` is
				      * for calls that are none */
	json_t *answers;             /* object, borrowed: what the client has
				      * answered to questions, by their names;
				      * NULL: nothing */
	const json_t *state;         /* what came with the question; or NULL */
};

/* What the client of a call can be asked for, and more. */
enum tool_ability {
	CLIENT_ELICITS = 1,
	CLIENT_SAMPLES = 2,
	CLIENT_HAS_ROOTS = 4,
	CLIENT_HAS_TASKS = 8,
};

/*
 * What a tool has to know from its client before it can go on: `ask` is an
 * object of {"method","params"} by names of the tool's choice.  The methods
 * are elicitation/create, sampling/createMessage and roots/list.
 */
struct tool_question {
	json_t *ask;    /* owned */
	json_t *state;  /* owned, or NULL: what the tool wants to be told
			 * again with the answers; the client may read it, but
			 * not change it */
	bool in_task;   /* a task has begun: do not ask before it */
};

/* May a call go on as a task, which outlives its request? */
enum tool_tasks {
	TOOL_TASKS_NEVER,
	TOOL_TASKS_OPTIONAL,
	TOOL_TASKS_ALWAYS,
};

enum tool_status {
	TOOL_DONE,
	TOOL_WAIT, /* not yet: run again after `wait_ms` (status polling with
		    * wait_ms); nothing else is returned */
	TOOL_ASK,  /* run again with the answers to `question`; nothing is
		    * kept between the runs but its `state` */
};

struct tool_result {
	json_t *structured;  /* object; owned by the caller */
	char *text;          /* compact rendering that stands alone; owned */
	json_t *content;     /* array of MCP content blocks to show instead of
			      * the text, or NULL; owned by the caller */
	uint32_t wait_ms;
	bool let_go;         /* with TOOL_WAIT: the client may hang up and ask
			      * again, where its transport can do that */
	struct tool_question question;
};

enum tool_effects {
	TOOL_READS,
	TOOL_WRITES,      /* adds something */
	TOOL_DESTROYS,    /* removes something */
	TOOL_CONTROLS,    /* decides what is recorded */
};

struct arg; /* server/tools/args.h */

struct tool {
	const char *name;          /* also schema/tools/<name>.json */
	enum tool_effects effects;
	bool quick;                /* reads memory and a few small files, waits for
				    * nobody, whatever its arguments: may run on
				    * the loop while it proves to be short */
	const struct arg *arguments; /* how they are bound; a test holds this
				      * table against the schema */
	/*
	 * TOOL_DONE, TOOL_WAIT, or a negative error with its text in `e`, which
	 * becomes an isError result (MCP) or an exit status (CLI).
	 */
	int (*run)(struct tool_call *call, struct tool_result *out,
		   struct error *e);
	enum tool_tasks tasks;
	/* Ends what `run` has left running, because its task was cancelled;
	 * NULL: nothing ever is. */
	void (*stop)(struct tool_call *call);
};

/* NULL-terminated; in the order tools/list shows them. */
extern const struct tool *const tools[];
const struct tool *tool_find(const char *name);

/* The parsed schema/tools/<name>.json: {"name","title","description",
 * "inputSchema","outputSchema","annotations"}; borrowed, immutable, parsed at
 * first use on the main thread by tool_schemas_load. */
json_t *tool_schema(const struct tool *tool);
int tool_schemas_load(struct error *e);

/*
 * Checks `arguments` against the tool's inputSchema (type, enum, minimum,
 * maximum, maxLength, required, unknown names → nearest) and runs it once.
 */
int tool_run(const struct tool *tool, struct tool_call *call,
	     struct tool_result *out, struct error *e);
void tool_result_free(struct tool_result *r);
