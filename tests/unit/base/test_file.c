/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

/* Every test runs in an empty directory of its own. */
static int
enter_directory(void **state)
{
	static const char pattern[] = "/tmp/aftertap-file-XXXXXX";
	static char directory[sizeof(pattern)];

	memcpy(directory, pattern, sizeof(pattern));
	*state = mkdtemp(directory);
	return *state ? chdir(*state) : -1;
}

static int
leave_directory(void **state)
{
	if (chdir("/") < 0)
		return -1;
	return file_remove_tree(*state, NULL);
}

static mode_t
mode_of(const char *path)
{
	struct stat info;

	assert_int_equal(lstat(path, &info), 0);
	return info.st_mode;
}

static void
assert_contents(const char *path, const char *expected)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(file_read(path, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), expected);
	buf_free(&b);
}

static void
directories_are_made_along_the_way(void **state)
{
	struct error e;

	(void)state;
	umask(0);
	assert_int_equal(file_make_dirs("a/b//c/", &e), 0);
	assert_int_equal(mode_of("a/b/c"), S_IFDIR | 0700);
	assert_int_equal(file_make_dirs("a/b/c", &e), 0);
	assert_int_equal(file_make_dirs("/tmp", &e), 0);
	assert_int_equal(file_write_atomic("f", bytes_of("x"), 0600, &e), 0);
	assert_true(file_make_dirs("f", &e) < 0);
	assert_true(file_make_dirs("f/g", &e) < 0);
}

static void
writing_replaces_the_whole_file_and_leaves_no_other(void **state)
{
	struct error e;

	(void)state;
	umask(077);
	assert_int_equal(file_write_atomic("f", bytes_of("one"), 0644, &e), 0);
	assert_int_equal(mode_of("f"), S_IFREG | 0644);
	assert_contents("f", "one");
	assert_int_equal(file_write_atomic("./f", bytes_of("2"), 0600, &e), 0);
	assert_contents("f", "2");
	assert_int_equal(unlink("f"), 0);
	assert_int_equal(file_write_atomic("no/f", bytes_of("x"), 0600, &e),
			 ERR_NOTFOUND);
	assert_string_equal(e.text,
			    "cannot write \"no/f\": No such file or directory");
	/* rename(2) onto a directory fails; the temporary file is gone. */
	assert_int_equal(mkdir("d", 0700), 0);
	assert_true(file_write_atomic("d", bytes_of("x"), 0600, &e) < 0);
	assert_int_equal(rmdir("d"), 0);
	/* rmdir(2) takes only empty directories. */
	assert_int_equal(rmdir(*state), 0);
	assert_int_equal(mkdir(*state, 0700), 0);
}

static void
reading_is_limited_and_for_regular_files(void **state)
{
	struct error e;
	struct buf b;

	(void)state;
	assert_int_equal(file_write_atomic("f", bytes_of("12345"), 0600, &e),
			 0);
	buf_init(&b, 5);
	buf_text(&b, "old");
	assert_int_equal(file_read("f", &b, &e), 0);
	assert_string_equal(buf_cstr(&b), "12345");
	buf_free(&b);
	buf_init(&b, 4);
	assert_int_equal(file_read("f", &b, &e), ERR_LIMIT);
	assert_string_equal(e.text, "\"f\" is larger than 4 bytes");
	assert_int_equal(file_read(".", &b, &e), ERR_INVALID);
	assert_int_equal(file_read("absent", &b, &e), ERR_NOTFOUND);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_read("fifo", &b, &e), ERR_INVALID);
	buf_free(&b);
	buf_init(&b, 1 << 20);
	assert_int_equal(file_read("/proc/self/status", &b, &e), 0);
	assert_true(b.size > 100); /* though its size in stat is 0 */
	buf_free(&b);
}

