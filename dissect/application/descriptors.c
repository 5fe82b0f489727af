/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/application/descriptors.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "dissect/application/protobuf.h"

#define MEMORY_MAX     (8u << 20) /* of each kind of thing */
#define NAME_MAX_SIZE  512        /* of a full name */
#define LABEL_MAX      128        /* of a field or a value of an enum */
#define NESTING_MAX    32
#define SCOPES_MAX     (2 * NESTING_MAX) /* that a name is looked for in */
#define LABEL_REPEATED 3

/* How types and methods begin. */
struct named {
	struct bytes name;
	uint32_t rank;
};

struct type {
	struct named is;
	uint32_t first, count; /* in fields, or in values */
	bool is_enum;
};

struct member {
	struct descriptor_field known;
	struct bytes type_name;
};

struct value {
	int32_t number;
	struct bytes name;
};

struct method {
	struct named is;
	struct bytes request_name, response_name;
	uint32_t request, response;
};

struct descriptors {
	struct arena memory; /* names and what they came in */
	struct buf types, fields, values, methods; /* of those */
	uint32_t rank; /* of what is added */
};

struct descriptors *
descriptors_new(void)
{
	struct descriptors *d = alloc_zero(1, sizeof(*d));

	arena_init(&d->memory, MEMORY_MAX);
	buf_init(&d->types, MEMORY_MAX);
	buf_init(&d->fields, MEMORY_MAX);
	buf_init(&d->values, MEMORY_MAX);
	buf_init(&d->methods, MEMORY_MAX);
	return d;
}

void
descriptors_free(struct descriptors *d)
{
	if (!d)
		return;
	arena_free(&d->memory);
	buf_free(&d->types);
	buf_free(&d->fields);
	buf_free(&d->values);
	buf_free(&d->methods);
	free(d);
}

#define ITEMS(buffer, kind) ((struct kind *)(void *)(buffer).data)
#define COUNT(buffer, kind) ((buffer).size / sizeof(struct kind))

/* Reading. */

/* The first value of a field that is bytes, empty when it is not there. */
static struct bytes
bytes_of_field(struct bytes in, uint32_t number)
{
	struct reader r = reader_make(in);
	struct protobuf_field f;

	while (protobuf_next(&r, &f))
		if (f.number == number && f.wire == PROTOBUF_BYTES)
			return f.bytes;
	return bytes_make(NULL, 0);
}

/* "scope.name"; empty when it is too long, or there is no memory. */
static struct bytes
join(struct descriptors *d, struct bytes scope, char between, struct bytes name)
{
	size_t size = scope.size + (scope.size > 0) + name.size;
	uint8_t *out = NULL;

	if (name.size && size <= NAME_MAX_SIZE)
		out = arena_alloc(&d->memory, size);
	if (!out)
		return bytes_make(NULL, 0);
	if (scope.size) {
		memcpy(out, scope.data, scope.size);
		out[scope.size] = (uint8_t)between;
	}
	memcpy(out + size - name.size, name.data, name.size);
	return bytes_make(out, size);
}

/* FieldDescriptorProto */
static bool
add_field(struct descriptors *d, struct bytes in)
{
	struct member field = { .known = { .type = DESCRIPTORS_NONE } };
	struct reader r = reader_make(in);
	struct protobuf_field f;

	while (protobuf_next(&r, &f)) {
		if (f.number == 1)
			field.known.name = f.bytes;
		else if (f.number == 3)
			field.known.number = (uint32_t)f.value;
		else if (f.number == 4)
			field.known.repeated = f.value == LABEL_REPEATED;
		else if (f.number == 5 && f.value < DESCRIPTOR_KINDS)
			field.known.kind = (enum descriptor_kind)f.value;
		else if (f.number == 6)
			field.type_name = f.bytes;
	}
	if (r.failed || !field.known.kind || !field.known.name.size ||
	    field.known.name.size > LABEL_MAX)
		return false;
	buf_append(&d->fields, &field, sizeof(field));
	return true;
}

/* EnumValueDescriptorProto */
static bool
add_value(struct descriptors *d, struct bytes in)
{
	struct value value = { .number = 0 };
	struct reader r = reader_make(in);
	struct protobuf_field f;

	while (protobuf_next(&r, &f)) {
		if (f.number == 1)
			value.name = f.bytes;
		else if (f.number == 2)
			value.number = (int32_t)f.value;
	}
	if (r.failed || !value.name.size || value.name.size > LABEL_MAX)
		return false;
	buf_append(&d->values, &value, sizeof(value));
	return true;
}

