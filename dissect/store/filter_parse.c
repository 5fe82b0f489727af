/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent over schema/filter.ebnf, one function a rule. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "dissect/store/filter_ast.h"

static struct filter_node *parse_expression(struct filter *f);

static const char *const method_names[METHOD_COUNT] = {
	[METHOD_CONTAINS] = "contains",
	[METHOD_STARTS_WITH] = "startsWith",
	[METHOD_ENDS_WITH] = "endsWith",
	[METHOD_MATCHES] = "matches",
	[METHOD_SIZE] = "size",
	[METHOD_LOWER] = "lowerAscii",
	[METHOD_UPPER] = "upperAscii",
};

const char *
filter_method_name(enum filter_method method)
{
	return method_names[method];
}

struct filter_node *
filter_node_new(struct filter *f, enum filter_node_kind kind)
{
	struct filter_node *node = arena_alloc(&f->arena, sizeof(*node));

	/* The text is bounded, so that only our own bug gets here. */
	assert(node);
	node->kind = kind;
	node->position = f->current.start;
	return node;
}

/* The current token as a string in the arena. */
static char *
token_text(struct filter *f)
{
	char *text = arena_string(
		&f->arena, bytes_make(f->text + f->current.start,
				      f->current.end - f->current.start));

	assert(text);
	return text;
}

static bool
at_operator(const struct filter *f, enum filter_operator op)
{
	return f->current.token == TOKEN_OPERATOR && f->current.op == op;
}

static void
expect(struct filter *f, enum filter_token token, const char *what)
{
	if (f->current.token != token)
		filter_fail(f, f->current.start, "%s is missing here", what);
	filter_next(f);
}

static struct filter_node *
literal(struct filter *f, enum filter_type type)
{
	struct filter_node *node = filter_node_new(f, NODE_LITERAL);

	node->type = type;
	return node;
}

static void
unescape(struct filter *f, char *text)
{
	static const char from[] = "ntr0", to[] = "\n\t\r";
	char *out = text;

	for (const char *in = text + 1; in[1]; in++) {
		const char *known;

		if (*in != '\\') {
			*out++ = *in;
			continue;
		}
		in++;
		known = strchr(from, *in);
		if (*in == '0')
			filter_fail(f, f->current.start,
				    "text cannot contain a zero byte");
		/* \d and the like belong to patterns and stay as they are. */
		if (*in != '0' && known)
			*out++ = to[known - from];
		else if (strchr("\\\"'", *in))
			*out++ = *in;
		else {
			*out++ = '\\';
			*out++ = *in;
		}
	}
	*out = '\0';
}

static struct filter_node *
parse_string(struct filter *f)
{
	struct filter_node *node = literal(f, FILTER_TYPE_STRING);
	char *text = token_text(f);

	unescape(f, text);
	node->text = text;
	filter_next(f);
	return node;
}

static struct filter_node *
parse_number(struct filter *f)
{
	bool whole = f->current.token == TOKEN_INT;
	struct filter_node *node =
		literal(f, whole ? FILTER_TYPE_INT : FILTER_TYPE_DOUBLE);
	const char *text = token_text(f);

	errno = 0;
	if (whole)
		node->integer = strtoll(text, NULL, 10);
	else
		node->real = strtod(text, NULL);
	if (errno)
		filter_fail(f, node->position, "this number is too large");
	filter_next(f);
	return node;
}

/* Whether the text goes on with '(' after the current token. */
static bool
call_follows(const struct filter *f)
{
	const char *p = f->text + f->current.end;

	while (*p == ' ')
		p++;
	return *p == '(';
}

/* The largest field name, or a map and a key, that `path` spells. */
static struct filter_node *
resolve(struct filter *f, struct filter_node *node, char *path)
{
	bool of_connection;
	const struct filter_field *field =
		filter_field_find(f->subject, path, &of_connection);
	const char *nearest;

	for (char *dot = path + strlen(path); !field && dot > path; dot--) {
		if (*dot != '.')
			continue;
		*dot = '\0';
		field = filter_field_find(f->subject, path, &of_connection);
		*dot = '.';
		if (field && field->type == FILTER_TYPE_MAP) {
			node->kind = NODE_KEY;
			node->text = dot + 1;
		} else {
			field = NULL;
		}
	}
	if (field && field->unsupported) {
		filter_fail(f, node->position, "\"%s\": %s", path,
			    field->unsupported);
	} else if (!field) {
		nearest = filter_field_nearest(f->subject, path);
		filter_fail(f, node->position,
			    "there is no field \"%s\"%s%s%s; text is written "
			    "\"%s\"", path,
			    nearest ? "; did you mean " : "",
			    nearest ? nearest : "", nearest ? "?" : "", path);
	}
	node->field = field;
	node->of_connection = of_connection;
	return node;
}

