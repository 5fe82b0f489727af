/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing: every packet of the raw segment stands in the sealed one, with its
 * time, interface and direction; and at any point it can be done again. */
#include "capture/recorder/seal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/home.h"
#include "capture/input.h"
#include "capture/json_file.h"
#include "capture/pcapng.h"
#include "capture/recorder/interfaces.h"
#include "capture/recorder/raw_writer.h"
#include "capture/recorder/seal_discard.h"
#include "capture/segment_index.h"
#include "capture/source/source.h"
#include "fake_records.h"
#include "scratch.h"

#define PACKETS 500
#define START_NS 5000000000ULL

static const struct clock_map clock_one = {
	1, { { 5000000000, SCRATCH_NS } }
};

/* raw/<number>.raw with PACKETS packets of `size` bytes and more. */
static void
make_raw(const char *directory, uint32_t number, uint32_t packets)
{
	const struct raw_stream stream = { RAW_FORMAT_RECORDS,
					   RAW_CLOCK_MONOTONIC, 4000 };
	char *folder = home_path(directory, "raw", NULL);
	char *path = alloc_format("%s/%06u.raw", folder, number);
	struct fake_stream_bytes s;
	struct raw_writer *w;

	assert_int_equal(file_make_dirs(folder, NULL), 0);
	fake_records_init(&s, 4000, 2 << 20);
	for (uint32_t i = 0; i < packets; i++)
		fake_records_add(&s, i, 20 + i, START_NS + i * 1000000);
	assert_int_equal(raw_writer_open(path, &stream, &clock_one, &w, NULL),
			 0);
	assert_int_equal(raw_writer_append(w, s.data, s.size, NULL), 0);
	assert_int_equal(raw_writer_close(w, &clock_one, NULL), 0);
	fake_records_free(&s);
	free(folder);
	free(path);
	folder = home_path(directory, "segments", NULL);
	assert_int_equal(file_make_dirs(folder, NULL), 0);
	free(folder);
}

static void
make_sidecar(const char *directory, uint32_t number, const char *text)
{
	char *path = alloc_format("%s/raw/%06u.json", directory, number);
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	assert_int_equal(json_file_write(path, object, 0600, NULL), 0);
	json_decref(object);
	free(path);
}

static const char sidecar[] =
	"{\"format\":1,\"source\":\"cgroup\",\"interfaces\":["
	"{\"ifindex\":2,\"netns\":7,\"netns_inode\":4026531840,"
	"\"name\":\"eth0\",\"link_type\":101},"
	"{\"ifindex\":1,\"netns\":7,\"name\":\"lo\",\"link_type\":101}],"
	"\"losses\":[{\"cause\":\"ring_full\",\"packets\":12,"
	"\"from_ns\":1700000000000000000,\"to_ns\":1700000001000000000},"
	"{\"cause\":\"kernel\",\"packets\":3,\"interface\":\"lo\","
	"\"from_ns\":1700000000000000000,\"to_ns\":1700000001000000000},"
	"{\"cause\":\"recorder_down\","
	"\"from_ns\":1600000000000000000,\"to_ns\":1600000001000000000}]}";

static bool
there(const char *directory, const char *folder, uint32_t number,
      const char *suffix)
{
	char *path = alloc_format("%s/%s/%06u%s", directory, folder, number,
				  suffix);
	bool exists = file_exists(path);

	free(path);
	return exists;
}

static json_t *
read_entry(const char *directory, uint32_t number)
{
	char *path = alloc_format("%s/segments/%06u.json", directory, number);
	json_t *entry = NULL;

	assert_int_equal(json_file_read(path, &entry, NULL), 0);
	free(path);
	return entry;
}

static void
check_packet(const struct pcapng_packet *packet, uint32_t number)
{
	struct bytes options = packet->options;
	struct pcapng_option option;
	/* Interfaces are numbered as the sidecar has them: eth0, lo, then the
	 * third, which nobody described. */
	static const uint32_t interfaces[] = { 1, 0, 2 };

	assert_int_equal(packet->time_ns,
			 SCRATCH_NS + (int64_t)number * 1000000);
	assert_int_equal(packet->captured, 20 + number);
	assert_int_equal(packet->length, 20 + number + number % 2);
	assert_int_equal(packet->interface, interfaces[number % 3]);
	for (uint32_t i = 0; i < packet->captured; i++)
		assert_int_equal(packet->data[i], fake_records_byte(number, i));
	assert_true(pcapng_option_next(&options, false, &option));
	assert_int_equal(option.code, PCAPNG_PACKET_FLAGS);
	assert_int_equal(option.value.data[0], number % 2 ? 2 : 1);
}

struct found {
	uint32_t packets;
	uint64_t ifdrop, osdrop;
};

