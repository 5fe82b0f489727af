/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL out of a checked tree.  Values are parameters, never text.  Every
 * expression written is free of NULL, so that NOT means what it says.
 *
 * A test of an interned field against constants runs over the table of
 * strings, once, and not over the calls: `c.path IN (SELECT t.id FROM strings
 * t WHERE t.text = ?)`.  While such a test is written, `hole` is the field
 * whose value is the column of that inner select.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dissect/store/address.h"
#include "dissect/store/filter_ast.h"

/* SQLite's parser holds 100 symbols; what a leaf and the statement around
 * the condition need is left out. */
#define SYMBOLS 48

/* And an expression at most 1000 levels, which a chain of ANDs is. */
#define TERMS 500

/* Conditions on zones are written with parentheses, and only so many. */
#define ZONE_TERMS 16

struct emitter {
	struct filter *f;
	struct filter_sql *out;
	struct buf *to; /* where, or zone */
	unsigned first_parameter;
	unsigned symbols, terms;
	const struct filter_node *hole;
	bool nocase; /* the operands being written are compared in lower case */
};

static void emit(struct emitter *e, struct filter_node *n);

static void
text(struct emitter *e, const char *sql)
{
	buf_text(e->to, sql);
}

/* Enters a construct that holds `symbols` on SQLite's parser stack. */
static void
enter(struct emitter *e, const struct filter_node *n, unsigned symbols)
{
	e->symbols += symbols;
	if (e->symbols > SYMBOLS)
		filter_fail(e->f, n->position,
			    "too deeply nested; chains of && or || and lists "
			    "with in may be long instead");
}

static unsigned
add_value(struct emitter *e, struct filter_value value)
{
	struct filter_sql *out = e->out;

	out->values = alloc_resize(out->values, out->value_count + 1,
				   sizeof(*out->values));
	out->values[out->value_count++] = value;
	return e->first_parameter + (unsigned)out->value_count - 1;
}

static unsigned
add_text(struct emitter *e, const char *value)
{
	return add_value(e, (struct filter_value){ .kind = FILTER_VALUE_TEXT,
						   .text = alloc_string(value) });
}

static void
emit_literal(struct emitter *e, struct filter_node *n)
{
	if (n->parameter == 0 && n->type == FILTER_TYPE_STRING)
		n->parameter = add_text(e, n->text);
	else if (n->parameter == 0 && n->type == FILTER_TYPE_DOUBLE)
		n->parameter = add_value(e, (struct filter_value){
			.kind = FILTER_VALUE_REAL, .real = n->real });
	else if (n->parameter == 0)
		n->parameter = add_value(e, (struct filter_value){
			.kind = FILTER_VALUE_INTEGER, .integer = n->integer });
	buf_format(e->to, "?%u", n->parameter);
}

static void
emit_field(struct emitter *e, const struct filter_node *n)
{
	char table[32], column[32];

	if (n == e->hole) {
		filter_field_lookup(n->field, table, column);
		buf_format(e->to, "t.%s", column);
	} else {
		filter_field_value(e->to, n->field, n->of_connection);
	}
}

/* The member of a map; NULL when it is not there. */
static void
emit_key(struct emitter *e, const struct filter_node *n)
{
	const char *sql = n->field->sql, *mark = strchr(sql, '$');

	buf_append(e->to, sql, (size_t)(mark - sql));
	buf_format(e->to, "?%u%s", add_text(e, n->text), mark + 1);
}

/* An operand of a comparison, in lower case where that is asked for. */
static void
emit_operand(struct emitter *e, struct filter_node *n)
{
	if (e->nocase)
		text(e, "lower(");
	emit(e, n);
	if (e->nocase)
		text(e, ")");
}

/* The operators of one chain without parentheses between them. */
static void
emit_chain(struct emitter *e, struct filter_node *n, enum filter_operator op)
{
	if (n->kind == NODE_BINARY && n->op == op) {
		emit_chain(e, n->child[0], op);
		text(e, op == OP_AND ? " AND " : " OR ");
		emit_chain(e, n->child[1], op);
		return;
	}
	if (++e->terms > TERMS)
		filter_fail(e->f, n->position,
			    "more than %d conditions; write field in [\"a\", "
			    "\"b\"]", TERMS);
	if (!e->f->code)
		emit(e, n);
}

