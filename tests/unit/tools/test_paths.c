/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "server/tools/paths.h"

/*
 * root/
 *   allowed/trace.pcap, allowed/sub/, links: allowed/out → ../outside,
 *   allowed/leak.pcap → ../outside/secret.pcap, allowed/in.pcap → trace.pcap
 *   allowed-too/x.pcap        (a sibling whose name begins alike)
 *   outside/secret.pcap
 *   home/
 */
struct world {
	char *root, *allowed, *home;
	const char *paths[1];
	struct tool_config config;
};

static char *
below(const struct world *w, const char *name)
{
	return alloc_format("%s/%s", w->root, name);
}

static void
touch(const struct world *w, const char *name)
{
	char *path = below(w, name);

	assert_int_equal(file_write_atomic(path, bytes_of("x"), 0600, NULL),
			 0);
	free(path);
}

static void
make_link(const struct world *w, const char *target, const char *name)
{
	char *path = below(w, name);

	assert_int_equal(symlink(target, path), 0);
	free(path);
}

static void
make_dir(const struct world *w, const char *name)
{
	char *path = below(w, name);

	assert_int_equal(mkdir(path, 0700), 0);
	free(path);
}

static int
setup(void **state)
{
	struct world *w = alloc_zero(1, sizeof(*w));
	char template[] = "/tmp/test-paths-XXXXXX";

	w->root = realpath(mkdtemp(template), NULL);
	make_dir(w, "allowed");
	make_dir(w, "allowed/sub");
	make_dir(w, "allowed-too");
	make_dir(w, "outside");
	make_dir(w, "home");
	touch(w, "allowed/trace.pcap");
	touch(w, "allowed-too/x.pcap");
	touch(w, "outside/secret.pcap");
	make_link(w, "../outside", "allowed/out");
	make_link(w, "../outside/secret.pcap", "allowed/leak.pcap");
	make_link(w, "trace.pcap", "allowed/in.pcap");
	make_link(w, "/", "allowed/slash");
	w->allowed = below(w, "allowed");
	w->home = below(w, "home");
	w->paths[0] = w->allowed;
	w->config = (struct tool_config){ .home = w->home,
					  .allowed_paths = w->paths,
					  .allowed_path_count = 1 };
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	file_remove_tree(w->root, NULL);
	free(w->root);
	free(w->allowed);
	free(w->home);
	free(w);
	return 0;
}

static void
files_below_an_allowed_directory_may_be_read(void **state)
{
	static const char *const names[] = { "trace.pcap", "./trace.pcap",
					     "sub/../trace.pcap",
					     "in.pcap" };
	struct world *w = *state;
	char *wanted = below(w, "allowed/trace.pcap"), *path;
	struct error e = { 0 };

	for (size_t i = 0; i < 4; i++) {
		path = paths_readable(&w->config, names[i], &e);
		assert_non_null(path);
		assert_string_equal(path, wanted);
		free(path);
	}
	path = paths_readable(&w->config, wanted, &e);
	assert_non_null(path);
	free(path);
	free(wanted);
}

static void
no_way_leads_out_of_the_allowed_directory(void **state)
{
	static const char *const names[] = {
		"../outside/secret.pcap", "out/secret.pcap", "leak.pcap",
		"/etc/passwd", "../allowed-too/x.pcap", "slash/etc/passwd",
		"/proc/self/root/etc/passwd", "/proc/self/environ",
		"/proc/self/cwd/../etc/passwd", "/dev/stdin", "/dev/zero",
		"", ".", "/", "sub", "missing.pcap", "trace.pcap/",
		"trace.pcap/x", "-", "~/x",
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct error e = { 0 };
		char *path = paths_readable(&w->config, names[i], &e);

		if (path)
			fail_msg("%s gave %s", names[i], path);
		assert_int_equal(e.code, ERR_DENIED);
		assert_non_null(strstr(e.text, "--allow-path"));
	}
}

/* A pipe would block the reader for ever. */
static void
only_regular_files_may_be_read(void **state)
{
	struct world *w = *state;
	char *path = below(w, "allowed/pipe");
	struct error e = { 0 };

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(paths_readable(&w->config, path, &e));
	free(path);
}

static void
whether_a_file_outside_exists_is_not_told(void **state)
{
	struct world *w = *state;
	struct error there = { 0 }, absent = { 0 };
	char *a, *b;

	assert_null(paths_readable(&w->config, "/etc/passwd", &there));
	assert_null(paths_readable(&w->config, "/etc/passwe", &absent));
	a = strstr(there.text, " is not");
	b = strstr(absent.text, " is not");
	assert_string_equal(a, b);
}

static void
without_an_allowed_directory_nothing_is_read(void **state)
{
	struct world *w = *state;
	struct tool_config none = { .home = w->home };
	struct error e = { 0 };
	char *path = below(w, "allowed/trace.pcap");

	assert_null(paths_readable(&none, path, &e));
	assert_int_equal(e.code, ERR_DENIED);
	assert_non_null(strstr(e.text, "--allow-path"));
	free(path);
}

static void
exports_are_written_below_home_or_an_allowed_directory(void **state)
{
	struct world *w = *state;
	char *wanted = below(w, "home/exports/a.pcapng");
	char *direct = below(w, "allowed/sub/b.pcapng"), *path;
	struct error e = { 0 };

	path = paths_writable(&w->config, "a.pcapng", false, &e);
	assert_non_null(path);
	assert_string_equal(path, wanted);
	free(path);
	path = paths_writable(&w->config, wanted, false, &e);
	assert_non_null(path);
	free(path);
	path = paths_writable(&w->config, direct, false, &e);
	assert_non_null(path);
	assert_string_equal(path, direct);
	free(path);
	free(direct);
	free(wanted);
}

static void
exports_are_written_nowhere_else(void **state)
{
	static const char *const names[] = {
		"../x.pcapng", "../../x", "/tmp/x.pcapng", "/etc/cron.d/x",
		"missing/x.pcapng", "..", ".", "a/", "/", "../snapshots/x",
		"/proc/self/root/tmp/x",
	};
	struct world *w = *state;
	char *linked = below(w, "allowed/out/x.pcapng");
	struct error e = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = paths_writable(&w->config, names[i], true, &e);

		if (path)
			fail_msg("%s gave %s", names[i], path);
	}
	assert_null(paths_writable(&w->config, linked, true, &e));
	free(linked);
}

static void
an_existing_file_is_overwritten_only_when_asked(void **state)
{
	struct world *w = *state;
	char *file = below(w, "allowed/trace.pcap");
	char *link = below(w, "allowed/leak.pcap"), *path;
	struct error e = { 0 };

	assert_null(paths_writable(&w->config, file, false, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	assert_non_null(strstr(e.text, "overwrite"));
	path = paths_writable(&w->config, file, true, &e);
	assert_non_null(path);
	free(path);
	assert_null(paths_writable(&w->config, link, true, &e));
	free(link);
	free(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			files_below_an_allowed_directory_may_be_read, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			no_way_leads_out_of_the_allowed_directory, setup,
			teardown),
		cmocka_unit_test_setup_teardown(only_regular_files_may_be_read,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			whether_a_file_outside_exists_is_not_told, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			without_an_allowed_directory_nothing_is_read, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			exports_are_written_below_home_or_an_allowed_directory,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			exports_are_written_nowhere_else, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_existing_file_is_overwritten_only_when_asked, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
