/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of events, with processes that do not exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/identity/identity_state.h"
#include "capture/identity/identity_table.h"
#include "tests/unit/capture/scratch.h"

/* Above every pid that there can be (PID_MAX_LIMIT, 2^22). */
#define PID 5000000u
#define SECOND 1000000000u
#define MANY 100000u

static char *
log_path(void **state)
{
	return alloc_format("%s/identity.log", (const char *)*state);
}

static struct identity *
open_identity(const char *path, size_t limit)
{
	static const char *const without[] = { "bpf" };
	const struct identity_options options = { .log_path = path,
						  .root = "/nonexistent",
						  .without = without,
						  .without_count = 1,
						  .process_limit = limit,
						  .socket_limit = limit };
	struct identity *i;

	assert_int_equal(identity_open(&options, &i, NULL), 0);
	/* Only what the test says happens from here on. */
	i->next_scan_ns = INT64_MAX;
	return i;
}

static void
process(struct identity *i, uint32_t kind, uint32_t pid, uint64_t start_ns,
	uint64_t time_ns, const char *name)
{
	struct owner_process event = {
		.head = { time_ns, start_ns, kind, pid },
		.parent = 1,
		.uid = 33,
		.netns = 7,
	};

	snprintf(event.name, sizeof(event.name), "%s", name);
	event.path_size = (uint32_t)snprintf(event.path, sizeof(event.path),
					     "%s%cbin%cusr", name, 0, 0) +
			  1;
	identity_on_event(i, &event.head, sizeof(event));
}

static void
ended(struct identity *i, uint32_t pid, uint64_t start_ns, uint64_t time_ns)
{
	struct owner_head event = { time_ns, start_ns, OWNER_EXIT, pid };

	identity_on_event(i, &event, sizeof(event));
}

static struct owner_socket
socket_event(uint64_t cookie, uint32_t pid, uint64_t start_ns,
	     uint64_t time_ns)
{
	struct owner_socket event = {
		.head = { time_ns, start_ns, OWNER_SOCKET, pid },
		.cookie = cookie,
		.since_ns = time_ns,
		.netns_cookie = 1,
		.netns = 7,
		.thread = pid,
		.family = 2,
		.local_port = 40000,
		.remote_port = 80,
		.ip_protocol = 6,
		.state = 1,
		.local = { 10, 0, 0, 1 },
		.remote = { 10, 0, 0, 2 },
	};

	return event;
}

static void
uses(struct identity *i, uint64_t cookie, uint32_t pid, uint64_t start_ns,
     uint64_t time_ns)
{
	struct owner_socket event =
		socket_event(cookie, pid, start_ns, time_ns);

	identity_on_event(i, &event.head, sizeof(event));
}

static void
closed(struct identity *i, uint64_t cookie, uint64_t time_ns)
{
	struct owner_socket event = { .head = { time_ns, 0, OWNER_CLOSED, 0 },
				      .cookie = cookie };

	identity_on_event(i, &event.head, sizeof(event));
}

/* Who had 10.0.0.1:40000 → 10.0.0.2:80 at a monotonic time. */
static const struct identity_process *
owner_at(const struct identity_table *t, int64_t utc)
{
	struct identity_end end = { .netns = 1,
				    .local_port = 40000,
				    .remote_port = 80,
				    .ip_protocol = 6,
				    .local = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
				    .remote = { [10] = 0xff, 0xff, 10, 0, 0,
						2 } };
	const struct identity_socket *found[2];

	if (identity_table_find(t, utc, &end, found) == 0)
		return NULL;
	return identity_table_process(t, found[0]->process);
}

static struct identity_table *
load(const char *path)
{
	struct identity_table *t;

	assert_int_equal(identity_table_load(path, &t, NULL), 0);
	return t;
}

/* The same pid, three programs one after the other, on the same port; the end
 * of the second is not told. */
static void
test_pid_reuse(void **state)
{
	char *path = log_path(state);
	struct identity *i = open_identity(path, 0);
	uint64_t now = (uint64_t)clock_monotonic_ns();
	int64_t utc = i->monotonic_utc + (int64_t)now;
	const struct identity_process *p;
	struct identity_table *t;

	process(i, OWNER_PROCESS, PID, now, now, "first");
	uses(i, 1, PID, now, now + SECOND);
	closed(i, 1, now + 2 * SECOND);
	ended(i, PID, now, now + 3ull * SECOND);
	process(i, OWNER_PROCESS, PID, now + 4ull * SECOND, now + 4ull * SECOND,
		"second");
	uses(i, 2, PID, now + 4ull * SECOND, now + 5ull * SECOND);
	assert_int_equal(identity_dispatch(i, NULL), 0);
	process(i, OWNER_PROCESS, PID, now + 8ull * SECOND, now + 8ull * SECOND,
		"third");
	uses(i, 3, PID, now + 8ull * SECOND, now + 9ull * SECOND);
	identity_close(i);
	t = load(path);
	p = owner_at(t, utc + SECOND + 5);
	assert_true(bytes_equal(p->name, bytes_of("first")));
	assert_true(bytes_equal(p->executable, bytes_of("/usr/bin/first")));
	assert_int_equal(p->pid, PID);
	assert_int_equal(p->uid, 33);
	assert_int_equal(p->to_ns, utc + 3 * (int64_t)SECOND);
	p = owner_at(t, utc + 6 * (int64_t)SECOND);
	assert_true(bytes_equal(p->name, bytes_of("second")));
	/* Its successor's beginning at the latest; clocks differ by little. */
	assert_true(llabs(p->to_ns - utc - 8 * (int64_t)SECOND) < SECOND);
	p = owner_at(t, utc + 10 * (int64_t)SECOND);
	assert_true(bytes_equal(p->name, bytes_of("third")));
	assert_int_equal(p->to_ns, 0);
	identity_table_free(t);
	unlink(path);
	free(path);
}