/* name {"." name}, not taking a name that begins a method call. */
static struct filter_node *
parse_path(struct filter *f)
{
	struct filter_node *node = filter_node_new(f, NODE_FIELD);
	uint32_t end = f->current.end;
	char *path;

	filter_next(f);
	while (f->current.token == TOKEN_DOT) {
		struct filter_lexeme dot = f->current;

		filter_next(f);
		if (f->current.token != TOKEN_NAME || call_follows(f)) {
			f->current = dot;
			break;
		}
		end = f->current.end;
		filter_next(f);
	}
	if (f->code)
		return node;
	path = arena_string(&f->arena, bytes_make(f->text + node->position,
						  end - node->position));
	if (f->bound_name && strcmp(path, f->bound_name) == 0) {
		*node = *f->bound; /* a copy: nodes have one parent */
		return node;
	}
	return resolve(f, node, path);
}

/* The arguments of a call, up to three, behind the opening parenthesis. */
static unsigned
parse_arguments(struct filter *f, struct filter_node *out[3])
{
	unsigned count = 0;

	expect(f, TOKEN_OPEN, "\"(\"");
	while (f->current.token != TOKEN_CLOSE && !f->code) {
		if (count == 3) {
			filter_fail(f, f->current.start, "too many arguments");
			break;
		}
		out[count++] = parse_expression(f);
		if (f->current.token != TOKEN_COMMA)
			break;
		filter_next(f);
	}
	expect(f, TOKEN_CLOSE, "\")\"");
	return count;
}

static bool
need(struct filter *f, const struct filter_node *node, unsigned count,
     unsigned wanted, const char *usage)
{
	if (count != wanted)
		filter_fail(f, node->position, "write %s", usage);
	return !f->code;
}

static bool
constant_text(struct filter *f, const struct filter_node *node,
	      const char *usage)
{
	if (node->kind == NODE_LITERAL && node->type == FILTER_TYPE_STRING)
		return true;
	filter_fail(f, node->position, "write %s", usage);
	return false;
}

static struct filter_node *
time_literal(struct filter *f, struct filter_node *node, unsigned count,
	     struct filter_node *argument, bool is_duration)
{
	const char *usage = is_duration
		? "duration(\"5m\"), with ns, us, ms, s, m, h or d"
		: "timestamp(\"2026-11-23T14:02:11Z\"), or Unix milliseconds";
	bool good;

	node->kind = NODE_LITERAL;
	node->type = is_duration ? FILTER_TYPE_DURATION
				 : FILTER_TYPE_TIMESTAMP;
	if (!need(f, node, count, 1, usage) || !argument)
		return node;
	if (!is_duration && argument->kind == NODE_LITERAL &&
	    argument->type == FILTER_TYPE_INT) {
		char *text = arena_alloc(&f->arena, 24);

		snprintf(text, 24, "%lld", (long long)argument->integer);
		argument->text = text;
	} else if (!constant_text(f, argument, usage)) {
		return node;
	}
	good = is_duration
		? clock_parse_duration(argument->text, &node->integer)
		: clock_parse(argument->text, f->now_ns, &node->integer);
	if (!good)
		filter_fail(f, argument->position,
			    "\"%.60s\" is not a %s: write %s", argument->text,
			    is_duration ? "duration" : "time", usage);
	return node;
}

static struct filter_node *
map_get(struct filter *f, struct filter_node *node, struct filter_node *args[3])
{
	static const char usage[] =
		"map_get(request.headers, \"name\", \"default\")";

	if (!args[0] || !args[1] || args[0]->kind != NODE_FIELD ||
	    args[0]->field->type != FILTER_TYPE_MAP ||
	    !constant_text(f, args[1], usage)) {
		filter_fail(f, node->position, "write %s", usage);
		return node;
	}
	args[0]->kind = NODE_KEY;
	args[0]->text = args[1]->text;
	node->kind = NODE_MAP_GET;
	node->child[0] = args[0];
	node->child[1] = args[2];
	return node;
}