static void
take_statistics(struct bytes body, struct found *found)
{
	struct bytes options = bytes_from(body, 12);
	struct pcapng_option option;

	while (pcapng_option_next(&options, false, &option)) {
		if (option.code == PCAPNG_STATISTICS_IFDROP)
			found->ifdrop += pcapng_u64(option.value.data, false);
		if (option.code == PCAPNG_STATISTICS_OSDROP)
			found->osdrop += pcapng_u64(option.value.data, false);
	}
}

static struct found
check_segment(const char *directory, uint32_t number)
{
	char *path = alloc_format("%s/segments/%06u" SEGMENT_SUFFIX, directory,
				  number);
	int fd = open(path, O_RDONLY);
	struct found found = { 0 };
	struct pcapng_packet packet;
	struct pcapng_block block;
	struct pcapng reader;
	struct input in;

	assert_true(fd >= 0);
	assert_int_equal(input_open(&in, fd, NULL), 0);
	pcapng_init(&reader, &in);
	while (pcapng_next(&reader, &block) > 0) {
		if (block.type == PCAPNG_STATISTICS)
			take_statistics(block.body, &found);
		if (!pcapng_is_packet(block.type))
			continue;
		assert_int_equal(pcapng_packet(&reader, &block, &packet), 0);
		check_packet(&packet, found.packets++);
	}
	pcapng_free(&reader);
	input_close(&in);
	close(fd);
	free(path);
	return found;
}

static void
seals_all(void **state)
{
	const char *directory = *state;
	struct seal_result result;
	struct found found;
	json_t *entry;

	make_raw(directory, 7, PACKETS);
	make_sidecar(directory, 7, sidecar);
	assert_int_equal(seal_segment(directory, 7, &result, NULL), 0);
	assert_int_equal(result.packets, PACKETS);
	assert_false(there(directory, "raw", 7, ".raw"));
	assert_false(there(directory, "raw", 7, ".json"));
	assert_false(there(directory, "sealing", 7, ""));
	found = check_segment(directory, 7);
	assert_int_equal(found.packets, PACKETS);
	assert_int_equal(found.ifdrop, 12);
	assert_int_equal(found.osdrop, 3);
	entry = read_entry(directory, 7);
	assert_int_equal(scratch_integer(entry, "packets"), PACKETS);
	assert_int_equal(scratch_integer(entry, "drops"), 15);
	assert_int_equal(json_array_size(json_object_get(entry, "losses")), 3);
	assert_string_equal(scratch_string(entry, "file"),
			    "000007.pcapng.zst");
	json_decref(entry);
}

/* The drops of each interface by its statistics. */
static uint64_t
drops_on(const char *directory, uint32_t number, uint32_t interface)
{
	char *path = alloc_format("%s/segments/%06u" SEGMENT_SUFFIX, directory,
				  number);
	int fd = open(path, O_RDONLY);
	struct pcapng_block block;
	struct pcapng reader;
	uint64_t drops = 0;
	struct input in;

	assert_int_equal(input_open(&in, fd, NULL), 0);
	pcapng_init(&reader, &in);
	while (pcapng_next(&reader, &block) > 0) {
		struct found found = { 0 };

		if (block.type != PCAPNG_STATISTICS ||
		    block.body.data[0] != interface)
			continue;
		take_statistics(block.body, &found);
		drops += found.ifdrop;
	}
	pcapng_free(&reader);
	input_close(&in);
	close(fd);
	free(path);
	return drops;
}

/* The same name in two namespaces, and one that nobody described. */
static void
losses_stay_in_their_namespace(void **state)
{
	const char *directory = *state;
	struct seal_result result;
	json_t *entry;

	make_raw(directory, 7, PACKETS);
	make_sidecar(directory, 7,
		     "{\"source\":\"cgroup\",\"interfaces\":["
		     "{\"ifindex\":2,\"netns\":7,\"netns_inode\":70,"
		     "\"name\":\"eth0\",\"link_type\":101},"
		     "{\"ifindex\":2,\"netns\":8,\"netns_inode\":80,"
		     "\"name\":\"eth0\",\"link_type\":101}],\"losses\":["
		     "{\"cause\":\"ring_full\",\"packets\":12,"
		     "\"interface\":\"eth0\",\"netns\":80,"
		     "\"from_ns\":1700000000000000000,"
		     "\"to_ns\":1700000001000000000},"
		     "{\"cause\":\"ring_full\",\"packets\":5,"
		     "\"interface\":\"eth0\",\"netns\":70,"
		     "\"from_ns\":1700000000000000000,"
		     "\"to_ns\":1700000001000000000},"
		     "{\"cause\":\"ring_full\",\"packets\":2,"
		     "\"interface\":\"ifindex 9\","
		     "\"from_ns\":1700000000000000000,"
		     "\"to_ns\":1700000001000000000}]}");
	assert_int_equal(seal_segment(directory, 7, &result, NULL), 0);
	assert_int_equal(drops_on(directory, 7, 0), 5 + 2);
	assert_int_equal(drops_on(directory, 7, 1), 12);
	entry = read_entry(directory, 7);
	assert_int_equal(scratch_integer(entry, "drops"), 19);
	assert_int_equal(scratch_integer(json_array_get(json_object_get(
				entry, "losses"), 0), "netns"), 80);
	json_decref(entry);
}

