/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as kubelet makes it, and a container engine of the test's own. */
#include "capture/identity/pod_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/identity/container_engine.h"
#include "tests/unit/capture/scratch.h"

#define ID "8b8a4cd1b7d66b1c3a4cd7ee7b1c8e3d2f9a0b1c2d3e4f5061728394a5b6c7d8"
#define OTHER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UID "3d3c9b5e-6b7f-4f0e-9a3c-1c2d3e4f5a6b"
#define HASH "a1b2c3d4e5f60718293a4b5c6d7e8f90"

static void
make(const char *root, const char *path)
{
	char *whole = alloc_format("%s/%s", root, path);

	assert_int_equal(file_make_dirs(whole, NULL), 0);
	free(whole);
}

static void
make_link(const char *root, const char *path)
{
	char *whole = alloc_format("%s/%s", root, path);

	assert_int_equal(symlink("/nowhere", whole), 0);
	free(whole);
}

static bool
is(struct bytes got, const char *expected)
{
	return bytes_equal(got, bytes_of(expected));
}

static void
test_log_directories(void **state)
{
	const char *root = *state;
	struct pod_names *n;
	struct pod_name name;

	make(root, "var/log/pods/shop_web-0_" UID "/nginx");
	make(root, "var/log/pods/shop_web-0_" UID "/sidecar");
	make(root, "var/log/pods/kube-system_etcd-node1_" HASH "/etcd");
	make(root, "var/log/pods/nonsense");
	make(root, "var/log/pods/_a_b");
	make(root, "var/log/containers");
	make_link(root, "var/log/containers/web-0_shop_nginx-" ID ".log");
	make_link(root, "var/log/containers/x_y.log");
	make_link(root, "var/log/containers/a-" OTHER ".log");
	n = pod_names_new(root);
	assert_true(pod_names_has_logs(n));
	assert_false(pod_names_has_engine(n));
	/* By the container's id: everything. */
	assert_true(pod_names_find(n, bytes_of(ID), bytes_of(UID), &name));
	assert_true(is(name.pod, "web-0"));
	assert_true(is(name.pod_namespace, "shop"));
	assert_true(is(name.container, "nginx"));
	assert_true(is(name.pod_uid, UID));
	assert_string_equal(name.mechanism, "log directory");
	/* By the pod alone: two containers, so none is named. */
	assert_true(pod_names_find(n, bytes_of(""), bytes_of(UID), &name));
	assert_true(is(name.pod, "web-0"));
	assert_int_equal(name.container.size, 0);
	/* A static pod with one. */
	assert_true(pod_names_find(n, bytes_of(""), bytes_of(HASH), &name));
	assert_true(is(name.pod, "etcd-node1"));
	assert_true(is(name.pod_namespace, "kube-system"));
	assert_true(is(name.container, "etcd"));
	assert_false(pod_names_find(n, bytes_of(OTHER), bytes_of(""), &name));
	assert_false(pod_names_find(n, bytes_of(""), bytes_of(""), &name));
	pod_names_free(n);
}

/* A pod that comes later is found, after the second that lies between looks. */
static void
test_later_pod(void **state)
{
	const char *root = *state;
	struct pod_names *n = pod_names_new(root);
	struct pod_name name;
	static const char uid[] = "99999999-6b7f-4f0e-9a3c-1c2d3e4f5a6b";
	bool found = false;

	assert_false(pod_names_find(n, bytes_of(""), bytes_of(uid), &name));
	make(root, "var/log/pods/shop_late_99999999-6b7f-4f0e-9a3c-"
		   "1c2d3e4f5a6b/app");
	for (int i = 0; i < 100 && !found; i++) {
		found = pod_names_find(n, bytes_of(""), bytes_of(uid), &name);
		usleep(50000);
	}
	assert_true(found);
	assert_true(is(name.pod, "late"));
	pod_names_free(n);
}

static const char answer[] =
	"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
	"{\"Id\":\"" OTHER "\",\"Config\":{\"Labels\":{"
	"\"io.kubernetes.pod.name\":\"db-1\","
	"\"io.kubernetes.pod.namespace\":\"data\","
	"\"io.kubernetes.pod.uid\":\"" UID "\","
	"\"io.kubernetes.container.name\":\"postgres\"}}}";

static const char question[] = "GET /containers/" OTHER "/json HTTP/1.0\r\n";

/* Answers one question, in a process of its own; 0 when it was the right. */
static pid_t
start_engine(const char *root)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char request[512] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), peer;
	pid_t child;

	snprintf(address.sun_path, sizeof(address.sun_path),
		 "%s/run/docker.sock", root);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address,
			      sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 4), 0);
	child = fork();
	if (child == 0) {
		peer = accept(fd, NULL, NULL);
		(void)!read(peer, request, sizeof(request) - 1);
		(void)!write(peer, answer, sizeof(answer) - 1);
		close(peer);
		_exit(strncmp(request, question, sizeof(question) - 1) != 0);
	}
	close(fd);
	return child;
}

static void
test_engine(void **state)
{
	const char *root = *state;
	struct pod_names *n;
	struct pod_name name;
	pid_t child;
	int status;
	bool found = false;

	make(root, "run");
	child = start_engine(root);
	n = pod_names_new(root);
	assert_true(pod_names_has_engine(n));
	for (int i = 0; i < 100 && !found; i++) {
		found = pod_names_find(n, bytes_of(OTHER), bytes_of(""),
				       &name);
		usleep(20000);
	}
	assert_true(found);
	assert_true(is(name.pod, "db-1"));
	assert_true(is(name.pod_namespace, "data"));
	assert_true(is(name.pod_uid, UID));
	assert_true(is(name.container, "postgres"));
	assert_string_equal(name.mechanism, "container engine");
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* Nobody answers any more: not found, and nothing hangs. */
	assert_false(pod_names_find(n, bytes_of(&ID[1]), bytes_of(""), &name));
	pod_names_free(n);
}

static void
test_labels(void **state)
{
	static const char *const bad[] = { "", "[]", "{", "{\"Config\":3}",
					   "{\"Config\":{\"Labels\":null}}",
					   "{\"Config\":{\"Labels\":{\"a\":1}}}" };
	struct container_labels labels;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(container_labels_parse(bytes_of(bad[i]),
						    &labels));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_directories),
		cmocka_unit_test(test_later_pod),
		cmocka_unit_test(test_engine),
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
