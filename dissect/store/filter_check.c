/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types.  A comparison that could never hold, or a value that no row can
 * have, is an error here: a filter that finds nothing must mean that there is
 * nothing.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dissect/store/address.h"
#include "dissect/store/filter_ast.h"
#include "dissect/store/pattern.h"

const char *
filter_type_name(enum filter_type type)
{
	static const char *const names[] = {
		[FILTER_TYPE_NONE] = "nothing",
		[FILTER_TYPE_BOOL] = "a condition",
		[FILTER_TYPE_INT] = "a number",
		[FILTER_TYPE_DOUBLE] = "a number",
		[FILTER_TYPE_STRING] = "text",
		[FILTER_TYPE_IP] = "an address",
		[FILTER_TYPE_PROTOCOL] = "a protocol",
		[FILTER_TYPE_TIMESTAMP] = "a time",
		[FILTER_TYPE_DURATION] = "a duration",
		[FILTER_TYPE_LIST] = "a list",
		[FILTER_TYPE_MAP] = "a map",
	};

	return names[type];
}

static bool
is_number(enum filter_type type)
{
	return type == FILTER_TYPE_INT || type == FILTER_TYPE_DOUBLE;
}

/* A list that has a lookup has one element at most and is as good as it. */
static bool
is_text(const struct filter_node *n)
{
	return n->type == FILTER_TYPE_STRING || n->type == FILTER_TYPE_IP ||
	       n->type == FILTER_TYPE_PROTOCOL ||
	       (n->type == FILTER_TYPE_LIST && n->field && n->field->lookup);
}

static bool
is_literal(const struct filter_node *n, enum filter_type type)
{
	return n->kind == NODE_LITERAL && n->type == type;
}

/* The text of a node for messages: "status_code", or what it is. */
static const char *
describe(const struct filter_node *n)
{
	return n->kind == NODE_FIELD ? n->field->name : "this";
}

static void
bad_types(struct filter *f, const struct filter_node *node,
	  const struct filter_node *a, const struct filter_node *b)
{
	const char *hint = "";

	if (is_number(a->type) && is_literal(b, FILTER_TYPE_STRING))
		hint = "; a number is written without quotes";
	else if (is_text(a) && is_number(b->type))
		hint = "; text is written in quotes";
	else if (a->type == FILTER_TYPE_TIMESTAMP)
		hint = "; write timestamp(\"2026-11-23T14:02:11Z\") or "
		       "now() - duration(\"5m\")";
	else if (is_number(a->type) && b->type == FILTER_TYPE_DURATION)
		hint = "; latency_ms takes a number of milliseconds";
	else if (a->type == FILTER_TYPE_MAP)
		hint = "; name a member: request.headers[\"host\"]";
	else if (a->type == FILTER_TYPE_LIST)
		hint = "; write \"value\" in the list";
	filter_fail(f, node->position, "%s is %s and cannot be used with %s by %s%s",
		    describe(a), filter_type_name(a->type),
		    filter_type_name(b->type), filter_operator_name(node->op),
		    hint);
}

static bool
is_word_of(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; n && (p = strcasestr(p, word)); p++)
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static bool
is_protocol(const char *word)
{
	for (const struct filter_field *f = filter_field_table; f->name; f++)
		if (f->protocol && strcasecmp(f->name, word) == 0)
			return true;
	return strcasecmp(word, "unknown") == 0;
}

/* A literal compared with a field must be a value that the field can have. */
static void
check_value(struct filter *f, const struct filter_node *field,
	    struct filter_node *value)
{
	if (field->kind != NODE_FIELD ||
	    !is_literal(value, FILTER_TYPE_STRING))
		return;
	if (field->type == FILTER_TYPE_IP) {
		struct address a;
		char *text = arena_alloc(&f->arena, INET6_ADDRSTRLEN);

		if (!address_parse(value->text, &a)) {
			filter_fail(f, value->position,
				    "\"%.60s\" is not an address; a network is "
				    "written %s in \"10.0.0.0/8\", a name "
				    "compared with src.name or dst.name",
				    value->text, field->field->name);
			return;
		}
		value->text = address_text(a.bytes, text);
	} else if (field->type == FILTER_TYPE_PROTOCOL &&
		   !is_protocol(value->text)) {
		filter_fail(f, value->position,
			    "\"%.40s\" is no protocol of a call; known are "
			    "http, dns …; tcp and udp are flags of their own",
			    value->text);
	} else if (field->field->words &&
		   !is_word_of(field->field->words, value->text)) {
		filter_fail(f, value->position,
			    "%s is never \"%.40s\"; it is one of: %s",
			    field->field->name, value->text,
			    field->field->words);
	}
}