static void
a_link_shares_and_a_copy_does_not(void **state)
{
	bool copied = true;
	struct error e;
	struct stat a, b;

	(void)state;
	assert_int_equal(file_write_atomic("f", bytes_of("x"), 0400, &e), 0);
	assert_int_equal(file_link_or_copy("f", "g", &copied, &e), 0);
	assert_false(copied);
	assert_int_equal(stat("f", &a), 0);
	assert_int_equal(stat("g", &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(file_link_or_copy("f", "g", NULL, &e), ERR_EXISTS);
	assert_int_equal(file_link_or_copy("no", "h", NULL, &e), ERR_NOTFOUND);
	/* procfs takes no links, and is another file system */
	assert_int_equal(
		file_link_or_copy("/proc/sys/kernel/ostype", "o", &copied, &e),
		0);
	assert_true(copied);
	assert_contents("o", "Linux\n");
	assert_int_equal(mode_of("o"), S_IFREG | 0444);
	assert_int_equal(
		file_link_or_copy("/proc/sys/kernel/ostype", "o", &copied, &e),
		ERR_EXISTS);
}

static void
removing_a_tree_does_not_follow_links(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(file_make_dirs("tree/a/b/c", &e), 0);
	assert_int_equal(file_make_dirs("outside", &e), 0);
	assert_int_equal(
		file_write_atomic("outside/f", bytes_of("x"), 0600, &e), 0);
	assert_int_equal(file_write_atomic("tree/a/b/g", bytes_of("x"), 0, &e),
			 0);
	assert_int_equal(symlink("../../outside", "tree/a/link"), 0);
	assert_int_equal(symlink("tree", "top"), 0);
	assert_true(file_remove_tree("top", &e) < 0);
	assert_true(file_exists("tree/a/b/g"));
	assert_int_equal(file_remove_tree("tree", &e), 0);
	assert_false(file_exists("tree"));
	assert_true(file_exists("outside/f"));
	assert_true(file_exists("top")); /* dangling is existing */
	assert_int_equal(file_remove_tree("tree", &e), 0);
	assert_true(file_remove_tree("outside/f", &e) < 0);
}

static void
a_tree_too_deep_is_an_error_not_a_crash(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(mkdir("deep", 0700), 0);
	assert_int_equal(chdir("deep"), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(mkdir("d", 0700), 0);
		assert_int_equal(chdir("d"), 0);
	}
	assert_int_equal(chdir(*state), 0);
	assert_int_equal(file_remove_tree("deep", &e), ERR_IO);
	/* for the teardown: shorten it from the middle */
	assert_int_equal(rename("deep/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/"
				"d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/"
				"d/d/d/d/d/d/d/d/d/d/d",
				"half"),
			 0);
	assert_int_equal(file_remove_tree("deep", &e), 0);
}

static void
renaming_never_replaces(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(file_make_dirs("a/x", &e), 0);
	assert_int_equal(file_make_dirs("b", &e), 0);
	assert_int_equal(file_rename_new("a", "b", &e), ERR_EXISTS);
	assert_int_equal(file_rename_new("a", "c", &e), 0);
	assert_true(file_exists("c/x"));
	assert_int_equal(file_rename_new("a", "d", &e), ERR_NOTFOUND);
}

static void
a_full_device_is_no_space(void **state)
{
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(file_write_all(fd, "x", 1), ERR_NOSPACE);
	assert_int_equal(file_write_all(fd, "x", 0), 0);
	close(fd);
	assert_int_equal(file_write_all(-1, "x", 1), ERR_IO);
	assert_int_equal(file_sync_dir("absent"), ERR_IO);
	assert_int_equal(file_sync_dir("."), 0);
}

static void
a_lock_is_exclusive_and_dies_with_its_holder(void **state)
{
	int ready[2], done[2], status;
	struct error e;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(file_lock_holder("lock"), 0);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(done), 0);
	child = fork();
	if (child == 0) {
		int fd = file_lock("lock", NULL);

		byte = fd >= 0;
		close(done[1]);
		if (write(ready[1], &byte, 1) != 1 ||
		    read(done[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	assert_int_equal(file_lock_holder("lock"), child);
	assert_int_equal(file_lock("lock", &e), ERR_BUSY);
	assert_string_equal(e.text, "\"lock\" is locked by another process");
	close(done[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(file_lock_holder("lock"), 0);
	status = file_lock("lock", &e);
	assert_true(status >= 0);
	assert_int_equal(fcntl(status, F_GETFD), FD_CLOEXEC);
	close(status);
	close(ready[0]);
	close(ready[1]);
	close(done[0]);
	assert_int_equal(file_lock("no/lock", &e), ERR_NOTFOUND);
}

static void
programs_are_found_as_execvp_finds_them(void **state)
{
	char *before = strdup(getenv("PATH"));

	(void)state;
	assert_int_equal(mkdir("folder", 0755), 0);
	assert_int_equal(file_write_atomic("folder/plain", bytes_of("x"), 0644,
					   NULL), 0);
	assert_int_equal(file_write_atomic("folder/program", bytes_of("x"),
					   0755, NULL), 0);
	assert_int_equal(mkdir("folder/directory", 0755), 0);
	setenv("PATH", "/nowhere:folder", 1);
	assert_true(file_in_path("program"));
	assert_false(file_in_path("plain"));
	assert_false(file_in_path("directory"));
	assert_false(file_in_path("none"));
	setenv("PATH", "/nowhere", 1);
	assert_false(file_in_path("program"));
	assert_int_equal(chdir("folder"), 0);
	setenv("PATH", "/nowhere:", 1);
	assert_true(file_in_path("program"));
	unsetenv("PATH");
	assert_true(file_in_path("sh"));
	assert_false(file_in_path("program"));
	setenv("PATH", before, 1);
	free(before);
}

#define IN_DIRECTORY(test) \
	cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(directories_are_made_along_the_way),
		IN_DIRECTORY(
			writing_replaces_the_whole_file_and_leaves_no_other),
		IN_DIRECTORY(reading_is_limited_and_for_regular_files),
		IN_DIRECTORY(a_link_shares_and_a_copy_does_not),
		IN_DIRECTORY(removing_a_tree_does_not_follow_links),
		IN_DIRECTORY(a_tree_too_deep_is_an_error_not_a_crash),
		IN_DIRECTORY(renaming_never_replaces),
		IN_DIRECTORY(a_full_device_is_no_space),
		IN_DIRECTORY(a_lock_is_exclusive_and_dies_with_its_holder),
		IN_DIRECTORY(programs_are_found_as_execvp_finds_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
