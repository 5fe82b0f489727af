/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/identity_table.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "capture/identity/identity_log.h"
#include "capture/input.h"
#include "capture/pcapng.h"
#include "capture/source/raw_record.h"
#include "tests/unit/capture/scratch.h"
#include "tests/unit/identity/samples.h"

/* A log of these entries, loaded. */
static struct identity_table *
make_table(void **state, const struct identity_process *processes,
	   size_t process_count, const struct identity_socket *sockets,
	   size_t socket_count)
{
	char *path = alloc_format("%s/identity.log", (const char *)*state);
	struct identity_table *table;
	struct identity_log *log;

	unlink(path);
	assert_int_equal(identity_log_open(path, &log, NULL), 0);
	for (size_t i = 0; i < process_count; i++)
		identity_log_process(log, &processes[i]);
	for (size_t i = 0; i < socket_count; i++)
		identity_log_socket(log, 100 + i, &sockets[i]);
	identity_log_close(log);
	assert_int_equal(identity_table_load(path, &table, NULL), 0);
	free(path);
	return table;
}

/* The process that answers first, 0: none. */
static uint64_t
first(const struct identity_table *t, int64_t time_ns,
      const struct identity_end *end)
{
	const struct identity_socket *found[2];

	return identity_table_find(t, time_ns, end, found) ? found[0]->process
							   : 0;
}

/* nginx: the master listens (1), a worker has the accepted socket (2). */
static void
test_cookie_ends_listener(void **state)
{
	struct identity_socket sockets[] = {
		sample_socket(10, 1, 80, 0),
		sample_socket(11, 2, 80, 40000),
	};
	struct identity_table *t = make_table(state, NULL, 0, sockets, 2);
	struct identity_end end = sample_end(11, 80, 40000);
	const struct identity_socket *found[2];

	assert_int_equal(first(t, 200, &end), 2);
	end.cookie = 0; /* by the ends */
	assert_int_equal(first(t, 200, &end), 2);
	end.cookie = 10; /* the handshake: the listener's cookie */
	assert_int_equal(identity_table_find(t, 200, &end, found), 2);
	assert_int_equal(found[0]->process, 2);
	assert_int_equal(found[1]->process, 1);
	end = sample_end(0, 80, 40001); /* nobody accepted that one */
	assert_int_equal(first(t, 200, &end), 1);
	end.local_port = 81;
	assert_int_equal(first(t, 200, &end), 0);
	identity_table_free(t);
}

/* The same ends three times: each packet has the owner of its time, and one
 * from shortly before the first has the first. */
static void
test_time(void **state)
{
	struct identity_socket sockets[] = {
		sample_socket(1, 1, 40000, 80),
		sample_socket(2, 2, 40000, 80),
		sample_socket(3, 3, 40000, 80),
	};
	struct identity_end end = sample_end(0, 40000, 80);
	struct identity_table *t;

	sockets[0].from_ns = 1000;
	sockets[0].to_ns = 1999;
	sockets[1].from_ns = 2000;
	sockets[1].to_ns = 2999;
	sockets[2].from_ns = 3500;
	t = make_table(state, NULL, 0, sockets, 3);
	assert_int_equal(first(t, 999, &end), 1);
	assert_int_equal(first(t, 1500, &end), 1);
	assert_int_equal(first(t, 2000, &end), 2);
	assert_int_equal(first(t, 3010, &end), 2); /* its last ACK */
	assert_int_equal(first(t, 3490, &end), 3);
	assert_int_equal(first(t, 99999, &end), 3);
	identity_table_free(t);
}

/* A socket that is handed to another process. */
static void
test_two_owners(void **state)
{
	struct identity_socket sockets[] = {
		sample_socket(1, 1, 5432, 40000),
		sample_socket(1, 2, 5432, 40000),
	};
	struct identity_end end = sample_end(1, 5432, 40000);
	struct identity_table *t;

	sockets[1].from_ns = 500;
	t = make_table(state, NULL, 0, sockets, 2);
	assert_int_equal(first(t, 200, &end), 1);
	assert_int_equal(first(t, 500, &end), 2);
	identity_table_free(t);
}