/* EnumDescriptorProto */
static bool
add_enum(struct descriptors *d, struct bytes scope, struct bytes in)
{
	struct reader r = reader_make(in);
	struct protobuf_field f;
	struct type type = {
		.is = { join(d, scope, '.', bytes_of_field(in, 1)), d->rank },
		.first = (uint32_t)COUNT(d->values, value),
		.is_enum = true,
	};

	while (protobuf_next(&r, &f))
		if (f.number == 2 && !add_value(d, f.bytes))
			return false;
	if (r.failed || !type.is.name.size)
		return false;
	type.count = (uint32_t)COUNT(d->values, value) - type.first;
	buf_append(&d->types, &type, sizeof(type));
	return true;
}

/* DescriptorProto without the types inside. */
static bool
add_fields(struct descriptors *d, struct bytes name, struct bytes in)
{
	struct reader r = reader_make(in);
	struct protobuf_field f;
	struct type type = {
		.is = { name, d->rank },
		.first = (uint32_t)COUNT(d->fields, member),
	};

	while (protobuf_next(&r, &f))
		if (f.number == 2 && !add_field(d, f.bytes))
			return false;
	type.count = (uint32_t)COUNT(d->fields, member) - type.first;
	buf_append(&d->types, &type, sizeof(type));
	return !r.failed;
}

/* DescriptorProto */
static bool
add_message(struct descriptors *d, struct bytes scope, struct bytes in,
	    unsigned depth)
{
	struct bytes name = join(d, scope, '.', bytes_of_field(in, 1));
	struct reader r = reader_make(in);
	struct protobuf_field f;

	if (!name.size || depth > NESTING_MAX || !add_fields(d, name, in))
		return false;
	while (protobuf_next(&r, &f)) {
		if (f.number == 3 && !add_message(d, name, f.bytes, depth + 1))
			return false;
		if (f.number == 4 && !add_enum(d, name, f.bytes))
			return false;
	}
	return !r.failed;
}

/* MethodDescriptorProto */
static bool
add_method(struct descriptors *d, struct bytes service, struct bytes in)
{
	struct method method = {
		.is = { join(d, service, '/', bytes_of_field(in, 1)),
			d->rank },
		.request_name = bytes_of_field(in, 2),
		.response_name = bytes_of_field(in, 3),
		.request = DESCRIPTORS_NONE,
		.response = DESCRIPTORS_NONE,
	};

	if (!method.is.name.size)
		return false;
	buf_append(&d->methods, &method, sizeof(method));
	return true;
}

/* ServiceDescriptorProto */
static bool
add_service(struct descriptors *d, struct bytes scope, struct bytes in)
{
	struct bytes name = join(d, scope, '.', bytes_of_field(in, 1));
	struct reader r = reader_make(in);
	struct protobuf_field f;

	if (!name.size)
		return false;
	while (protobuf_next(&r, &f))
		if (f.number == 2 && !add_method(d, name, f.bytes))
			return false;
	return !r.failed;
}

static bool
add_file(struct descriptors *d, struct bytes in)
{
	struct bytes package = bytes_of_field(in, 2);
	struct reader r = reader_make(in);
	struct protobuf_field f;
	bool good = bytes_of_field(in, 1).size > 0;

	while (good && protobuf_next(&r, &f)) {
		if (f.number == 4)
			good = add_message(d, package, f.bytes, 0);
		else if (f.number == 5)
			good = add_enum(d, package, f.bytes);
		else if (f.number == 6)
			good = add_service(d, package, f.bytes);
	}
	return good && !r.failed && !d->types.failed && !d->fields.failed &&
	       !d->values.failed && !d->methods.failed;
}

/* What is kept must not go away with the caller's bytes. */
static bool
keep(struct descriptors *d, struct bytes *in)
{
	uint8_t *copy = in->size ? arena_alloc(&d->memory, in->size) : NULL;

	if (!copy)
		return false;
	memcpy(copy, in->data, in->size);
	in->data = copy;
	return true;
}

bool
descriptors_add_file(struct descriptors *d, struct bytes in)
{
	return keep(d, &in) && add_file(d, in);
}

bool
descriptors_add_set(struct descriptors *d, struct bytes in)
{
	struct protobuf_field f;
	struct reader r;
	bool any = false;

	if (!keep(d, &in))
		return false;
	r = reader_make(in);
	while (protobuf_next(&r, &f)) {
		if (f.number != 1 || f.wire != PROTOBUF_BYTES ||
		    !add_file(d, f.bytes))
			return false;
		any = true;
	}
	return any && !r.failed;
}

