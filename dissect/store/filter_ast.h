/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the filter compiler: text becomes a tree (filter_parse.c), the tree
 * gets types and loses constants (filter_check.c), and is written as SQL
 * (filter_emit.c).  Nodes live in an arena that filter_compile owns.
 */
#pragma once

#include "base/arena.h"
#include "dissect/store/filter.h"
#include "dissect/store/filter_field.h"

#define FILTER_TEXT_LIMIT 8192
#define FILTER_NESTING 64

enum filter_token {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_STRING,
	TOKEN_INT,
	TOKEN_DOUBLE,
	TOKEN_OPERATOR, /* enum filter_operator in `op` */
	TOKEN_OPEN,     /* ( */
	TOKEN_CLOSE,
	TOKEN_BRACKET,  /* [ */
	TOKEN_BRACKET_CLOSE,
	TOKEN_COMMA,
	TOKEN_DOT,
	TOKEN_QUESTION,
	TOKEN_COLON,
};

enum filter_operator {
	OP_OR, OP_AND, OP_NOT, OP_NEGATE,
	OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_IN,
	OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_DIVIDE, OP_MODULO,
	OP_COUNT
};

enum filter_node_kind {
	NODE_LITERAL,
	NODE_FIELD,
	NODE_UNARY,    /* op, child[0] */
	NODE_BINARY,   /* op, child[0], child[1] */
	NODE_TERNARY,  /* child[0..2] */
	NODE_LIST,     /* children chained by next from child[0] */
	NODE_METHOD,   /* method, child[0] receiver, child[1] argument */
	NODE_KEY,      /* a member of a map: field, text */
	NODE_HAS,      /* child[0]: a field or key */
	NODE_MAP_GET,  /* child[0] key, child[1] default */
	NODE_CIDR,     /* child[0] address field, child[1] network literal */
};

enum filter_method {
	METHOD_CONTAINS, METHOD_STARTS_WITH, METHOD_ENDS_WITH, METHOD_MATCHES,
	METHOD_SIZE, METHOD_LOWER, METHOD_UPPER,
	METHOD_COUNT
};

struct filter_node {
	enum filter_node_kind kind;
	enum filter_type type;  /* set by the checker */
	enum filter_operator op;
	enum filter_method method;
	uint32_t position;      /* in the text, for errors */
	unsigned parameter;     /* of a literal already written; 0: not yet */
	struct filter_node *child[3];
	struct filter_node *next; /* in a list */
	const struct filter_field *field;
	bool of_connection;
	/* Of a literal: its value by type. */
	const char *text;
	int64_t integer;
	double real;
};

struct filter_lexeme {
	enum filter_token token;
	enum filter_operator op;
	uint32_t start, end;  /* in the text */
};

/* One compilation. */
struct filter {
	enum filter_subject subject;
	const char *text;
	int64_t now_ns;
	struct arena arena;
	struct filter_lexeme current;
	unsigned nesting;
	/* The name an .exists(name, …) binds, and the list it stands for. */
	const char *bound_name;
	struct filter_node *bound;
	struct error *error;
	int code; /* sticky: 0, or the error's */
};

/*
 * Fails the compilation at a place of the text: the sentence, then the text
 * around it with a caret below.  Only the first failure is kept.
 */
void filter_fail(struct filter *f, uint32_t position, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Moves on to the next token of the text. */
void filter_next(struct filter *f);

/* A fresh node at the current token; never NULL (fails the compilation and
 * returns a node to go on with when the arena is full). */
struct filter_node *filter_node_new(struct filter *f,
				    enum filter_node_kind kind);

/* The tree of the whole text, or NULL after a failure. */
struct filter_node *filter_parse(struct filter *f);

/* Sets types and folds constants; false after a failure. */
bool filter_check(struct filter *f, struct filter_node *node);

/* "text", "a number", …: what a type is called in messages. */
const char *filter_type_name(enum filter_type type);

/* Writes SQL and parameters; false after a failure. */
bool filter_emit(struct filter *f, struct filter_node *node,
		 unsigned first_parameter, struct filter_sql *out);

/* How a method or operator is spelled. */
const char *filter_method_name(enum filter_method method);
const char *filter_operator_name(enum filter_operator op);
