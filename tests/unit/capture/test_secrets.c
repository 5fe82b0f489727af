/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/secrets.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "capture/home.h"
#include "capture/snapshot.h"
#include "scratch.h"

static const struct packet_window all = { INT64_MIN, INT64_MAX };

static struct secret
secret_at(int64_t time_ns, uint8_t value)
{
	struct secret s = {
		.time_ns = time_ns,
		.cookie = 77,
		.pid = 5,
		.thread = 6,
		.label = SECRET_SERVER_HANDSHAKE,
		.hook = SECRET_HOOK_GO,
		.local_port = 443,
		.remote_port = 50000,
		.name = "nginx",
		.size = 48,
	};

	memset(s.local, 1, sizeof(s.local));
	memset(s.value, value, 48);
	return s;
}

static char *
make_file(const char *home, const char *name, int count)
{
	char *path = home_path(home, name, NULL);
	int fd = secrets_open(path, NULL);
	struct buf out;

	assert_true(fd >= 0);
	buf_init(&out, 1 << 20);
	for (int i = 0; i < count; i++) {
		struct secret s =
			secret_at(SCRATCH_NS + i * 1000, (uint8_t)i);

		secrets_encode(&out, &s);
	}
	assert_int_equal(secrets_append(fd, buf_view(&out)), 0);
	buf_free(&out);
	close(fd);
	return path;
}