void
descriptors_rank(struct descriptors *d)
{
	d->rank++;
}

/* Names. */

static int
compare_names(struct bytes a, struct bytes b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size ? memcmp(a.data, b.data, size) : 0;

	if (order)
		return order;
	return a.size < b.size ? -1 : a.size > b.size;
}

static int
compare_named(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int order = compare_names(a->name, b->name);

	if (order)
		return order;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

/* With a name; every item that has one begins with it. */
static int
compare_with_name(const void *name, const void *item)
{
	const struct bytes *a = name;
	const struct named *b = item;

	return compare_names(*a, b->name);
}

/* Sorts by name.  Of several of one name that say the same one stays; of those
 * that do not, none: whose is meant is not known.  Only the first rank that
 * has the name counts. */
static void
sort_named(struct descriptors *d, struct buf *items, size_t item_size,
	   bool (*is_same)(const struct descriptors *d, const void *left,
			   const void *right))
{
	size_t count = items->size / item_size, kept = 0, next;

	if (count)
		qsort(items->data, count, item_size, compare_named);
	for (size_t i = 0; i < count; i = next) {
		const uint8_t *item = items->data + i * item_size;
		bool same = true;

		for (next = i + 1; next < count; next++) {
			const uint8_t *other = items->data + next * item_size;

			if (compare_with_name(item, other))
				break;
			same &= compare_named(item, other) ||
				is_same(d, item, other);
		}
		if (same)
			memmove(items->data + kept++ * item_size, item,
				item_size);
	}
	items->size = kept * item_size;
}

/* The index of the item of that name, or NONE. */
static uint32_t
find_named(const struct buf *items, size_t item_size, struct bytes name)
{
	const uint8_t *found = NULL;

	if (items->size)
		found = bsearch(&name, items->data, items->size / item_size,
				item_size, compare_with_name);
	return found ? (uint32_t)((size_t)(found - items->data) / item_size)
		     : DESCRIPTORS_NONE;
}

/* The scope that this one is in, empty at the root. */
static struct bytes
outer_scope(struct bytes scope)
{
	while (scope.size && scope.data[scope.size - 1] != '.')
		scope.size--;
	scope.size -= scope.size > 0;
	return scope;
}

/* "Item" in the scope "shop.Order" is "shop.Order.Item", else "shop.Item", else
 * "Item", as in C++ (descriptor.proto, FieldDescriptorProto.type_name). */
static uint32_t
find_in_scopes(const struct descriptors *d, struct bytes scope,
	       struct bytes name)
{
	uint8_t whole[NAME_MAX_SIZE];
	uint32_t type = DESCRIPTORS_NONE;

	for (unsigned i = 0; i < SCOPES_MAX && type == DESCRIPTORS_NONE; i++) {
		size_t size = scope.size + (scope.size > 0);

		if (size + name.size <= sizeof(whole)) {
			memcpy(whole, scope.data, scope.size);
			whole[scope.size] = '.';
			memcpy(whole + size, name.data, name.size);
			type = find_named(&d->types, sizeof(struct type),
					  bytes_make(whole, size + name.size));
		}
		if (!scope.size)
			break;
		scope = outer_scope(scope);
	}
	return type;
}

/* ".shop.Cart" is a whole name; without the dot it is one in a scope. */
static uint32_t
find_type(const struct descriptors *d, struct bytes scope, struct bytes name,
	  bool is_enum)
{
	uint32_t type;

	if (!name.size)
		return DESCRIPTORS_NONE;
	if (name.data[0] == '.')
		type = find_named(&d->types, sizeof(struct type),
				  bytes_from(name, 1));
	else
		type = find_in_scopes(d, scope, name);
	if (type != DESCRIPTORS_NONE &&
	    ITEMS(d->types, type)[type].is_enum != is_enum)
		return DESCRIPTORS_NONE;
	return type;
}

static int
compare_numbers(const void *left, const void *right)
{
	const struct member *a = left, *b = right;

	return a->known.number < b->known.number   ? -1
	       : a->known.number > b->known.number ? 1
						   : 0;
}

static int
compare_values(const void *left, const void *right)
{
	const struct value *a = left, *b = right;

	return a->number < b->number ? -1 : a->number > b->number;
}

static void
sort_members(struct descriptors *d, const struct type *type)
{
	if (!type->count)
		return;
	if (type->is_enum)
		qsort(ITEMS(d->values, value) + type->first, type->count,
		      sizeof(struct value), compare_values);
	else
		qsort(ITEMS(d->fields, member) + type->first, type->count,
		      sizeof(struct member), compare_numbers);
}

static bool
is_same_field(const struct member *a, const struct member *b)
{
	return a->known.number == b->known.number &&
	       a->known.kind == b->known.kind &&
	       a->known.repeated == b->known.repeated &&
	       bytes_equal(a->known.name, b->known.name) &&
	       bytes_equal(a->type_name, b->type_name);
}

static bool
is_same_value(const struct value *a, const struct value *b)
{
	return a->number == b->number && bytes_equal(a->name, b->name);
}

/* Of types whose members are sorted. */
static bool
is_same_type(const struct descriptors *d, const void *left, const void *right)
{
	const struct member *fields = ITEMS(d->fields, member);
	const struct value *values = ITEMS(d->values, value);
	const struct type *a = left, *b = right;
	bool same = a->is_enum == b->is_enum && a->count == b->count;

	for (uint32_t i = 0; same && i < a->count; i++)
		same = a->is_enum ? is_same_value(&values[a->first + i],
						  &values[b->first + i])
				  : is_same_field(&fields[a->first + i],
						  &fields[b->first + i]);
	return same;
}

static bool
is_same_method(const struct descriptors *d, const void *left,
	       const void *right)
{
	const struct method *a = left, *b = right;

	(void)d;
	return bytes_equal(a->request_name, b->request_name) &&
	       bytes_equal(a->response_name, b->response_name);
}

static void
link_fields(struct descriptors *d, const struct type *type)
{
	struct member *fields = ITEMS(d->fields, member);

	for (uint32_t i = 0; i < type->count && !type->is_enum; i++) {
		struct member *f = &fields[type->first + i];

		f->known.type = find_type(d, type->is.name, f->type_name,
					  f->known.kind == DESCRIPTOR_ENUM);
	}
}

static void
link_method(struct descriptors *d, struct method *m)
{
	const uint8_t *slash = memchr(m->is.name.data, '/', m->is.name.size);
	struct bytes service = m->is.name;

	if (slash)
		service.size = (size_t)(slash - service.data);
	m->request = find_type(d, service, m->request_name, false);
	m->response = find_type(d, service, m->response_name, false);
}

void
descriptors_link(struct descriptors *d)
{
	for (size_t i = 0; i < COUNT(d->types, type); i++)
		sort_members(d, &ITEMS(d->types, type)[i]);
	sort_named(d, &d->types, sizeof(struct type), is_same_type);
	sort_named(d, &d->methods, sizeof(struct method), is_same_method);
	for (size_t i = 0; i < COUNT(d->types, type); i++)
		link_fields(d, &ITEMS(d->types, type)[i]);
	for (size_t i = 0; i < COUNT(d->methods, method); i++)
		link_method(d, &ITEMS(d->methods, method)[i]);
}

/* Asking. */

bool
descriptors_method(const struct descriptors *d, struct bytes method,
		   uint32_t *request, uint32_t *response)
{
	uint32_t index = find_named(&d->methods, sizeof(struct method), method);
	const struct method *m = ITEMS(d->methods, method);

	if (index == DESCRIPTORS_NONE)
		return false;
	*request = m[index].request;
	*response = m[index].response;
	return true;
}

const struct descriptor_field *
descriptors_field(const struct descriptors *d, uint32_t type, uint32_t number)
{
	const struct type *t = &ITEMS(d->types, type)[type];
	const struct member wanted = { .known = { .number = number } };
	const struct member *found = NULL;

	if (t->count && !t->is_enum)
		found = bsearch(&wanted, ITEMS(d->fields, member) + t->first,
				t->count, sizeof(wanted), compare_numbers);
	return found ? &found->known : NULL;
}

struct bytes
descriptors_enum_name(const struct descriptors *d, uint32_t type, int32_t value)
{
	const struct value wanted = { .number = value };
	const struct value *found = NULL;
	const struct type *t;

	if (type == DESCRIPTORS_NONE)
		return bytes_make(NULL, 0);
	t = &ITEMS(d->types, type)[type];
	if (t->count && t->is_enum)
		found = bsearch(&wanted, ITEMS(d->values, value) + t->first,
				t->count, sizeof(wanted), compare_values);
	return found ? found->name : bytes_make(NULL, 0);
}