static void
test_namespaces(void **state)
{
	struct identity_socket sockets[] = {
		sample_socket(1, 1, 80, 40000),
		sample_socket(2, 2, 80, 40000),
		sample_socket(3, 3, 81, 40000),
	};
	struct identity_end end = sample_end(0, 80, 40000);
	struct identity_table *t;

	sockets[1].netns_cookie = 7;
	sockets[2].netns_cookie = 7;
	memset(&sockets[2].local, 0, 16);
	sockets[2].local[15] = 1; /* ::1 */
	t = make_table(state, NULL, 0, sockets, 3);
	assert_int_equal(first(t, 200, &end), 1);
	end.netns = 7;
	assert_int_equal(first(t, 200, &end), 2);
	end.netns = 9; /* on its way, seen at a bridge */
	assert_int_not_equal(first(t, 200, &end), 0);
	end.local_port = 81; /* loopback never leaves its namespace */
	memcpy(end.local, sockets[2].local, 16);
	assert_int_equal(first(t, 200, &end), 0);
	end.netns = 7;
	assert_int_equal(first(t, 200, &end), 3);
	identity_table_free(t);
}

static void
test_udp_and_bound_address(void **state)
{
	struct identity_socket sockets[] = {
		sample_socket(1, 1, 53, 0), /* any address */
		sample_socket(2, 2, 53, 0), /* 10.0.0.1 */
		sample_socket(3, 3, 54, 0),
	};
	struct identity_end end = sample_end(0, 53, 40000);
	struct identity_table *t;

	sample_address(sockets[1].local, 1);
	for (size_t i = 0; i < 3; i++) {
		sockets[i].ip_protocol = 17;
		sockets[i].listening = false;
	}
	end.ip_protocol = 17;
	t = make_table(state, NULL, 0, sockets, 3);
	assert_int_equal(first(t, 200, &end), 2);
	end.local[15] = 9;
	assert_int_equal(first(t, 200, &end), 1);
	end.ip_protocol = 6;
	assert_int_equal(first(t, 200, &end), 0);
	identity_table_free(t);
}

/* A source that does not know directions: both ends of a flow on the node. */
static void
test_either(void **state)
{
	struct identity_socket sockets[] = {
		sample_socket(1, 1, 80, 40000),
		sample_socket(2, 2, 40000, 80),
	};
	struct identity_end end = sample_end(0, 80, 40000);
	const struct identity_socket *found[2];
	struct identity_table *t;

	sample_address(sockets[1].local, 2);
	sample_address(sockets[1].remote, 1);
	t = make_table(state, NULL, 0, sockets, 2);
	end.either = true;
	assert_int_equal(identity_table_find(t, 200, &end, found), 2);
	assert_int_equal(found[0]->process, 1);
	assert_int_equal(found[1]->process, 2);
	identity_table_free(t);
}

struct segment_content {
	uint64_t processes[8], sockets[8]; /* ids, cookies */
	struct identity_socket last;
	size_t process_count, socket_count;
};

static void
read_segment(const char *path, struct segment_content *content)
{
	int fd = open(path, O_RDONLY);
	struct input in;
	struct pcapng p;
	struct pcapng_block block;
	struct identity_block identity;

	*content = (struct segment_content){ .process_count = 0 };
	assert_true(fd >= 0);
	assert_int_equal(input_open(&in, fd, NULL), 0);
	pcapng_init(&p, &in);
	while (pcapng_next(&p, &block) == 1) {
		if (block.type != PCAPNG_CUSTOM)
			continue;
		assert_true(identity_decode(block.body, &identity));
		if (identity.kind == IDENTITY_PROCESS) {
			/* Processes come first. */
			assert_int_equal(content->socket_count, 0);
			content->processes[content->process_count++] =
				identity.process.id;
		} else {
			content->last = identity.socket;
			content->sockets[content->socket_count++] =
				identity.socket.cookie;
		}
	}
	assert_null(p.problem);
	pcapng_free(&p);
	input_close(&in);
	close(fd);
}

/* Writes what is wanted into a segment of its own and reads it back. */
static struct identity_table_counts
written(void **state, const struct identity_table *t,
	const struct identity_wanted *wanted, struct segment_content *content)
{
	char *directory = alloc_format("%s/out", (const char *)*state);
	char *path = alloc_format("%s/000001.pcapng.zst", directory);
	struct segment_settings settings = { .directory = directory };
	struct identity_table_counts counts;
	struct segment_writer *w;
	uint32_t interface;

	assert_int_equal(file_make_dirs(directory, NULL), 0);
	w = segment_writer_new(&settings);
	assert_int_equal(segment_writer_interface(w, 101, 0,
						  bytes_make(NULL, 0),
						  &interface, NULL),
			 0);
	assert_int_equal(identity_table_write(t, wanted, w, &counts, NULL), 0);
	assert_int_equal(segment_writer_packet(
				 w,
				 &(struct segment_packet){
					 .data = (const uint8_t *)"E",
					 .captured = 1,
					 .length = 1 },
				 NULL),
			 0);
	assert_int_equal(segment_writer_finish(w, NULL), 0);
	segment_writer_free(w);
	read_segment(path, content);
	assert_int_equal(file_remove_tree(directory, NULL), 0);
	free(path);
	free(directory);
	return counts;
}