/* A gap that nobody could count, in a recording of silence. */
static void
seals_losses_alone(void **state)
{
	const char *directory = *state;
	struct seal_result result;
	struct found found;
	json_t *entry;

	make_raw(directory, 9, 0);
	make_sidecar(directory, 9,
		     "{\"source\":\"cgroup\",\"losses\":["
		     "{\"cause\":\"recorder_down\","
		     "\"from_ns\":1600000000000000000,"
		     "\"to_ns\":1600000001000000000}]}");
	assert_int_equal(seal_segment(directory, 9, &result, NULL), 0);
	assert_false(result.empty);
	assert_false(there(directory, "raw", 9, ".raw"));
	found = check_segment(directory, 9);
	assert_int_equal(found.packets, 0);
	entry = read_entry(directory, 9);
	assert_int_equal(json_array_size(json_object_get(entry, "losses")), 1);
	json_decref(entry);
}

/* Stopped between publishing and removing, or before publishing. */
static void
seals_again(void **state)
{
	const char *directory = *state;
	struct seal_result result;
	char *staged;

	make_raw(directory, 1, PACKETS);
	make_sidecar(directory, 1, sidecar);
	staged = alloc_format("%s/sealing/000001/000001.pcapng.zst", directory);
	*strrchr(staged, '/') = '\0';
	assert_int_equal(file_make_dirs(staged, NULL), 0);
	assert_int_equal(seal_segment(directory, 1, &result, NULL), 0);
	assert_false(result.already);
	make_raw(directory, 1, PACKETS);
	assert_int_equal(seal_segment(directory, 1, &result, NULL), 0);
	assert_true(result.already);
	assert_false(there(directory, "raw", 1, ".raw"));
	assert_int_equal(check_segment(directory, 1).packets, PACKETS);
	free(staged);
}

static void
interfaces_keep_their_numbers(void **state)
{
	const char *directory = *state;
	struct seal_result result;

	make_raw(directory, 1, PACKETS);
	make_sidecar(directory, 1, sidecar);
	assert_int_equal(seal_segment(directory, 1, &result, NULL), 0);
	/* Without a sidecar: the registry knows them. */
	make_raw(directory, 2, PACKETS);
	assert_int_equal(seal_segment(directory, 2, &result, NULL), 0);
	assert_int_equal(check_segment(directory, 2).packets, PACKETS);
}

/* A number is another interface's only when no segment is left that knows it as
 * the first one's. */
static void
numbers_of_interfaces_come_free(void **state)
{
	static const struct interface_key old = { 1, 2, 101 }, lasting = { 1, 3,
									  101 };
	static const struct interface_key young = { 9, 2, 101 };
	char *path = home_path(*state, "interfaces.json", NULL);
	struct interfaces *i = interfaces_load(path, 7, 7);

	assert_int_equal(interfaces_number(i, old), 0);
	assert_int_equal(interfaces_number(i, lasting), 1);
	assert_int_equal(interfaces_save(i, path, NULL), 0);
	interfaces_free(i);
	/* Segment 7 is there still. */
	i = interfaces_load(path, 40, 7);
	assert_int_equal(interfaces_number(i, lasting), 1);
	assert_int_equal(interfaces_number(i, young), 2);
	assert_int_equal(interfaces_save(i, path, NULL), 0);
	interfaces_free(i);
	/* It is gone, and with it the one that it alone had. */
	i = interfaces_load(path, 60, 30);
	assert_int_equal(interfaces_number(i, lasting), 1);
	assert_int_equal(interfaces_number(i, young), 2);
	assert_int_equal(interfaces_number(i, (struct interface_key){ .netns = 5 }), 0);
	assert_int_equal(interfaces_number(i, old), 3);
	assert_int_equal(interfaces_save(i, path, NULL), 0);
	interfaces_free(i);
	/* What is free at the end goes. */
	i = interfaces_load(path, 200, 190);
	assert_int_equal(interfaces_count(i), 0);
	interfaces_free(i);
	free(path);
}

/* An entry that cannot be read stands for nothing. */
static void
damaged_entry_is_made_anew(void **state)
{
	const char *directory = *state;
	struct seal_result result;
	char *path;

	make_raw(directory, 1, PACKETS);
	make_sidecar(directory, 1, sidecar);
	path = alloc_format("%s/segments/000001.json", directory);
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(seal_segment(directory, 1, &result, NULL), 0);
	assert_false(result.already);
	assert_int_equal(check_segment(directory, 1).packets, PACKETS);
	free(path);
}