static bool
comparable(const struct filter_node *a, const struct filter_node *b)
{
	if (is_number(a->type))
		return is_number(b->type);
	if (is_text(a))
		return is_text(b);
	return a->type == b->type && (a->type == FILTER_TYPE_BOOL ||
				      a->type == FILTER_TYPE_TIMESTAMP ||
				      a->type == FILTER_TYPE_DURATION);
}

static void
check_comparison(struct filter *f, struct filter_node *n)
{
	struct filter_node *a = n->child[0], *b = n->child[1];
	bool ordered = n->op != OP_EQ && n->op != OP_NE;

	n->type = FILTER_TYPE_BOOL;
	if (!comparable(a, b)) {
		bool swap = a->kind == NODE_LITERAL;

		bad_types(f, n, swap ? b : a, swap ? a : b);
	} else if (ordered && (a->type == FILTER_TYPE_BOOL ||
			       a->type == FILTER_TYPE_IP ||
			       b->type == FILTER_TYPE_IP)) {
		filter_fail(f, n->position, "%s has no order%s",
			    filter_type_name(a->type),
			    a->type == FILTER_TYPE_IP
				    ? "; write src.ip in \"10.0.0.0/8\"" : "");
	}
	check_value(f, a, b);
	check_value(f, b, a);
}

/* The network of an address test, checked; its range is filled by emit. */
static void
check_network(struct filter *f, const struct filter_node *address,
	      const struct filter_node *network)
{
	struct address first, last;

	if (address->kind != NODE_FIELD || address->type != FILTER_TYPE_IP)
		filter_fail(f, address->position,
			    "only src.ip and dst.ip are in networks");
	else if (!is_literal(network, FILTER_TYPE_STRING) ||
		 !address_network(network->text, &first, &last))
		filter_fail(f, network->position,
			    "not a network; write \"10.0.0.0/8\" or "
			    "\"2001:db8::/32\"");
}

static void
check_in_list(struct filter *f, struct filter_node *n)
{
	struct filter_node *a = n->child[0];
	bool networks = true; /* may be written as ranges by emit */

	for (struct filter_node *b = n->child[1]->child[0]; b; b = b->next)
		networks = networks && b->kind == NODE_LITERAL;

	for (struct filter_node *b = n->child[1]->child[0]; b; b = b->next) {
		if (!comparable(a, b))
			bad_types(f, n, a, b);
		else if (a->type == FILTER_TYPE_IP && networks &&
			 is_literal(b, FILTER_TYPE_STRING) &&
			 strchr(b->text, '/'))
			check_network(f, a, b);
		else
			check_value(f, a, b);
	}
}

static void
check_in(struct filter *f, struct filter_node *n)
{
	struct filter_node *a = n->child[0], *b = n->child[1];

	n->type = FILTER_TYPE_BOOL;
	if (b->kind == NODE_LIST) {
		check_in_list(f, n);
	} else if (b->kind == NODE_FIELD && b->type == FILTER_TYPE_MAP) {
		if (!is_literal(a, FILTER_TYPE_STRING)) {
			filter_fail(f, a->position, "write \"name\" in %s",
				    b->field->name);
			return;
		}
		b->kind = NODE_KEY;
		b->text = a->text;
		b->type = FILTER_TYPE_STRING;
		n->kind = NODE_HAS;
		n->child[0] = b;
	} else if (b->kind == NODE_FIELD && b->type == FILTER_TYPE_LIST) {
		if (!is_text(a))
			bad_types(f, n, b, a);
		else if (b->field->lookup &&
			 strcmp(b->field->lookup, "protocols.name") == 0 &&
			 is_literal(a, FILTER_TYPE_STRING) &&
			 !is_protocol(a->text))
			filter_fail(f, a->position, "\"%.40s\" is no protocol",
				    a->text);
	} else if (a->type == FILTER_TYPE_IP) {
		check_network(f, a, b);
		n->kind = NODE_CIDR;
	} else {
		filter_fail(f, b->position,
			    "in takes a list: %s in [\"a\", \"b\"]; a part of a "
			    "text is found by .contains(\"…\")", describe(a));
	}
}

