/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/export_secrets.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "capture/packet_observer.h"
#include "capture/secrets_resolve.h"
#include "capture/snapshot_secrets.h"
#include "capture/tls_hello.h"

#define PACKETS_PER_CHECK 4096
#define TYPE_TLS_KEY_LOG  0x544c534bu
/* Lines in one block: a line is at most 32 + 2 * (32 + 64) + 3 characters. */
#define LINES_PER_BLOCK   2048u
#define LINE_MAX_SIZE     256u

struct export_scan {
	struct export_file *file;
	struct export_secrets *found;
};

static void
scan_on_interface(void *context, uint32_t number,
		  const struct pcapng_block *block, bool big_endian)
{
	(void)context;
	(void)number;
	(void)block;
	(void)big_endian;
}

/* Secrets that came with an imported file are kept whole. */
static void
scan_on_block(void *context, const struct pcapng_block *block,
	      bool big_endian)
{
	struct export_scan *scan = context;

	if (block->type != PCAPNG_SECRETS)
		return;
	scan->found->blocks++;
	export_file_block(scan->file, block, big_endian);
}

/* Looks through the packets; nothing of them is kept but the handshakes. */
static int
scan_packets(struct packet_reader *r,
	     const struct export_secrets_request *request,
	     struct tls_hellos *hellos)
{
	struct packet_window window = request->window;
	struct packet_record packet;
	int status;

	for (unsigned count = 1;; count++) {
		status = packet_reader_next(r, &packet);
		if (status <= 0)
			return status;
		if (packet.time_ns >= window.from_ns &&
		    packet.time_ns < window.to_ns &&
		    packet_filter_matches(request->filter, &packet))
			tls_hellos_packet(hellos, &packet);
		if (count % PACKETS_PER_CHECK == 0 && request->cancelled &&
		    atomic_load(request->cancelled))
			return ERR_CANCELLED;
	}
}

static int
scan_snapshot(const struct export_secrets_request *request,
	      struct export_scan *scan, struct tls_hellos *hellos,
	      struct error *e)
{
	struct snapshot *s = request->snapshot;
	struct packet_window all = { INT64_MIN, INT64_MAX };
	struct packet_observer observer = { scan, scan_on_interface,
					    scan_on_block };
	struct packet_reader *r = packet_reader_new(
		s->segments, s->segment_count, all, snapshot_source(s));
	int status;

	packet_reader_observe(r, observer);
	status = scan_packets(r, request, hellos);
	packet_reader_free(r);
	if (status == ERR_CANCELLED)
		return error_set(e, status, "the export was cancelled");
	if (status < 0)
		return error_set(e, status,
				 "cannot read a segment of the snapshot: %s",
				 err_text(status));
	return 0;
}

/* Writes one block with a key log. */
static void
export_key_log(struct export_file *file, const struct buf *lines)
{
	struct pcapng_block block = { .type = PCAPNG_SECRETS };
	struct buf body;

	buf_init(&body, lines->size + 16);
	buf_le32(&body, TYPE_TLS_KEY_LOG);
	buf_le32(&body, (uint32_t)lines->size);
	buf_bytes(&body, buf_view(lines));
	while (body.size % 4)
		buf_u8(&body, 0);
	block.body = buf_view(&body);
	export_file_block(file, &block, false);
	explicit_bzero(body.data, body.size);
	buf_free(&body);
}

static void
export_matches(struct export_file *file, const struct secret_list *secrets,
	       const struct tls_hello *hellos,
	       const struct secret_match *matches, size_t count)
{
	struct buf lines;

	buf_init(&lines, (size_t)LINES_PER_BLOCK * LINE_MAX_SIZE);
	for (size_t i = 0; i < count; i += LINES_PER_BLOCK) {
		size_t size = count - i < LINES_PER_BLOCK ? count - i
							  : LINES_PER_BLOCK;

		secrets_key_log(&lines, secrets, hellos, matches + i, size);
		export_key_log(file, &lines);
		explicit_bzero(lines.data, lines.size);
		buf_reset(&lines);
	}
	buf_free(&lines);
}

/* Handshakes that have a secret. */
static uint64_t
export_covered(const struct secret_match *matches, size_t count)
{
	uint64_t covered = 0;

	for (size_t i = 0; i < count; i++)
		covered += i == 0 || matches[i].hello != matches[i - 1].hello;
	return covered;
}

int
export_secrets_write(const struct export_secrets_request *request,
		     struct export_file *file, struct export_secrets *found,
		     struct error *e)
{
	struct export_scan scan = { file, found };
	struct tls_hellos *hellos = tls_hellos_new();
	struct secret_list secrets = { .items = NULL };
	struct secret_match *matches = NULL;
	const struct tls_hello *list;
	size_t count, match_count;
	int status;

	*found = (struct export_secrets){ .handshakes = 0 };
	status = scan_snapshot(request, &scan, hellos, e);
	if (status == 0)
		status = snapshot_secrets_load(request->path,
					       request->snapshot->manifest,
					       &secrets, e);
	if (status == 0) {
		list = tls_hellos_list(hellos, &count);
		match_count = secrets_resolve(&secrets, list, count, &matches);
		export_matches(file, &secrets, list, matches, match_count);
		found->handshakes = count;
		found->covered = export_covered(matches, match_count);
		found->cut = secrets.cut || tls_hellos_dropped(hellos) > 0;
	}
	free(matches);
	secrets_free(&secrets);
	tls_hellos_free(hellos);
	return status;
}
