/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/identity/samples.h"

/* Written by hand after the layout in identity_block.h. */
static const uint8_t socket_body[] =
	"\xd9\x7e\0\0" /* 32473 */
	"aftertap"
	"\2\0" /* socket */
	"\1\0" /* version */
	"\x2a\0\0\0\0\0\0\0" /* cookie */
	"\7\0\0\0\0\0\0\0"   /* process */
	"\4\0\0\0"           /* thread */
	"\6\0\2"             /* TCP, not listening, iterator */
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1"
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\2"
	"\x50\0" /* 80 */
	"\x40\x9c" /* 40000 */
	"\0\0\0\xf0\0\0\0\0" /* 4026531840 */
	"\x64\0\0\0\0\0\0\0" /* from 100 */
	"\0\0\0\0\0\0\0\0"
	"\1\0\0\0\0\0\0\0"; /* namespace cookie */

static void
test_socket_layout(void **state)
{
	struct identity_socket s = sample_socket(42, 7, 80, 40000);
	struct identity_block block;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	identity_encode_socket(&out, &s);
	assert_int_equal(out.size, sizeof(socket_body) - 1);
	assert_memory_equal(out.data, socket_body, out.size);
	assert_true(identity_decode(buf_view(&out), &block));
	assert_int_equal(block.kind, IDENTITY_SOCKET);
	assert_int_equal(block.socket.cookie, 42);
	assert_int_equal(block.socket.remote_port, 40000);
	assert_int_equal(block.socket.netns_cookie, 1);
	assert_memory_equal(block.socket.remote, s.remote, 16);
	buf_free(&out);
}

static void
test_process_round_trip(void **state)
{
	struct identity_process p = sample_process(9, 1234, "nginx");
	struct identity_block block;
	struct buf out;

	(void)state;
	p.to_ns = 5000;
	p.pod = bytes_of("web-0");
	p.kubernetes_mechanism = bytes_of("log directory");
	buf_init(&out, 4096);
	identity_encode_process(&out, &p);
	assert_true(identity_decode(buf_view(&out), &block));
	assert_int_equal(block.kind, IDENTITY_PROCESS);
	assert_int_equal(block.process.id, 9);
	assert_int_equal(block.process.pid, 1234);
	assert_int_equal(block.process.uid, 33);
	assert_int_equal(block.process.to_ns, 5000);
	assert_int_equal(block.process.cgroup, 25);
	assert_true(bytes_equal(block.process.name, bytes_of("nginx")));
	assert_true(bytes_equal(block.process.executable, p.executable));
	assert_true(bytes_equal(block.process.cgroup_path, p.cgroup_path));
	assert_int_equal(block.process.container.size, 0);
	assert_true(bytes_equal(block.process.pod, bytes_of("web-0")));
	assert_true(bytes_equal(block.process.kubernetes_mechanism,
				bytes_of("log directory")));
	buf_free(&out);
}

/* Every cut is refused; what a later version appends is not. */
static void
test_cut_and_longer(void **state)
{
	struct identity_process p = sample_process(9, 1234, "nginx");
	struct identity_block block;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	identity_encode_process(&out, &p);
	for (size_t size = 0; size < out.size; size++)
		assert_false(identity_decode(bytes_make(out.data, size),
					     &block));
	buf_le64(&out, 77);
	assert_true(identity_decode(buf_view(&out), &block));
	for (size_t size = 0; size < sizeof(socket_body) - 1; size++)
		assert_false(identity_decode(bytes_make(socket_body, size),
					     &block));
	buf_free(&out);
}

static void
test_foreign(void **state)
{
	uint8_t body[sizeof(socket_body)];
	struct identity_block block;
	struct bytes in;

	(void)state;
	memcpy(body, socket_body, sizeof(body));
	in = bytes_make(body, sizeof(body) - 1);
	body[0] ^= 1; /* another enterprise */
	assert_false(identity_decode(in, &block));
	memcpy(body, socket_body, sizeof(body));
	body[4] = 'b'; /* another user of the same number */
	assert_false(identity_decode(in, &block));
	memcpy(body, socket_body, sizeof(body));
	body[12] = 3; /* a kind of later times */
	assert_false(identity_decode(in, &block));
	memcpy(body, socket_body, sizeof(body));
	body[38] = 99; /* no mechanism */
	assert_false(identity_decode(in, &block));
}

static void
test_long_string_is_cut(void **state)
{
	static uint8_t path[IDENTITY_STRING_MAX + 100];
	struct identity_process p = sample_process(9, 1234, "nginx");
	struct identity_block block;
	struct buf out;

	(void)state;
	memset(path, 'a', sizeof(path));
	p.executable = bytes_make(path, sizeof(path));
	buf_init(&out, 16384);
	identity_encode_process(&out, &p);
	assert_true(identity_decode(buf_view(&out), &block));
	assert_int_equal(block.process.executable.size, IDENTITY_STRING_MAX);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socket_layout),
		cmocka_unit_test(test_process_round_trip),
		cmocka_unit_test(test_cut_and_longer),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_long_string_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