static bool
is_lookup(const struct filter_node *n)
{
	return n->kind == NODE_FIELD && n->field->lookup;
}

/* An operand is compared without case when a field of the two says so. */
static bool
is_nocase(const struct filter_node *a, const struct filter_node *b)
{
	return (a->kind == NODE_FIELD &&
		(a->field->nocase || a->type == FILTER_TYPE_PROTOCOL)) ||
	       (b && b->kind == NODE_FIELD &&
		(b->field->nocase || b->type == FILTER_TYPE_PROTOCOL));
}

/* Writes `test` over the table of a lookup when `field` is one. */
static void
emit_test(struct emitter *e, struct filter_node *n,
	  const struct filter_node *field,
	  void (*test)(struct emitter *, struct filter_node *))
{
	char table[32], column[32];

	if (!field) {
		test(e, n);
		return;
	}
	filter_field_lookup(field->field, table, column);
	filter_field_raw(e->to, field->field, field->of_connection);
	buf_format(e->to, " IN (SELECT t.id FROM %s t WHERE ", table);
	e->hole = field;
	test(e, n);
	e->hole = NULL;
	text(e, ")");
}

static void
emit_comparison(struct emitter *e, struct filter_node *n)
{
	static const char *const spelled[OP_COUNT] = {
		[OP_EQ] = " = ", [OP_NE] = " != ", [OP_LT] = " < ",
		[OP_LE] = " <= ", [OP_GT] = " > ", [OP_GE] = " >= ",
	};

	e->nocase = is_nocase(n->child[0], n->child[1]);
	emit_operand(e, n->child[0]);
	text(e, spelled[n->op]);
	emit_operand(e, n->child[1]);
	e->nocase = false;
}

/* The field to look up when the other side is constant. */
static const struct filter_node *
lookup_of(const struct filter_node *a, const struct filter_node *b)
{
	if (is_lookup(a) && (!b || b->kind == NODE_LITERAL))
		return a;
	if (b && is_lookup(b) && a->kind == NODE_LITERAL)
		return b;
	return NULL;
}