static bool
fold(struct filter_node *n, enum filter_type type)
{
	const struct filter_node *a = n->child[0], *b = n->child[1];
	int64_t value;

	n->type = type;
	if (a->kind != NODE_LITERAL || b->kind != NODE_LITERAL)
		return true;
	if (n->op == OP_ADD ? __builtin_add_overflow(a->integer, b->integer,
						     &value)
			    : __builtin_sub_overflow(a->integer, b->integer,
						     &value))
		return false;
	n->kind = NODE_LITERAL;
	n->integer = value;
	return true;
}

static void
check_arithmetic(struct filter *f, struct filter_node *n)
{
	struct filter_node *a = n->child[0], *b = n->child[1];
	bool sum = n->op == OP_ADD, sum_or_difference = sum ||
							n->op == OP_SUBTRACT;
	bool fits = true;

	if (is_number(a->type) && is_number(b->type)) {
		n->type = a->type == FILTER_TYPE_INT ? b->type : a->type;
		if (n->op == OP_MODULO && n->type != FILTER_TYPE_INT)
			filter_fail(f, n->position, "%% takes whole numbers");
	} else if (sum && is_text(a) && is_text(b)) {
		n->type = FILTER_TYPE_STRING;
	} else if (sum_or_difference && b->type == FILTER_TYPE_DURATION &&
		   (a->type == FILTER_TYPE_TIMESTAMP ||
		    a->type == FILTER_TYPE_DURATION)) {
		fits = fold(n, a->type);
	} else if (n->op == OP_SUBTRACT && a->type == FILTER_TYPE_TIMESTAMP &&
		   b->type == FILTER_TYPE_TIMESTAMP) {
		fits = fold(n, FILTER_TYPE_DURATION);
	} else {
		bad_types(f, n, a, b);
	}
	if (!fits)
		filter_fail(f, n->position, "this time is out of range");
}

static void
need_condition(struct filter *f, const struct filter_node *n)
{
	if (n->type == FILTER_TYPE_BOOL)
		return;
	filter_fail(f, n->position, "%s is %s, not a condition; write %s%s",
		    describe(n), filter_type_name(n->type), describe(n),
		    is_number(n->type) ? " != 0"
		    : is_text(n)       ? " == \"…\" or .contains(\"…\")"
		    : n->type == FILTER_TYPE_MAP
			    ? "[\"name\"] == \"…\""
			    : " compared with something");
}

static void
check_unary(struct filter *f, struct filter_node *n)
{
	struct filter_node *a = n->child[0];

	n->type = a->type;
	if (n->op == OP_NOT) {
		need_condition(f, a);
	} else if (!is_number(a->type)) {
		filter_fail(f, n->position, "- takes a number");
	} else if (a->kind == NODE_LITERAL) {
		n->kind = NODE_LITERAL;
		n->integer = -a->integer;
		n->real = -a->real;
	}
}

static void
check_binary(struct filter *f, struct filter_node *n)
{
	if (n->op == OP_AND || n->op == OP_OR) {
		n->type = FILTER_TYPE_BOOL;
		need_condition(f, n->child[0]);
		need_condition(f, n->child[1]);
	} else if (n->op == OP_IN) {
		check_in(f, n);
	} else if (n->op >= OP_ADD) {
		check_arithmetic(f, n);
	} else {
		check_comparison(f, n);
	}
}