/* exec: the socket is the new program's from then on. */
static void
test_exec(void **state)
{
	char *path = log_path(state);
	struct identity *i = open_identity(path, 0);
	uint64_t now = (uint64_t)clock_monotonic_ns();
	int64_t utc = i->monotonic_utc + (int64_t)now;
	struct identity_table *t;

	process(i, OWNER_PROCESS, PID, now, now, "shell");
	uses(i, 1, PID, now, now);
	process(i, OWNER_EXEC, PID, now, now + 5ull * SECOND, "server");
	closed(i, 1, now + 9ull * SECOND);
	identity_close(i);
	t = load(path);
	assert_true(bytes_equal(owner_at(t, utc + 1)->name,
				bytes_of("shell")));
	assert_true(bytes_equal(owner_at(t, utc + 6 * (int64_t)SECOND)->name,
				bytes_of("server")));
	identity_table_free(t);
	unlink(path);
	free(path);
}

/* A connection fails after its process has ended: still that process. */
static void
test_late(void **state)
{
	char *path = log_path(state);
	struct identity *i = open_identity(path, 0);
	uint64_t now = (uint64_t)clock_monotonic_ns();
	struct owner_socket event = socket_event(1, PID, now, now);
	struct identity_table *t;

	process(i, OWNER_PROCESS, PID, now, now, "client");
	event.local_port = 0; /* not known when it begins */
	identity_on_event(i, &event.head, sizeof(event));
	ended(i, PID, now, now + SECOND);
	assert_int_equal(identity_dispatch(i, NULL), 0);
	uses(i, 1, PID, now, now + 2 * SECOND);
	closed(i, 1, now + 2 * SECOND);
	identity_close(i);
	t = load(path);
	assert_true(bytes_equal(
		owner_at(t, 0)->name, bytes_of("client")));
	identity_table_free(t);
	unlink(path);
	free(path);
}

/* Events cut short, of unknown kinds, and of impossible content. */
static void
test_hostile(void **state)
{
	char *path = log_path(state);
	struct identity *i = open_identity(path, 0);
	struct owner_process event = {
		.head = { 1, 1, OWNER_PROCESS, PID },
		.path_size = UINT32_MAX,
	};

	memset(event.path, 'x', sizeof(event.path));
	memset(event.name, 'x', sizeof(event.name));
	memset(event.cgroup_name, 'x', sizeof(event.cgroup_name));
	memset(event.cgroup_parent, 'x', sizeof(event.cgroup_parent));
	identity_on_event(i, &event.head, sizeof(event));
	event.path_size = OWNER_PATH_SIZE - 1;
	identity_on_event(i, &event.head, sizeof(event));
	for (uint32_t kind = 0; kind < 9; kind++) {
		event.head.kind = kind;
		identity_on_event(i, &event.head, sizeof(event.head));
	}
	closed(i, 12345, 1);
	assert_int_equal(identity_dispatch(i, NULL), 0);
	identity_close(i);
	unlink(path);
	free(path);
}

static long
resident_kib(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return used.ru_maxrss;
}

/* Many more sockets and processes than are kept: bounded, counted, and all of
 * them in the log. */
static void
test_bounded(void **state)
{
	char *path = log_path(state);
	struct identity *i = open_identity(path, 1000);
	uint64_t now = (uint64_t)clock_monotonic_ns();
	struct identity_table_counts counts;
	struct identity_table *t;
	long before = resident_kib();
	json_t *told, *numbers;

	for (uint32_t n = 0; n < MANY; n++) {
		process(i, OWNER_PROCESS, PID + n, now, now, "many");
		uses(i, n + 1000000, PID + n, now, now);
		if (n % 5000 == 0)
			assert_int_equal(identity_dispatch(i, NULL), 0);
	}
	assert_int_equal(identity_dispatch(i, NULL), 0);
	/* 1,000 of each take less than 1 MiB, what is written 8 at most; a
	 * sanitizer keeps what was freed. */
#ifndef AFTERTAP_SANITIZED
	assert_true(resident_kib() - before < 12 << 10);
#else
	assert_true(resident_kib() >= before);
#endif
	told = identity_describe(i);
	numbers = json_object_get(told, "counts");
	assert_true(scratch_integer(numbers, "sockets") <= 1000);
	assert_true(scratch_integer(numbers, "processes") <= 1000);
	assert_true(scratch_integer(numbers, "forgotten_sockets") >=
		    MANY - 1000);
	assert_int_equal(scratch_integer(numbers, "dropped_entries"), 0);
	json_decref(told);
	identity_close(i);
	t = load(path);
	identity_table_counts(t, &counts);
	assert_true(counts.sockets >= MANY);
	assert_true(counts.processes >= MANY);
	identity_table_free(t);
	unlink(path);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_pid_reuse),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