static struct filter_node *
method_node(struct filter *f, struct filter_node *node,
	    enum filter_method method, struct filter_node *receiver,
	    struct filter_node *argument)
{
	(void)f;
	node->kind = NODE_METHOD;
	node->method = method;
	node->child[0] = receiver;
	node->child[1] = argument;
	return node;
}

static int
find_method(const char *name)
{
	for (int i = 0; i < METHOD_COUNT; i++)
		if (strcasecmp(name, method_names[i]) == 0)
			return i;
	if (strcmp(name, "starts_with") == 0 || strcmp(name, "startswith") == 0)
		return METHOD_STARTS_WITH;
	if (strcmp(name, "ends_with") == 0)
		return METHOD_ENDS_WITH;
	if (strcmp(name, "lower") == 0)
		return METHOD_LOWER;
	return -1;
}

/* name "(" arguments ")": the functions that have no receiver. */
static struct filter_node *
parse_function(struct filter *f)
{
	struct filter_node *node = filter_node_new(f, NODE_LITERAL);
	struct filter_node *args[3] = { NULL, NULL, NULL };
	const char *name = token_text(f);
	int method = find_method(name);
	unsigned count;

	filter_next(f);
	count = parse_arguments(f, args);
	if (f->code)
		return node;
	if (strcmp(name, "timestamp") == 0)
		return time_literal(f, node, count, args[0], false);
	if (strcmp(name, "duration") == 0)
		return time_literal(f, node, count, args[0], true);
	if (strcmp(name, "now") == 0 && need(f, node, count, 0, "now()")) {
		node->type = FILTER_TYPE_TIMESTAMP;
		node->integer = f->now_ns;
	} else if (strcmp(name, "has") == 0 &&
		   need(f, node, count, 1, "has(field)")) {
		node->kind = NODE_HAS;
		node->child[0] = args[0];
	} else if (strcmp(name, "cidr") == 0 &&
		   need(f, node, count, 2, "cidr(src.ip, \"10.0.0.0/8\")")) {
		node->kind = NODE_CIDR;
		node->child[0] = args[0];
		node->child[1] = args[1];
	} else if (strcmp(name, "map_get") == 0 &&
		   need(f, node, count, 3, "map_get(map, \"key\", \"\")")) {
		return map_get(f, node, args);
	} else if (method >= METHOD_SIZE &&
		   need(f, node, count, 1, "size(path)")) {
		return method_node(f, node, (enum filter_method)method, args[0],
				   NULL);
	} else if (method >= 0) {
		if (count == 2)
			return method_node(f, node, (enum filter_method)method,
					   args[0], args[1]);
		filter_fail(f, node->position, "write path.%s(\"…\")",
			    method_names[method]);
	} else {
		filter_fail(f, node->position,
			    "there is no function %.40s(); known are "
			    "timestamp, duration, now, size, has, cidr, "
			    "map_get", name);
	}
	return node;
}

/* list.exists(name, condition): the list has one element at most, so that it
 * is the condition with the list for the name. */
static struct filter_node *
parse_exists(struct filter *f, struct filter_node *list)
{
	const char *outer_name = f->bound_name;
	struct filter_node *outer = f->bound, *condition;

	filter_next(f);
	expect(f, TOKEN_OPEN, "\"(\"");
	if (f->current.token != TOKEN_NAME || list->kind != NODE_FIELD) {
		filter_fail(f, f->current.start,
			    "write dns_questions.exists(q, q.contains(\"…\"))");
		return list;
	}
	f->bound_name = token_text(f);
	f->bound = list;
	filter_next(f);
	expect(f, TOKEN_COMMA, "\",\"");
	condition = parse_expression(f);
	expect(f, TOKEN_CLOSE, "\")\"");
	f->bound_name = outer_name;
	f->bound = outer;
	return condition;
}