static void
keeps_every_field(void **state)
{
	struct secret in = secret_at(SCRATCH_NS, 9), *out;
	char *path = home_path(*state, "one.keys", NULL);
	struct secret_list list = { .items = NULL };
	int fd = secrets_open(path, NULL);
	struct buf frames;
	struct stat st;

	in.has_random = true;
	memset(in.random, 3, sizeof(in.random));
	memset(in.remote, 4, sizeof(in.remote));
	buf_init(&frames, 4096);
	secrets_encode(&frames, &in);
	assert_int_equal(secrets_append(fd, buf_view(&frames)), 0);
	close(fd);
	assert_int_equal(secrets_load(path, all, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	out = &list.items[0];
	assert_int_equal(out->time_ns, in.time_ns);
	assert_int_equal(out->cookie, in.cookie);
	assert_int_equal(out->pid, in.pid);
	assert_int_equal(out->thread, in.thread);
	assert_int_equal(out->label, in.label);
	assert_int_equal(out->hook, in.hook);
	assert_int_equal(out->local_port, in.local_port);
	assert_int_equal(out->remote_port, in.remote_port);
	assert_memory_equal(out->local, in.local, sizeof(in.local));
	assert_memory_equal(out->remote, in.remote, sizeof(in.remote));
	assert_string_equal(out->name, in.name);
	assert_int_equal(out->has_random, in.has_random);
	assert_memory_equal(out->random, in.random, sizeof(in.random));
	assert_int_equal(out->size, in.size);
	assert_memory_equal(out->value, in.value, in.size);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	secrets_free(&list);
	buf_free(&frames);
	free(path);
}

static void
window_chooses(void **state)
{
	char *path = make_file(*state, "window.keys", 1000);
	struct packet_window window = { SCRATCH_NS + 10000,
					SCRATCH_NS + 20000 };
	struct secret_list list = { .items = NULL };

	assert_int_equal(secrets_load(path, window, &list, NULL), 0);
	assert_int_equal(list.count, 10);
	assert_int_equal(list.items[0].value[0], 10);
	secrets_free(&list);
	free(path);
}

/* Whatever is cut off of the last frame, what is whole stays, and what is
 * appended afterwards is found. */
static void
torn_end_is_mended(void **state)
{
	char *path = make_file(*state, "torn.keys", 3);
	struct secret s = secret_at(SCRATCH_NS, 99);
	struct buf frame;
	struct stat st;

	buf_init(&frame, 4096);
	secrets_encode(&frame, &s);
	assert_int_equal(stat(path, &st), 0);
	for (size_t cut = 1; cut < frame.size; cut += 7) {
		struct secret_list list = { .items = NULL };
		int fd;

		free(make_file(*state, "torn.keys", 0));
		assert_int_equal(truncate(path, st.st_size - (off_t)cut), 0);
		fd = secrets_open(path, NULL);
		assert_true(fd >= 0);
		assert_int_equal(secrets_append(fd, buf_view(&frame)), 0);
		close(fd);
		assert_int_equal(secrets_load(path, all, &list, NULL), 0);
		assert_int_equal(list.count, 3);
		assert_int_equal(list.items[1].value[0], 1);
		assert_int_equal(list.items[2].value[0], 99);
		secrets_free(&list);
		unlink(path);
		free(make_file(*state, "torn.keys", 3));
	}
	buf_free(&frame);
	free(path);
}

static void
refuses_other_files(void **state)
{
	static const uint8_t text[64] = "aftertap secretS";
	char *path = scratch_file(*state, "other.keys", bytes_make(text, 64));
	char *link = home_path(*state, "link.keys", NULL);
	struct secret_list list = { .items = NULL };
	struct error e = { .code = 0 };

	assert_int_equal(secrets_open(path, &e), ERR_CORRUPT);
	assert_int_equal(secrets_load(path, all, &list, &e), ERR_CORRUPT);
	assert_int_equal(symlink(path, link), 0);
	assert_true(secrets_open(link, &e) < 0);
	assert_int_equal(secrets_visit("/nonexistent", all, NULL, NULL, &e),
			 ERR_NOTFOUND);
	secrets_free(&list);
	free(path);
	free(link);
}

static void
forgets_the_old(void **state)
{
	char *path = make_file(*state, "old.keys", 100);
	struct secret_list list = { .items = NULL };
	struct stat st;

	assert_int_equal(secrets_forget(path, SCRATCH_NS + 90000, NULL), 0);
	assert_int_equal(secrets_load(path, all, &list, NULL), 0);
	assert_int_equal(list.count, 10);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	secrets_free(&list);
	free(path);
}

/* A snapshot of packets 10 to 19 s after the first holds the secrets of that
 * time and 60 s around it, and notices when they change. */
static void
snapshot_keeps_its_own(void **state)
{
	const char *home = *state;
	struct snapshot_request request = { .name = "s", .window = all };
	struct error e = { .code = 0 };
	json_t *manifest, *entry;
	char *capture, *path, *copy;
	struct stat st;
	int fd;

	scratch_import_packets(home, "c", 10, 0, 1000);
	capture = home_path(home, "captures", "c", NULL);
	path = make_file(capture, "secrets.keys", 1);
	fd = secrets_open(path, NULL);
	for (int s = -300; s <= 300; s += 10) {
		struct secret x = secret_at(
			SCRATCH_NS + s * INT64_C(1000000000), 1);
		struct buf out;

		buf_init(&out, 4096);
		secrets_encode(&out, &x);
		assert_int_equal(secrets_append(fd, buf_view(&out)), 0);
		buf_free(&out);
	}
	close(fd);
	assert_int_equal(snapshot_create(home, &request, &manifest, &e), 0);
	entry = json_array_get(json_object_get(manifest, "secrets"), 0);
	/* -60 s … 60 s by tens (packets end at 9 s), and the one of before. */
	assert_int_equal(scratch_integer(entry, "count"), 14);
	assert_string_equal(scratch_string(entry, "file"), "secrets/c.keys");
	assert_int_equal(file_remove_tree(capture, &e), 0);
	assert_int_equal(snapshot_verify(home, "s", NULL, &e), 0);
	copy = home_path(home, "snapshots", "s", "secrets", "c.keys", NULL);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(truncate(copy, st.st_size - 1), 0);
	assert_int_equal(snapshot_verify(home, "s", NULL, &e), ERR_CORRUPT);
	assert_int_equal(unlink(copy), 0);
	assert_int_equal(snapshot_verify(home, "s", NULL, &e), ERR_CORRUPT);
	assert_int_equal(snapshot_delete(home, "s", &e), 0);
	json_decref(manifest);
	free(capture);
	free(path);
	free(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_every_field),
		cmocka_unit_test(window_chooses),
		cmocka_unit_test(torn_end_is_mended),
		cmocka_unit_test(refuses_other_files),
		cmocka_unit_test(forgets_the_old),
		cmocka_unit_test(snapshot_keeps_its_own),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