/* Whatever is left of one that the quota takes goes, and is not called counted. */
static void
discards_what_is_cut_off(void **state)
{
	const char *directory = *state;
	char *path = alloc_format("%s/raw/000001.raw", directory);
	struct seal_result result;

	make_raw(directory, 1, PACKETS);
	make_sidecar(directory, 1, sidecar);
	assert_int_equal(truncate(path, RAW_PAGE), 0);
	assert_int_equal(seal_discard(directory, 1, &result, NULL), 0);
	assert_false(result.counted);
	assert_string_equal(result.problem, "the file is too short");
	assert_false(there(directory, "raw", 1, ".raw"));
	assert_false(there(directory, "raw", 1, ".json"));
	free(path);
}

/* What was not wanted is not lost. */
static void
counts_what_is_wanted(void **state)
{
	const char *directory = *state;
	struct seal_result result;

	make_raw(directory, 1, PACKETS);
	make_sidecar(directory, 1,
		     "{\"format\":1,\"source\":\"cgroup\","
		     "\"recorder_filter\":\"len >= 320\"}");
	assert_int_equal(seal_count(directory, 1, &result, NULL), 0);
	assert_true(result.counted);
	assert_int_equal(result.packets, PACKETS - 299);
	assert_int_equal(result.first_ns, SCRATCH_NS + INT64_C(299) * 1000000);
	assert_int_equal(result.last_ns,
			 SCRATCH_NS + (int64_t)(PACKETS - 1) * 1000000);
	assert_true(there(directory, "raw", 1, ".raw"));
}

/* Where the kernel could not filter, sealing does. */
static void
filters(void **state)
{
	const char *directory = *state;
	struct seal_result result;

	make_raw(directory, 1, PACKETS);
	make_sidecar(directory, 1,
		     "{\"format\":1,\"source\":\"cgroup\","
		     "\"recorder_filter\":\"len >= 320\"}");
	assert_int_equal(seal_segment(directory, 1, &result, NULL), 0);
	/* Packet n has 20 + n bytes, and one more on the wire when odd. */
	assert_int_equal(result.packets, PACKETS - 299);
	assert_int_equal(result.filtered, 299);
	make_raw(directory, 2, PACKETS);
	make_sidecar(directory, 2, "{\"recorder_filter\":\"no such word\"}");
	assert_int_equal(seal_segment(directory, 2, &result, NULL), 0);
	assert_int_equal(result.packets, PACKETS);
	assert_true(result.problem[0]);
}

static void
nothing_to_keep(void **state)
{
	const char *directory = *state;
	struct seal_result result;

	make_raw(directory, 1, 0);
	assert_int_equal(seal_segment(directory, 1, &result, NULL), 0);
	assert_true(result.empty);
	assert_false(there(directory, "segments", 1, ".json"));
	assert_false(there(directory, "raw", 1, ".raw"));
	/* Losses without a packet are kept. */
	make_raw(directory, 2, 0);
	make_sidecar(directory, 2, sidecar);
	assert_int_equal(seal_segment(directory, 2, &result, NULL), 0);
	assert_false(result.empty);
	assert_true(there(directory, "segments", 2, ".json"));
}

static void
damage_is_set_aside(void **state)
{
	const char *directory = *state;
	struct seal_result result;
	struct error error = { 0 };
	char *path;

	make_raw(directory, 3, PACKETS);
	path = home_path(directory, "raw", "000003.raw", NULL);
	assert_int_equal(truncate(path, 1000), 0);
	assert_int_equal(seal_segment(directory, 3, &result, &error),
			 ERR_TRUNCATED);
	assert_true(error.text[0]);
	assert_true(there(directory, "raw", 3, ".damaged"));
	assert_false(there(directory, "raw", 3, ".raw"));
	free(path);
	/* Cut inside: what is whole is sealed, and the rest is said. */
	make_raw(directory, 4, PACKETS);
	path = home_path(directory, "raw", "000004.raw", NULL);
	assert_int_equal(truncate(path, 50000), 0);
	assert_int_equal(seal_segment(directory, 4, &result, NULL), 0);
	assert_true(result.packets > 50 && result.packets < PACKETS);
	assert_true(result.problem[0]);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(seals_all, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(losses_stay_in_their_namespace,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(seals_losses_alone,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(seals_again, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(numbers_of_interfaces_come_free,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(damaged_entry_is_made_anew,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(counts_what_is_wanted,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(discards_what_is_cut_off,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(interfaces_keep_their_numbers,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(filters, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(nothing_to_keep, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(damage_is_set_aside,
						scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