static void
put_hex(char *out, const uint8_t bytes[16])
{
	static const char digits[] = "0123456789ABCDEF";

	for (int i = 0; i < 16; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* Inside a lookup of an address: is it in the network? */
static void
emit_network(struct emitter *e, const struct filter_node *network)
{
	struct address first = { 0 }, last = { 0 };
	char from[33], to[33];

	(void)address_network(network->text, &first, &last);
	put_hex(from, first.bytes);
	put_hex(to, last.bytes);
	buf_format(e->to, "hex(t.key) BETWEEN ?%u", add_text(e, from));
	buf_format(e->to, " AND ?%u", add_text(e, to));
}

static void
emit_cidr(struct emitter *e, struct filter_node *n)
{
	emit_network(e, n->child[1]);
}

static bool
is_network(const struct filter_node *n)
{
	return n->kind == NODE_LITERAL && n->type == FILTER_TYPE_STRING &&
	       strchr(n->text, '/');
}

/* The elements, but networks of addresses, which follow with OR. */
static void
emit_in_list(struct emitter *e, struct filter_node *n)
{
	struct filter_node *a = n->child[0], *first = n->child[1]->child[0];
	bool address = a->type == FILTER_TYPE_IP && e->hole;
	const char *separator = "";

	e->nocase = is_nocase(a, NULL);
	emit_operand(e, a);
	text(e, " IN (");
	for (struct filter_node *b = first; b; b = b->next) {
		if (address && is_network(b))
			continue;
		text(e, separator);
		emit_operand(e, b);
		separator = ", ";
	}
	text(e, ")");
	e->nocase = false;
	for (struct filter_node *b = first; b; b = b->next) {
		if (!address || !is_network(b))
			continue;
		text(e, " OR ");
		emit_network(e, b);
	}
}

/* "value" in a list: a line of its text. */
static void
emit_in_field(struct emitter *e, struct filter_node *n)
{
	text(e, "instr(char(10) || lower(");
	emit(e, n->child[1]);
	text(e, ") || char(10), char(10) || lower(");
	emit(e, n->child[0]);
	text(e, ") || char(10)) > 0");
}

static void
emit_method_test(struct emitter *e, struct filter_node *n)
{
	struct filter_node *a = n->child[0], *b = n->child[1];

	e->nocase = is_nocase(a, b);
	if (n->method == METHOD_MATCHES) {
		e->nocase = false;
		text(e, "pattern_match(");
		emit_operand(e, a);
		text(e, ", ");
		emit_operand(e, b);
		text(e, ")");
	} else if (n->method == METHOD_ENDS_WITH) {
		text(e, "text_ends_with(");
		emit_operand(e, a);
		text(e, ", ");
		emit_operand(e, b);
		text(e, ")");
	} else {
		text(e, "instr(");
		emit_operand(e, a);
		text(e, ", ");
		emit_operand(e, b);
		text(e, n->method == METHOD_CONTAINS ? ") > 0" : ") = 1");
	}
	e->nocase = false;
}

static void
emit_method(struct emitter *e, struct filter_node *n)
{
	if (n->type == FILTER_TYPE_BOOL) {
		emit_test(e, n, lookup_of(n->child[0], n->child[1]),
			  emit_method_test);
		return;
	}
	text(e, n->method == METHOD_SIZE    ? "length("
		: n->method == METHOD_LOWER ? "lower("
					    : "upper(");
	emit(e, n->child[0]);
	text(e, ")");
}

static bool
all_literal(const struct filter_node *list)
{
	for (const struct filter_node *b = list->child[0]; b; b = b->next)
		if (b->kind != NODE_LITERAL)
			return false;
	return true;
}

static void
emit_in(struct emitter *e, struct filter_node *n)
{
	const struct filter_node *a = n->child[0], *b = n->child[1];

	if (b->kind == NODE_LIST)
		emit_test(e, n, is_lookup(a) && all_literal(b) ? a : NULL,
			  emit_in_list);
	else
		emit_test(e, n, lookup_of(a, b), emit_in_field);
}

static void
emit_arithmetic(struct emitter *e, struct filter_node *n)
{
	static const char *const spelled[OP_COUNT] = {
		[OP_ADD] = " + ", [OP_SUBTRACT] = " - ", [OP_MULTIPLY] = " * ",
		[OP_DIVIDE] = " / ", [OP_MODULO] = " % ",
	};
	/* Division by zero is NULL in SQL. */
	bool divides = n->op == OP_DIVIDE || n->op == OP_MODULO;

	if (divides)
		text(e, "coalesce(");
	emit(e, n->child[0]);
	text(e, n->type == FILTER_TYPE_STRING ? " || " : spelled[n->op]);
	emit(e, n->child[1]);
	if (divides)
		text(e, ", 0)");
}

static void
emit_binary(struct emitter *e, struct filter_node *n)
{
	unsigned before = e->symbols;

	enter(e, n, n->op >= OP_ADD ? 7 : 3);
	if (e->f->code)
		return;
	text(e, "(");
	if (n->op == OP_AND || n->op == OP_OR)
		emit_chain(e, n, n->op);
	else if (n->op == OP_IN)
		emit_in(e, n);
	else if (n->op >= OP_ADD)
		emit_arithmetic(e, n);
	else
		emit_test(e, n, lookup_of(n->child[0], n->child[1]),
			  emit_comparison);
	text(e, ")");
	e->symbols = before;
}

static void
emit_has(struct emitter *e, const struct filter_node *n)
{
	const struct filter_node *a = n->child[0];

	if (a->kind == NODE_KEY) {
		emit_key(e, a);
		text(e, " IS NOT NULL");
	} else if (a->of_connection) {
		text(e, "EXISTS (SELECT 1 FROM conns n WHERE n.id = c.conn)");
	} else if (a->field->present) {
		text(e, a->field->present);
	} else if (a->field->lookup) {
		filter_field_raw(e->to, a->field, a->of_connection);
		text(e, " != 0");
	} else {
		emit_field(e, a);
		text(e, a->type == FILTER_TYPE_STRING ||
					a->type == FILTER_TYPE_LIST
				? " != ''" : " != 0");
	}
}

static void
emit_unary(struct emitter *e, struct filter_node *n)
{
	text(e, n->op == OP_NOT ? "(NOT " : "(- ");
	emit(e, n->child[0]);
	text(e, ")");
}

static void
emit_ternary(struct emitter *e, struct filter_node *n)
{
	text(e, "(CASE WHEN ");
	emit(e, n->child[0]);
	text(e, " THEN ");
	emit(e, n->child[1]);
	text(e, " ELSE ");
	emit(e, n->child[2]);
	text(e, " END)");
}

/* A construct that holds symbols while its children are written. */
static void
emit_nested(struct emitter *e, struct filter_node *n, unsigned symbols,
	    void (*write)(struct emitter *, struct filter_node *))
{
	bool nocase = e->nocase;

	enter(e, n, symbols);
	e->nocase = false;
	if (!e->f->code)
		write(e, n);
	e->nocase = nocase;
	e->symbols -= symbols;
}

static void
emit_map_get(struct emitter *e, struct filter_node *n)
{
	text(e, "coalesce(");
	emit_key(e, n->child[0]);
	text(e, ", ");
	emit(e, n->child[1]);
	text(e, ")");
}

static void
emit_presence(struct emitter *e, struct filter_node *n)
{
	text(e, "(");
	emit_has(e, n);
	text(e, ")");
}

static void
emit(struct emitter *e, struct filter_node *n)
{
	switch (n->kind) {
	case NODE_LITERAL:
		emit_literal(e, n);
		break;
	case NODE_FIELD:
		emit_field(e, n);
		break;
	case NODE_KEY:
		text(e, "coalesce(");
		emit_key(e, n);
		text(e, ", '')");
		break;
	case NODE_UNARY:
		emit_nested(e, n, 3, emit_unary);
		break;
	case NODE_BINARY:
		emit_nested(e, n, 0, emit_binary);
		break;
	case NODE_TERNARY:
		emit_nested(e, n, 8, emit_ternary);
		break;
	case NODE_METHOD:
		emit_nested(e, n, 6, emit_method);
		break;
	case NODE_HAS:
		emit_nested(e, n, 1, emit_presence);
		break;
	case NODE_MAP_GET:
		emit_nested(e, n, 6, emit_map_get);
		break;
	case NODE_CIDR:
		emit_test(e, n, n->child[0], emit_cidr);
		break;
	case NODE_LIST: /* written by emit_in_list */
		assert(n->kind != NODE_LIST);
		break;
	}
}

/* Which way round a comparison reads with its sides exchanged. */
static enum filter_operator
mirrored(enum filter_operator op)
{
	switch ((int)op) {
	case OP_LT:
		return OP_GT;
	case OP_LE:
		return OP_GE;
	case OP_GT:
		return OP_LT;
	case OP_GE:
		return OP_LE;
	default:
		return op;
	}
}

/* `field op literal` over zones; false when zones know nothing of it. */
static bool
zone_number(struct emitter *e, const struct filter_node *field,
	    enum filter_operator op, const struct filter_node *literal)
{
	const char *min = field->field->min, *max = field->field->max;
	unsigned p = literal->parameter;

	if (op == OP_EQ && field->field->mask)
		buf_format(e->to, "(%s >> (?%u %% 63) & 1)",
			   field->field->mask, p);
	else if (op == OP_EQ && min && max)
		buf_format(e->to, "(%s <= ?%u AND %s >= ?%u)", min, p, max, p);
	else if ((op == OP_GT || op == OP_GE || op == OP_EQ) && max)
		buf_format(e->to, "%s %s ?%u", max, op == OP_GT ? ">" : ">=",
			   p);
	else if ((op == OP_LT || op == OP_LE) && min)
		buf_format(e->to, "%s %s ?%u", min, op == OP_LT ? "<" : "<=",
			   p);
	else
		return false;
	return true;
}

/* A test of an interned field can hold nowhere when no text passes it. */
static bool
zone_lookup(struct emitter *e, struct filter_node *n,
	    const struct filter_node *field,
	    void (*test)(struct emitter *, struct filter_node *))
{
	char table[32], column[32];

	if (!field || field->of_connection)
		return false;
	filter_field_lookup(field->field, table, column);
	buf_format(e->to, "EXISTS (SELECT 1 FROM %s t WHERE ", table);
	e->hole = field;
	test(e, n);
	e->hole = NULL;
	text(e, ")");
	return true;
}

static bool
zone_comparison(struct emitter *e, struct filter_node *n)
{
	const struct filter_node *a = n->child[0], *b = n->child[1];

	if (n->op == OP_EQ && lookup_of(a, b))
		return zone_lookup(e, n, lookup_of(a, b), emit_comparison);
	if (a->kind == NODE_FIELD && b->kind == NODE_LITERAL)
		return zone_number(e, a, n->op, b);
	if (b->kind == NODE_FIELD && a->kind == NODE_LITERAL)
		return zone_number(e, b, mirrored(n->op), a);
	return false;
}

static bool
zone_in(struct emitter *e, struct filter_node *n)
{
	const struct filter_node *a = n->child[0], *list = n->child[1];
	const char *separator = "(";

	if (list->kind != NODE_LIST || !all_literal(list) ||
	    a->kind != NODE_FIELD)
		return false;
	if (is_lookup(a))
		return zone_lookup(e, n, a, emit_in_list);
	if (!a->field->max)
		return false;
	for (const struct filter_node *b = list->child[0]; b; b = b->next) {
		text(e, separator);
		(void)zone_number(e, a, OP_EQ, b);
		separator = " OR ";
	}
	text(e, ")");
	return true;
}

static bool zone(struct emitter *e, struct filter_node *n);

/* Of AND one known side is enough, of OR both must be known. */
static bool
zone_logic(struct emitter *e, struct filter_node *n)
{
	size_t start = e->to->size, middle;
	bool left, right;

	text(e, "(");
	left = zone(e, n->child[0]);
	if (!left && n->op == OP_OR) {
		e->to->size = start;
		return false;
	}
	middle = e->to->size;
	if (left)
		text(e, n->op == OP_AND ? " AND " : " OR ");
	right = zone(e, n->child[1]);
	if (!right && (n->op == OP_OR || !left)) {
		e->to->size = start;
		return false;
	}
	if (!right)
		e->to->size = middle;
	text(e, ")");
	return true;
}

/* Writes what a zone must be for `n` to hold in it; false: nothing known. */
static bool
zone(struct emitter *e, struct filter_node *n)
{
	if (n->kind == NODE_FIELD && n->field->zone) {
		text(e, n->field->zone);
		return true;
	}
	if (n->kind == NODE_METHOD && n->type == FILTER_TYPE_BOOL)
		return zone_lookup(e, n, lookup_of(n->child[0], n->child[1]),
				   emit_method_test);
	if (n->kind == NODE_CIDR)
		return zone_lookup(e, n, n->child[0], emit_cidr);
	if (n->kind != NODE_BINARY)
		return false;
	if (n->op == OP_AND || n->op == OP_OR)
		return zone_logic(e, n);
	if (n->op == OP_IN)
		return zone_in(e, n);
	return n->op >= OP_EQ && n->op <= OP_GE && zone_comparison(e, n);
}

bool
filter_emit(struct filter *f, struct filter_node *node,
	    unsigned first_parameter, struct filter_sql *out)
{
	struct emitter e = { .f = f, .out = out, .to = &out->where,
			     .first_parameter = first_parameter };

	emit(&e, node);
	e.to = &out->zone;
	if (!f->code && (f->subject != FILTER_CALLS || e.terms > ZONE_TERMS ||
			 !zone(&e, node)))
		text(&e, "1");
	if (!f->code && (out->where.failed || out->zone.failed))
		filter_fail(f, 0, "the filter is too long");
	return !f->code;
}