static void
check_pattern(struct filter *f, const struct filter_node *n)
{
	const struct filter_node *pattern = n->child[1];
	struct error e = { 0 };
	struct pattern *compiled;

	if (!is_literal(pattern, FILTER_TYPE_STRING))
		filter_fail(f, pattern->position,
			    "matches takes a pattern in quotes");
	else if (pattern_compile(pattern->text, &compiled, &e))
		filter_fail(f, pattern->position, "%.200s", e.text);
	else
		pattern_free(compiled);
}

static void
check_method(struct filter *f, struct filter_node *n)
{
	const struct filter_node *a = n->child[0], *b = n->child[1];
	bool many = a->type == FILTER_TYPE_LIST && a->field &&
		    !a->field->lookup;

	n->type = n->method == METHOD_SIZE    ? FILTER_TYPE_INT
		  : n->method >= METHOD_LOWER ? FILTER_TYPE_STRING
					      : FILTER_TYPE_BOOL;
	if (!is_text(a) && !(many && n->method == METHOD_CONTAINS))
		filter_fail(f, n->position, "%s is %s; %s works on text%s",
			    describe(a), filter_type_name(a->type),
			    filter_method_name(n->method),
			    many ? "; write \"value\" in it, or .contains" : "");
	else if (n->method == METHOD_SIZE && a->type == FILTER_TYPE_LIST)
		filter_fail(f, n->position, "the size of a list is not known");
	else if (b && !is_text(b))
		filter_fail(f, b->position, "%s takes text in quotes",
			    filter_method_name(n->method));
	else if (n->method == METHOD_MATCHES)
		check_pattern(f, n);
}

static void
check_ternary(struct filter *f, struct filter_node *n)
{
	need_condition(f, n->child[0]);
	n->type = n->child[1]->type;
	if (is_text(n->child[1]))
		n->type = FILTER_TYPE_STRING;
	if (n->child[2]->type == FILTER_TYPE_DOUBLE)
		n->type = FILTER_TYPE_DOUBLE;
	if (!comparable(n->child[1], n->child[2]))
		filter_fail(f, n->position,
			    "both results of ? must be of one type");
}

static void
check_map_get(struct filter *f, struct filter_node *n)
{
	n->type = FILTER_TYPE_STRING;
	if (!is_text(n->child[1]))
		filter_fail(f, n->child[1]->position,
			    "the default is text in quotes");
}

static void
check_has(struct filter *f, struct filter_node *n)
{
	n->type = FILTER_TYPE_BOOL;
	if ((n->child[0]->kind != NODE_FIELD &&
	     n->child[0]->kind != NODE_KEY) ||
	    n->child[0]->type == FILTER_TYPE_MAP)
		filter_fail(f, n->position,
			    "has takes a field, or a member of a map");
}

static void
check_children(struct filter *f, struct filter_node *n)
{
	for (int i = 0; i < 3; i++)
		for (struct filter_node *c = n->child[i]; c;
		     c = n->kind == NODE_LIST ? c->next : NULL)
			(void)filter_check(f, c);
}

bool
filter_check(struct filter *f, struct filter_node *n)
{
	check_children(f, n);
	if (f->code)
		return false;
	switch (n->kind) {
	case NODE_LITERAL:
		break;
	case NODE_FIELD:
		n->type = n->field->type;
		break;
	case NODE_KEY:
		n->type = FILTER_TYPE_STRING;
		break;
	case NODE_LIST:
		n->type = FILTER_TYPE_LIST;
		break;
	case NODE_UNARY:
		check_unary(f, n);
		break;
	case NODE_BINARY:
		check_binary(f, n);
		break;
	case NODE_TERNARY:
		check_ternary(f, n);
		break;
	case NODE_METHOD:
		check_method(f, n);
		break;
	case NODE_HAS:
		check_has(f, n);
		break;
	case NODE_MAP_GET:
		check_map_get(f, n);
		break;
	case NODE_CIDR:
		n->type = FILTER_TYPE_BOOL;
		check_network(f, n->child[0], n->child[1]);
		break;
	}
	return !f->code;
}
