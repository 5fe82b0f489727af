/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of several recorded files that become one capture. */
#include "capture/capture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/capture_file.h"
#include "capture/home.h"
#include "capture/identity/identity_block.h"
#include "scratch.h"
#include "tests/support/identities.h"

#define FILES 3

static void
put_block(struct buf *out, uint32_t type, struct bytes body)
{
	uint32_t padding = -(uint32_t)body.size & 3;
	uint32_t size = (uint32_t)body.size + padding + 12;

	buf_le32(out, type);
	buf_le32(out, size);
	buf_bytes(out, body);
	while (padding-- > 0)
		buf_u8(out, 0);
	buf_le32(out, size);
}

/* A file with process 1, its socket, a socket of nobody, and a packet. */
static char *
recorded(const char *home, int number)
{
	static const uint8_t section[] = { 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
					   255, 255, 255, 255,
					   255, 255, 255, 255 };
	static const uint8_t interface[] = { 101, 0, 0, 0, 0, 0, 0, 0 };
	char name[2][16];
	struct buf out, body;
	char *path;

	snprintf(name[0], sizeof(name[0]), "name%d", number);
	snprintf(name[1], sizeof(name[1]), "%d.pcapng", number);
	buf_init(&out, 1 << 16);
	buf_init(&body, 1 << 16);
	put_block(&out, PCAPNG_SECTION, bytes_make(section, sizeof(section)));
	put_block(&out, PCAPNG_INTERFACE,
		  bytes_make(interface, sizeof(interface)));
	identities_process(&body, &(struct given_process){
					  .id = 1, .pid = 7, .name = name[0] });
	put_block(&out, PCAPNG_CUSTOM, buf_view(&body));
	for (uint64_t process = 0; process < 2; process++) {
		identities_socket(&body, &(struct given_socket){
						 .cookie = 5,
						 .process = process,
						 .local = "10.0.0.1",
						 .local_port = 80 });
		put_block(&out, PCAPNG_CUSTOM, buf_view(&body));
	}
	buf_reset(&body);
	for (int i = 0; i < 5; i++)
		buf_le32(&body, i == 2 ? (uint32_t)number : 0);
	put_block(&out, PCAPNG_ENHANCED_PACKET, buf_view(&body));
	path = scratch_file(home, name[1], buf_view(&out));
	buf_free(&body);
	buf_free(&out);
	return path;
}

/* Adds up what one segment holds. */
static void
look(const char *path, uint64_t process[FILES], unsigned owned[FILES],
     unsigned *nobody)
{
	struct capture_event event;
	struct capture_file file;
	struct identity_block block;
	int fd = open(path, O_RDONLY), number;

	assert_true(fd >= 0);
	assert_int_equal(capture_file_open(&file, fd, path, NULL, NULL), 0);
	while (capture_file_next(&file, &event) == 1) {
		if (event.kind != CAPTURE_EVENT_BLOCK ||
		    !identity_decode(event.block.body, &block))
			continue;
		if (block.kind == IDENTITY_PROCESS) {
			assert_int_equal(block.process.name.size, 5);
			number = block.process.name.data[4] - '0';
			assert_in_range(number, 0, FILES - 1);
			assert_int_equal(block.process.pid, 7);
			process[number] = block.process.id;
			continue;
		}
		assert_int_equal(block.socket.local_port, 80);
		*nobody += block.socket.process == 0;
		for (int i = 0; i < FILES; i++)
			owned[i] += process[i] != 0 &&
				    block.socket.process == process[i];
	}
	capture_file_close(&file);
	close(fd);
}

static void
each_file_has_its_own_processes(void **state)
{
	char *files[FILES];
	struct import_request request = { .name = "c",
					  .files = (const char *const *)files,
					  .file_count = FILES,
					  .node = "n" };
	uint64_t process[FILES] = { 0 };
	unsigned owned[FILES] = { 0 }, nobody = 0;
	json_t *segments = NULL;
	char name[32];

	for (int i = 0; i < FILES; i++)
		files[i] = recorded(*state, i);
	assert_int_equal(capture_import(*state, &request, NULL, NULL), 0);
	assert_int_equal(capture_segments(*state, "c", &segments, NULL), 0);
	for (size_t i = 1; i <= json_array_size(segments); i++) {
		char *path;

		snprintf(name, sizeof(name), "%06zu.pcapng.zst", i);
		path = home_path(*state, "captures", "c", "segments", name,
				 NULL);
		look(path, process, owned, &nobody);
		free(path);
	}
	assert_int_equal(process[0], 1);
	for (int i = 0; i < FILES; i++) {
		assert_int_equal(owned[i], 1);
		for (int k = 0; k < i; k++)
			assert_true(process[i] != process[k]);
		free(files[i]);
	}
	assert_int_equal(nobody, FILES);
	json_decref(segments);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_file_has_its_own_processes, scratch_setup,
			scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
