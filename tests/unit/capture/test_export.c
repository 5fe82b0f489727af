/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "capture/home.h"
#include "capture/snapshot.h"
#include "scratch.h"

#define MS INT64_C(1000000)

static void
make_snapshot(const char *home, const char *name)
{
	struct snapshot_request request = {
		.name = name,
		.window = { INT64_MIN, INT64_MAX },
	};
	struct error e;

	if (snapshot_create(home, &request, NULL, &e) != 0)
		fail_msg("%s", e.text);
}

/* A request for everything in snapshot "s". */
static struct export_request
everything(const char *path)
{
	return (struct export_request){
		.snapshot = "s",
		.path = path,
		.window = { INT64_MIN, INT64_MAX },
	};
}

/* The fill bytes of the packets of an exported file, by importing it again. */
static int
read_back(char *home, const char *path, uint8_t *fills, int limit)
{
	char *again = home_path(home, "again", NULL);
	struct packet_record packet;
	struct packet_reader *r;
	struct snapshot s;
	int count = 0;

	json_decref(scratch_import(again, "x", path));
	make_snapshot(again, "x");
	assert_int_equal(snapshot_open(again, "x", &s, NULL), 0);
	r = packet_reader_new(s.segments, s.segment_count, s.window,
			      snapshot_source(&s));
	while (packet_reader_next(r, &packet) > 0 && count < limit)
		fills[count++] = packet.data[0];
	packet_reader_free(r);
	snapshot_close(&s);
	assert_int_equal(snapshot_delete(again, "x", NULL), 0);
	assert_int_equal(file_remove_tree(again, NULL), 0);
	free(again);
	return count;
}

static void
both_formats_hold_all_packets_in_order(void **state)
{
	char *home = *state;
	char *path = home_path(home, "out.cap", NULL);

	scratch_import_packets(home, "a", 30, 0, 2);
	scratch_import_packets(home, "b", 30, 1, 2);
	make_snapshot(home, "s");
	for (int pcap = 0; pcap < 2; pcap++) {
		struct export_request request = everything(path);
		uint8_t fills[100];
		json_t *result;

		request.pcap = pcap;
		assert_int_equal(export_snapshot(home, &request, &result, NULL),
				 0);
		assert_int_equal(scratch_integer(result, "packets"), 60);
		assert_string_equal(scratch_string(result, "format"),
				    pcap ? "pcap" : "pcapng");
		assert_string_equal(scratch_string(result, "last"),
				    "2023-11-14T22:13:20.059Z");
		assert_int_equal(read_back(home, path, fills, 100), 60);
		for (int i = 0; i < 60; i++)
			assert_int_equal(fills[i], i / 2);
		json_decref(result);
	}
	free(path);
}

static void
a_window_is_cut_out_exactly(void **state)
{
	char *home = *state;
	char *path = home_path(home, "out.cap", NULL);
	struct export_request request = everything(path);
	uint8_t fills[100];

	scratch_import_packets(home, "a", 100, 0, 1);
	make_snapshot(home, "s");
	request.window.from_ns = SCRATCH_NS + 10 * MS;
	request.window.to_ns = SCRATCH_NS + 15 * MS;
	assert_int_equal(export_snapshot(home, &request, NULL, NULL), 0);
	assert_int_equal(read_back(home, path, fills, 100), 5);
	assert_int_equal(fills[0], 10);
	assert_int_equal(fills[4], 14);
	free(path);
}

static void
two_link_types_need_pcapng(void **state)
{
	char *home = *state;
	char *path = home_path(home, "out.cap", NULL);
	struct export_request request = everything(path);
	struct buf data;
	struct error e;
	char *file;

	scratch_import_packets(home, "a", 2, 0, 1);
	scratch_pcap(&data, 101);
	scratch_packet(&data, 1, 60, 0x45);
	file = scratch_file(home, "raw.pcap", buf_view(&data));
	json_decref(scratch_import(home, "raw", file));
	make_snapshot(home, "s");
	request.pcap = true;
	assert_int_equal(export_snapshot(home, &request, NULL, &e),
			 ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "ethernet and raw"));
	assert_false(file_exists(path));
	request.pcap = false;
	assert_int_equal(export_snapshot(home, &request, NULL, &e), 0);
	buf_free(&data);
	free(file);
	free(path);
}

static void
errors_leave_nothing_behind(void **state)
{
	static const char *const nobody[] = { "192.0.2.1" };
	static const char *const wrong[] = { "example.test" };
	char *home = *state;
	char *directory = home_path(home, "out", NULL);
	char *path = home_path(directory, "x.cap", NULL);
	struct export_request request = everything(path);
	atomic_bool cancelled = true;
	struct error e;

	scratch_import_packets(home, "a", 10, 0, 1);
	make_snapshot(home, "s");
	assert_int_equal(export_snapshot(home, &request, NULL, &e),
			 ERR_NOTFOUND); /* the directory */
	assert_int_equal(mkdir(directory, 0700), 0);
	request.addresses = nobody;
	request.address_count = 1;
	assert_int_equal(export_snapshot(home, &request, NULL, &e), ERR_EMPTY);
	request.addresses = wrong;
	assert_int_equal(export_snapshot(home, &request, NULL, &e),
			 ERR_INVALID);
	request.address_count = 0;
	request.cancelled = &cancelled;
	assert_int_equal(export_snapshot(home, &request, NULL, &e),
			 ERR_CANCELLED);
	request.cancelled = NULL;
	request.snapshot = "missing";
	assert_int_equal(export_snapshot(home, &request, NULL, &e),
			 ERR_NOTFOUND);
	assert_int_equal(scratch_entries(home, "out"), 0);
	free(directory);
	free(path);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_formats_hold_all_packets_in_order),
		TEST(a_window_is_cut_out_exactly),
		TEST(two_link_types_need_pcapng),
		TEST(errors_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