static struct filter_node *
parse_method(struct filter *f, struct filter_node *receiver)
{
	struct filter_node *node = filter_node_new(f, NODE_METHOD);
	struct filter_node *args[3] = { NULL, NULL, NULL };
	const char *name;
	unsigned count;
	int method;

	if (f->current.token != TOKEN_NAME) {
		filter_fail(f, f->current.start, "a name is missing here");
		return receiver;
	}
	name = token_text(f);
	method = find_method(name);
	if (strcmp(name, "exists") == 0)
		return parse_exists(f, receiver);
	if (method < 0) {
		filter_fail(f, node->position,
			    "there is no .%.40s(); known are .contains .startsWith "
			    ".endsWith .matches .size .lowerAscii", name);
		return receiver;
	}
	filter_next(f);
	count = parse_arguments(f, args);
	if (count != (method >= METHOD_SIZE ? 0 : 1))
		filter_fail(f, node->position, "write .%s(%s)",
			    method_names[method],
			    method >= METHOD_SIZE ? "" : "\"text\"");
	return method_node(f, node, (enum filter_method)method, receiver,
			   args[0]);
}

/* map "[" "key" "]" */
static struct filter_node *
parse_index(struct filter *f, struct filter_node *map)
{
	struct filter_node *node = filter_node_new(f, NODE_KEY);
	struct filter_node *key;

	filter_next(f);
	key = parse_expression(f);
	if (f->code)
		return node;
	if (!constant_text(f, key, "request.headers[\"name\"]"))
		return node;
	if (map->kind != NODE_FIELD || map->field->type != FILTER_TYPE_MAP)
		filter_fail(f, map->position,
			    "only request.headers, response.headers, "
			    "request.cookies, response.cookies and query_string "
			    "take [\"name\"]");
	expect(f, TOKEN_BRACKET_CLOSE, "\"]\"");
	node->field = map->field;
	node->text = key->text;
	node->position = map->position;
	return node;
}

static struct filter_node *
parse_list(struct filter *f)
{
	struct filter_node *node = filter_node_new(f, NODE_LIST);
	struct filter_node **end = &node->child[0];

	filter_next(f);
	while (f->current.token != TOKEN_BRACKET_CLOSE && !f->code) {
		*end = parse_expression(f);
		end = &(*end)->next;
		if (f->current.token != TOKEN_COMMA)
			break;
		filter_next(f);
	}
	expect(f, TOKEN_BRACKET_CLOSE, "\"]\"");
	if (!node->child[0])
		filter_fail(f, node->position,
			    "an empty list: nothing would match");
	return node;
}

static struct filter_node *
parse_word(struct filter *f)
{
	const char *word = token_text(f);
	bool is_true = strcmp(word, "true") == 0;

	if (call_follows(f))
		return parse_function(f);
	if (is_true || strcmp(word, "false") == 0) {
		struct filter_node *node = literal(f, FILTER_TYPE_BOOL);

		node->integer = is_true;
		filter_next(f);
		return node;
	}
	return parse_path(f);
}

static struct filter_node *
parse_primary(struct filter *f)
{
	struct filter_node *node;

	switch ((int)f->current.token) {
	case TOKEN_STRING:
		return parse_string(f);
	case TOKEN_INT:
	case TOKEN_DOUBLE:
		return parse_number(f);
	case TOKEN_NAME:
		return parse_word(f);
	case TOKEN_BRACKET:
		return parse_list(f);
	case TOKEN_OPEN:
		filter_next(f);
		node = parse_expression(f);
		expect(f, TOKEN_CLOSE, "\")\"");
		return node;
	default:
		filter_fail(f, f->current.start, "%s",
			    f->current.token == TOKEN_END
				    ? "the filter ends early"
				    : "a field or value is missing here");
		return filter_node_new(f, NODE_LITERAL);
	}
}

static struct filter_node *
parse_postfix(struct filter *f)
{
	struct filter_node *node = parse_primary(f);

	while (!f->code) {
		if (f->current.token == TOKEN_DOT) {
			filter_next(f);
			node = parse_method(f, node);
		} else if (f->current.token == TOKEN_BRACKET) {
			node = parse_index(f, node);
		} else {
			break;
		}
	}
	return node;
}

