/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives capture/ from scripts:
 *
 *   capture_tool import HOME NAME FILE…
 *   capture_tool snapshot HOME NAME [FROM_NS TO_NS [CAPTURE…]]
 *   capture_tool packets HOME SNAPSHOT     one line a packet: ns, lengths, data
 *   capture_tool count HOME SNAPSHOT       reads all and counts
 *   capture_tool verify|delete HOME SNAPSHOT
 *   capture_tool export HOME SNAPSHOT pcap|pcapng|secrets OUT [ADDRESS…]
 *   capture_tool each HOME FILE…  imports, snapshots, reads and deletes each
 *                                 file on its own; damage is no failure
 *
 * Prints JSON or lines on stdout; exit status 1 and the sentence on stderr
 * when something fails.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "capture/capture.h"
#include "capture/export.h"
#include "capture/packet_reader.h"
#include "capture/snapshot.h"

static int
tool_print(int status, json_t *object)
{
	if (status == 0 && object)
		json_dumpf(object, stdout, JSON_INDENT(1));
	json_decref(object);
	return status;
}

static int
tool_import(const char *home, int argc, char **argv, struct error *e)
{
	struct import_request request = {
		.name = argv[0][0] ? argv[0] : NULL,
		.files = (const char *const *)argv + 1,
		.file_count = (size_t)argc - 1,
	};
	const char *level = getenv("LEVEL");
	const char *bytes = getenv("SEGMENT_BYTES");
	json_t *capture = NULL;

	if (level)
		request.compression_level = atoi(level);
	if (bytes)
		request.segment_bytes = strtoull(bytes, NULL, 10);
	return tool_print(capture_import(home, &request, &capture, e), capture);
}

static int
tool_snapshot(const char *home, int argc, char **argv, struct error *e)
{
	struct snapshot_request request = {
		.name = argv[0],
		.window = { INT64_MIN, INT64_MAX },
	};
	json_t *manifest = NULL;

	if (argc >= 3) {
		request.window.from_ns = strtoll(argv[1], NULL, 10);
		request.window.to_ns = strtoll(argv[2], NULL, 10);
		request.captures = (const char *const *)argv + 3;
		request.capture_count = (size_t)argc - 3;
	}
	return tool_print(snapshot_create(home, &request, &manifest, e),
			  manifest);
}

static void
tool_print_packet(const struct packet_record *packet)
{
	printf("%" PRId64 " %u %u %u %u ", packet->time_ns, packet->captured,
	       packet->length, packet->link_type, packet->interface);
	for (uint32_t i = 0; i < packet->captured; i++)
		printf("%02x", packet->data[i]);
	printf("\n");
}

static int
tool_packets(const char *home, const char *name, int print, struct error *e)
{
	struct snapshot s;
	struct packet_record packet;
	struct packet_reader *r;
	struct packet_reader_stats stats;
	int64_t begin = clock_monotonic_ns();
	int status = snapshot_open(home, name, &s, e);

	if (status < 0)
		return status;
	r = packet_reader_new(s.segments, s.segment_count, s.window,
			      snapshot_source(&s));
	while ((status = packet_reader_next(r, &packet)) > 0)
		if (print)
			tool_print_packet(&packet);
	stats = packet_reader_stats(r);
	if (!print)
		printf("packets %" PRIu64 " outside %" PRIu64
		       " read %" PRIu64 "/%" PRIu64 " damaged %" PRIu64
		       " ns/packet %.1f\n",
		       stats.packets, stats.packets_outside, stats.bytes_read,
		       stats.bytes_total, stats.damaged_segments,
		       (double)(clock_monotonic_ns() - begin) /
			       (double)(stats.packets + 1));
	packet_reader_free(r);
	snapshot_close(&s);
	return status < 0 ? error_set(e, status, "reading failed") : 0;
}

