/* SPDX-License-Identifier: Apache-2.0 */
/* The object loads: every program of it, alone and together. */
#include "capture/identity/owner_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/identity/identity.h"

#define SKIPPED 77

static void
test_each_program(void **state)
{
	json_t *checks = json_array(), *check;
	size_t index;

	(void)state;
	owner_source_probe(checks);
	assert_int_equal(json_array_size(checks), 8);
	json_array_foreach(checks, index, check) {
		if (!json_is_true(json_object_get(check, "ok")))
			fail_msg("%s: %s",
				 json_string_value(
					 json_object_get(check, "check")),
				 json_string_value(
					 json_object_get(check, "detail")));
	}
	json_decref(checks);
}

static void
ignore(void *context, const struct owner_head *head, size_t size)
{
	size_t *count = context;

	assert_true(head->kind >= OWNER_PROCESS && head->kind <= OWNER_CLOSED);
	assert_true(size >= sizeof(*head));
	++*count;
}

static void
test_together(void **state)
{
	const struct owner_source_options options = { .ring_bytes = 1 << 16 };
	json_t *degraded = json_array();
	struct owner_source *o;
	size_t count = 0;

	(void)state;
	assert_int_equal(owner_source_open(&options, &o, degraded, NULL), 0);
	assert_int_equal(json_array_size(degraded), 0);
	assert_true(owner_source_has(o, "sock_send_length"));
	assert_false(owner_source_has(o, "tcp_rcv_space_adjust"));
	assert_true(owner_source_descriptor(o) >= 0);
	assert_int_equal(owner_source_existing(o, ignore, &count, NULL), 0);
	(void)owner_source_drain(o, ignore, &count);
	owner_source_close(o);
	json_decref(degraded);
}

/* Without the one that everything rests on there is no source. */
static void
test_required(void **state)
{
	static const char *const without[] = { "inet_sock_set_state" };
	const struct owner_source_options options = { .without = without,
						      .without_count = 1,
						      .ring_bytes = 1 << 16 };
	json_t *degraded = json_array();
	struct owner_source *o;
	struct error e;

	(void)state;
	assert_int_equal(owner_source_open(&options, &o, degraded, &e),
			 ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "inet_sock_set_state"));
	assert_int_equal(json_array_size(degraded), 1);
	json_decref(degraded);
}

static void
test_probe(void **state)
{
	json_t *checks = identity_probe(), *check;
	size_t index;

	(void)state;
	json_array_foreach(checks, index, check) {
		bool ok = json_is_true(json_object_get(check, "ok"));
		const char *fix =
			json_string_value(json_object_get(check, "fix"));

		assert_non_null(json_object_get(check, "detail"));
		/* What fails says what to do. */
		assert_true(ok || (fix && *fix));
	}
	assert_true(json_array_size(checks) > 8);
	json_decref(checks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_program),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_probe),
	};

	if (geteuid() != 0 || access("/sys/kernel/btf/vmlinux", R_OK) < 0) {
		puts("SKIPPED: needs root and a kernel with BTF");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