static struct filter_node *
parse_unary(struct filter *f)
{
	struct filter_node *node;

	if (!at_operator(f, OP_NOT) && !at_operator(f, OP_SUBTRACT))
		return parse_postfix(f);
	node = filter_node_new(f, NODE_UNARY);
	node->op = f->current.op == OP_NOT ? OP_NOT : OP_NEGATE;
	filter_next(f);
	if (++f->nesting > FILTER_NESTING)
		filter_fail(f, node->position, "too deeply nested");
	node->child[0] = f->code ? node : parse_unary(f);
	f->nesting--;
	return node;
}

/* Precedence climbing from the weakest; 0 for what is no binary operator. */
static int
precedence(const struct filter *f)
{
	static const int of[OP_COUNT] = {
		[OP_OR] = 1, [OP_AND] = 2, [OP_EQ] = 3, [OP_NE] = 3,
		[OP_LT] = 3, [OP_LE] = 3, [OP_GT] = 3, [OP_GE] = 3,
		[OP_IN] = 3, [OP_ADD] = 4, [OP_SUBTRACT] = 4,
		[OP_MULTIPLY] = 5, [OP_DIVIDE] = 5, [OP_MODULO] = 5,
	};

	return f->current.token == TOKEN_OPERATOR ? of[f->current.op] : 0;
}

/* `path contains "x"`, as people write it. */
static struct filter_node *
parse_infix_method(struct filter *f, struct filter_node *left)
{
	struct filter_node *node = filter_node_new(f, NODE_METHOD);
	int method = find_method(token_text(f));

	if (method < 0 || method >= METHOD_SIZE) {
		filter_fail(f, node->position,
			    "an operator is missing here: &&, ||, == …");
		return left;
	}
	filter_next(f);
	return method_node(f, node, (enum filter_method)method, left,
			   parse_unary(f));
}

/* `not a == b` is `!(a == b)`, unlike `!a == b`. */
static bool
at_not_word(const struct filter *f)
{
	return at_operator(f, OP_NOT) && f->text[f->current.start] != '!';
}

static struct filter_node *parse_binary(struct filter *f, int weakest);

static struct filter_node *
parse_operand(struct filter *f, int weakest)
{
	struct filter_node *node;

	if (!at_not_word(f) || weakest > 3)
		return parse_unary(f);
	node = filter_node_new(f, NODE_UNARY);
	node->op = OP_NOT;
	filter_next(f);
	if (++f->nesting > FILTER_NESTING)
		filter_fail(f, node->position, "too deeply nested");
	node->child[0] = f->code ? node : parse_binary(f, 3);
	f->nesting--;
	return node;
}

static struct filter_node *
parse_binary(struct filter *f, int weakest)
{
	struct filter_node *left = parse_operand(f, weakest);

	while (!f->code) {
		int strength = precedence(f);
		struct filter_node *node;

		if (f->current.token == TOKEN_NAME && weakest <= 3) {
			left = parse_infix_method(f, left);
			continue;
		}
		if (strength == 0 || strength < weakest)
			break;
		node = filter_node_new(f, NODE_BINARY);
		node->op = f->current.op;
		filter_next(f);
		node->child[0] = left;
		node->child[1] = parse_binary(f, strength + 1);
		left = node;
	}
	return left;
}

static struct filter_node *
parse_expression(struct filter *f)
{
	struct filter_node *node, *condition;

	if (++f->nesting > FILTER_NESTING)
		filter_fail(f, f->current.start, "too deeply nested");
	if (f->code)
		return filter_node_new(f, NODE_LITERAL);
	condition = parse_binary(f, 1);
	node = condition;
	if (f->current.token == TOKEN_QUESTION) {
		node = filter_node_new(f, NODE_TERNARY);
		node->child[0] = condition;
		filter_next(f);
		node->child[1] = parse_expression(f);
		expect(f, TOKEN_COLON, "\":\"");
		node->child[2] = parse_expression(f);
	}
	f->nesting--;
	return node;
}

struct filter_node *
filter_parse(struct filter *f)
{
	struct filter_node *node;

	filter_next(f);
	node = parse_expression(f);
	if (f->current.token != TOKEN_END)
		filter_fail(f, f->current.start,
			    "an operator is missing here: &&, ||, == …");
	return f->code ? NULL : node;
}