static void
test_write_exactly(void **state)
{
	struct identity_process processes[] = {
		sample_process(1, 10, "nginx"),
		sample_process(2, 11, "nginx"),
		sample_process(3, 12, "redis"),
	};
	struct identity_socket sockets[] = {
		sample_socket(10, 1, 80, 0),
		sample_socket(11, 2, 80, 40000),
		sample_socket(12, 3, 6379, 0),
	};
	struct identity_table *t =
		make_table(state, processes, 3, sockets, 3);
	struct identity_wanted *wanted = identity_wanted_new();
	struct identity_end end = sample_end(10, 80, 40000);
	struct segment_content content;
	struct identity_table_counts counts;

	identity_wanted_add(wanted, 200, &end); /* handshake */
	end.cookie = 11;
	identity_wanted_add(wanted, 201, &end);
	identity_wanted_add(wanted, 202, &end);
	end = sample_end(0, 9999, 1);
	identity_wanted_add(wanted, 203, &end); /* nobody's */
	assert_int_equal(identity_wanted_count(wanted), 3);
	counts = written(state, t, wanted, &content);
	assert_int_equal(counts.processes, 2);
	assert_int_equal(counts.sockets, 2);
	assert_int_equal(counts.ends, 3);
	assert_int_equal(counts.unknown, 1);
	assert_int_equal(content.process_count, 2);
	assert_int_equal(content.processes[0] + content.processes[1], 3);
	assert_int_equal(content.socket_count, 2);
	assert_int_equal(content.sockets[0] + content.sockets[1], 21);
	identity_wanted_reset(wanted);
	counts = written(state, t, wanted, &content);
	assert_int_equal(content.process_count + content.socket_count, 0);
	identity_wanted_free(wanted);
	identity_table_free(t);
}

/* Of a connection that was only seen beginning the packets say the ends. */
static void
test_write_completes_ends(void **state)
{
	struct identity_socket socket = sample_socket(5, 1, 0, 80);
	struct identity_table *t = make_table(state, NULL, 0, &socket, 1);
	struct identity_wanted *wanted = identity_wanted_new();
	/* IPv4 10.0.0.1:40000 → 10.0.0.2:80, TCP. */
	static const uint8_t packet[] =
		"\x45\0\0\x28\0\1\0\0\x40\6\0\0\x0a\0\0\1\x0a\0\0\2"
		"\x9c\x40\0\x50\0\0\0\0\0\0\0\0\x50\2\0\0\0\0\0\0";
	struct segment_content content;

	identity_wanted_packet(wanted,
			       &(struct identity_packet){
				       .time_ns = 200,
				       .cookie = 5,
				       .netns = 1,
				       .link_type = 101,
				       .direction = RAW_EGRESS,
				       .data = bytes_make(packet,
							  sizeof(packet) - 1),
			       });
	assert_int_equal(identity_wanted_count(wanted), 1);
	(void)written(state, t, wanted, &content);
	assert_int_equal(content.socket_count, 1);
	assert_int_equal(content.last.local_port, 40000);
	assert_int_equal(content.last.remote_port, 80);
	assert_int_equal(content.last.local[15], 1);
	assert_int_equal(content.last.remote[15], 2);
	identity_wanted_free(wanted);
	identity_table_free(t);
}

static void
test_absent_log(void **state)
{
	struct identity_table *t;
	struct identity_table_counts counts;

	(void)state;
	assert_int_equal(identity_table_load("/nonexistent/log", &t, NULL), 0);
	identity_table_counts(t, &counts);
	assert_int_equal(counts.sockets + counts.processes, 0);
	identity_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookie_ends_listener),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_two_owners),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_udp_and_bound_address),
		cmocka_unit_test(test_either),
		cmocka_unit_test(test_write_exactly),
		cmocka_unit_test(test_write_completes_ends),
		cmocka_unit_test(test_absent_log),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
