/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "server/clients/config_file.h"

static char *directory;

static int
make_directory(void **state)
{
	(void)state;
	directory = alloc_string("/tmp/config-file-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int
remove_directory(void **state)
{
	int rc = file_remove_tree(directory, NULL);

	(void)state;
	free(directory);
	return rc;
}

static void
write_text(const char *path, const char *text, mode_t mode)
{
	assert_int_equal(file_write_atomic(path, bytes_of(text), mode, NULL),
			 0);
}

static void
expect_text(const char *path, const char *text, mode_t mode)
{
	struct stat st;
	struct buf in;

	buf_init(&in, 1 << 16);
	assert_int_equal(file_read(path, &in, NULL), 0);
	assert_string_equal(buf_cstr(&in), text);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | mode);
	buf_free(&in);
}

static void
test_new_file(void **state)
{
	char *path = alloc_format("%s/a/b/new.json", directory);
	struct config_file f;
	char *backup;

	(void)state;
	assert_int_equal(config_file_read(&f, path, NULL), 0);
	assert_false(f.exists);
	assert_int_equal(config_file_write(&f, bytes_of("{}"), &backup, NULL),
			 0);
	assert_null(backup);
	expect_text(path, "{}", 0600);
	config_file_free(&f);
	free(path);
}

static void
test_mode_and_backup(void **state)
{
	char *path = alloc_format("%s/old.json", directory);
	struct config_file f;
	char *backup;

	(void)state;
	write_text(path, "old", 0640);
	assert_int_equal(config_file_read(&f, path, NULL), 0);
	assert_int_equal(config_file_write(&f, bytes_of("new"), &backup, NULL),
			 0);
	expect_text(path, "new", 0640);
	expect_text(backup, "old", 0640);
	free(backup);
	config_file_free(&f);
	free(path);
}

static void
test_changed_meanwhile(void **state)
{
	char *path = alloc_format("%s/busy.json", directory);
	struct config_file f;
	char *backup;

	(void)state;
	write_text(path, "old", 0600);
	assert_int_equal(config_file_read(&f, path, NULL), 0);
	write_text(path, "theirs", 0600);
	assert_int_equal(config_file_write(&f, bytes_of("new"), &backup, NULL),
			 ERR_BUSY);
	expect_text(path, "theirs", 0600);
	config_file_free(&f);
	free(path);
}

static void
test_refused(void **state)
{
	char *target = alloc_format("%s/target.json", directory);
	char *path = alloc_format("%s/link.json", directory);
	struct config_file f;
	struct error e = { 0 };

	(void)state;
	write_text(target, "{}", 0600);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(config_file_read(&f, path, &e), ERR_DENIED);
	assert_non_null(strstr(e.text, target));
	config_file_free(&f);
	assert_int_equal(config_file_read(&f, directory, &e), ERR_DENIED);
	config_file_free(&f);
	if (geteuid() == 0) {
		assert_int_equal(chown(target, 1, 1), 0);
		assert_int_equal(config_file_read(&f, target, &e), ERR_DENIED);
		config_file_free(&f);
	}
	free(target);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_file),
		cmocka_unit_test(test_mode_and_backup),
		cmocka_unit_test(test_changed_meanwhile),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, make_directory,
				      remove_directory);
}
