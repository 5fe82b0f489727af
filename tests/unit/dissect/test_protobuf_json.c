/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that have more in them than is shown: what is written is JSON, by
 * another's reader, and says how much is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "dissect/application/protobuf_json.h"
#include "tests/support/protos.h"

/* The message in `b` as JSON; it must be one that is not longer than said. */
static json_t *
shown(const struct buf *b, const struct descriptors *d, uint32_t type)
{
	struct json_writer writer;
	struct buf text;
	json_t *json;

	buf_init(&text, 1u << 20);
	json_writer_to(&writer, &text);
	assert_true(protobuf_json(buf_view(b), d, type, &writer));
	json_writer_flush(&writer);
	assert_true(text.size <= PROTOBUF_JSON_MAX);
	json = json_loadb((const char *)text.data, text.size, 0, NULL);
	assert_non_null(json);
	buf_free(&text);
	return json;
}

static struct bytes
text_of(char *room, size_t size)
{
	memset(room, 'x', size);
	return bytes_make(room, size);
}

/* Fields that fill what may be shown to within a name, byte by byte. */
static void
names_at_the_end(void **state)
{
	char room[4096];
	struct buf b;

	(void)state;
	for (size_t size = 3900; size < 4000; size++) {
		size_t said = 0, count = 0;
		json_t *json, *value;
		const char *name;

		buf_init(&b, 1u << 20);
		for (uint32_t i = 0; i < 8; i++)
			protos_bytes(&b, 100000000 + i,
				  text_of(room, i < 7 ? 4096 : size));
		protos_bytes(&b, 100000010, bytes_of("the last but one"));
		protos_bytes(&b, 100000011, bytes_of("the last"));
		json = shown(&b, NULL, DESCRIPTORS_NONE);
		json_object_foreach(json, name, value) {
			if (strcmp(name, "...") == 0)
				said = (size_t)json_integer_value(value);
			else
				count++;
		}
		assert_int_equal(count + said, 10);
		json_decref(json);
		buf_free(&b);
	}
}

/* Values of one number, an array, more than is shown. */
static void
elements_are_counted(void **state)
{
	char room[1000];
	struct buf b;
	json_t *json, *array;

	(void)state;
	buf_init(&b, 1u << 20);
	for (int i = 0; i < 100; i++)
		protos_bytes(&b, 1, text_of(room, sizeof(room)));
	json = shown(&b, NULL, DESCRIPTORS_NONE);
	array = json_object_get(json, "1");
	assert_true(json_array_size(array) > 20);
	assert_true(json_array_size(array) < 100);
	assert_int_equal(json_integer_value(json_object_get(json, "...")),
			 100 - json_array_size(array));
	json_decref(json);
	buf_free(&b);
}

/* message M { repeated int32 n = 1; }, as descriptor.proto says it. */
static struct descriptors *
numbers_type(uint32_t *type)
{
	static const char field[] = "\x0a\x01n\x18\x01\x20\x03\x28\x05";
	struct descriptors *d = descriptors_new();
	struct buf message, service, method, file;

	buf_init(&message, 100);
	buf_init(&service, 100);
	buf_init(&method, 100);
	buf_init(&file, 200);
	protos_bytes(&message, 1, bytes_of("M"));
	protos_bytes(&message, 2, bytes_make(field, sizeof(field) - 1));
	protos_bytes(&method, 1, bytes_of("R"));
	protos_bytes(&method, 2, bytes_of(".M"));
	protos_bytes(&method, 3, bytes_of(".M"));
	protos_bytes(&service, 1, bytes_of("S"));
	protos_bytes(&service, 2, buf_view(&method));
	protos_bytes(&file, 1, bytes_of("m.proto"));
	protos_bytes(&file, 4, buf_view(&message));
	protos_bytes(&file, 6, buf_view(&service));
	assert_true(descriptors_add_file(d, buf_view(&file)));
	descriptors_link(d);
	assert_true(descriptors_method(d, bytes_of("S/R"), type, type));
	buf_free(&message);
	buf_free(&service);
	buf_free(&method);
	buf_free(&file);
	return d;
}

static void
packed_numbers_are_counted(void **state)
{
	uint32_t type = DESCRIPTORS_NONE;
	struct descriptors *d = numbers_type(&type);
	struct buf b, packed;
	json_t *json, *array;

	(void)state;
	buf_init(&b, 1u << 20);
	buf_init(&packed, 1u << 20);
	for (int i = 0; i < 50000; i++)
		protos_varint(&packed, 7);
	protos_bytes(&b, 1, buf_view(&packed));
	json = shown(&b, d, type);
	array = json_object_get(json, "n");
	assert_true(json_array_size(array) > 10000);
	assert_true(json_array_size(array) < 50000);
	assert_int_equal(json_integer_value(json_object_get(json, "...")),
			 50000 - json_array_size(array));
	json_decref(json);
	buf_free(&packed);
	buf_free(&b);
	descriptors_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_at_the_end),
		cmocka_unit_test(elements_are_counted),
		cmocka_unit_test(packed_numbers_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