static int
tool_export(const char *home, int argc, char **argv, struct error *e)
{
	struct export_request request = {
		.snapshot = argv[0],
		.pcap = argc > 1 && strcmp(argv[1], "pcap") == 0,
		.include_secrets = argc > 1 && strcmp(argv[1], "secrets") == 0,
		.path = argc > 2 ? argv[2] : "",
		.window = { INT64_MIN, INT64_MAX },
	};
	json_t *result = NULL;
	int status;

	if (argc > 3) {
		request.addresses = (const char *const *)argv + 3;
		request.address_count = (size_t)argc - 3;
	}
	status = export_snapshot(home, &request, &result, e);
	return tool_print(status, result);
}

/* Imports one file and reads it back; only what must not happen is an error. */
static int
tool_one(const char *home, const char *file, struct error *e)
{
	struct import_request import = { .name = "each", .files = &file,
					 .file_count = 1 };
	struct snapshot_request snapshot = {
		.name = "each", .window = { INT64_MIN, INT64_MAX },
	};
	json_t *capture = NULL, *manifest = NULL;
	struct snapshot s;
	struct packet_record packet;
	struct packet_reader *r;
	uint64_t sum = 0;
	int status = capture_import(home, &import, &capture, e);

	if (status < 0) {
		printf("%s: %s\n", err_name(status), e->text);
		return status == ERR_CORRUPT || status == ERR_UNSUPPORTED ||
				       status == ERR_LIMIT
			       ? 0
			       : status;
	}
	printf("%s: %" JSON_INTEGER_FORMAT " packets, %zu warnings\n", file,
	       json_integer_value(json_object_get(capture, "packets")),
	       json_array_size(json_object_get(capture, "warnings")));
	status = snapshot_create(home, &snapshot, &manifest, e);
	if (status == 0 && snapshot_open(home, "each", &s, e) == 0) {
		r = packet_reader_new(s.segments, s.segment_count, s.window,
				      snapshot_source(&s));
		while ((status = packet_reader_next(r, &packet)) > 0)
			for (uint32_t i = 0; i < packet.captured; i++)
				sum += packet.data[i];
		if (packet_reader_stats(r).packets !=
			    (uint64_t)json_integer_value(json_object_get(
				    capture, "packets")) ||
		    packet_reader_stats(r).damaged_segments > 0)
			status = error_set(e, ERR_INTERNAL,
					   "%s: not all packets come back (%"
					   PRIu64 ")", file, sum);
		packet_reader_free(r);
		snapshot_close(&s);
		if (status == 0)
			status = snapshot_delete(home, "each", e);
	} else if (status == ERR_EMPTY) {
		status = 0;
	}
	json_decref(capture);
	json_decref(manifest);
	return status < 0 ? status : capture_delete(home, "each", e);
}

static int
tool_each(const char *home, int argc, char **argv, struct error *e)
{
	int status = 0;

	for (int i = 0; i < argc && status == 0; i++)
		status = tool_one(home, argv[i], e);
	return status;
}

static int
tool_run(int argc, char **argv, struct error *e)
{
	const char *command = argc > 3 ? argv[1] : "";

	if (strcmp(command, "import") == 0)
		return tool_import(argv[2], argc - 3, argv + 3, e);
	if (strcmp(command, "snapshot") == 0)
		return tool_snapshot(argv[2], argc - 3, argv + 3, e);
	if (strcmp(command, "packets") == 0)
		return tool_packets(argv[2], argv[3], 1, e);
	if (strcmp(command, "count") == 0)
		return tool_packets(argv[2], argv[3], 0, e);
	if (strcmp(command, "verify") == 0)
		return snapshot_verify(argv[2], argv[3], NULL, e);
	if (strcmp(command, "delete") == 0)
		return snapshot_delete(argv[2], argv[3], e);
	if (strcmp(command, "export") == 0)
		return tool_export(argv[2], argc - 3, argv + 3, e);
	if (strcmp(command, "each") == 0)
		return tool_each(argv[2], argc - 3, argv + 3, e);
	return error_set(e, ERR_INVALID, "see the comment in capture_tool.c");
}

int
main(int argc, char **argv)
{
	struct error e = { .code = 0 };
	int status = tool_run(argc, argv, &e);

	if (status < 0)
		fprintf(stderr, "%s: %s\n", err_name(status), e.text);
	return status < 0 ? 1 : 0;
}
