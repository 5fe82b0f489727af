/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/export.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "capture/export_file.h"
#include "capture/export_secrets.h"
#include "capture/export_who.h"
#include "capture/home.h"
#include "capture/packet_filter.h"
#include "capture/packet_observer.h"
#include "capture/segment_index.h"
#include "capture/snapshot.h"

#define PACKETS_PER_CHECK 4096
/* What is known of processes and sockets while it is written. */
#define WHO_MEMORY ((size_t)64 << 20)

struct export
{
	const struct export_request *request;
	struct packet_filter *filter;
	struct packet_reader *reader;
	struct export_file *file;
	struct export_who *who;       /* NULL: the format cannot hold it */
	struct segment_index written; /* packets and their times */
	struct export_secrets secrets;
};

static void
export_on_interface(void *context, uint32_t number,
		    const struct pcapng_block *block, bool big_endian)
{
	struct export *x = context;

	export_file_interface(x->file, number, block, big_endian);
}

/* Names are kept unless only some packets are wanted, and of who was there
 * what those packets need; secrets stand in front
 * already if they were asked for; statistics and the rest would be untrue of a
 * part. */
static void
export_on_block(void *context, const struct pcapng_block *block,
		bool big_endian)
{
	struct export *x = context;

	if (block->type == PCAPNG_NAMES && packet_filter_is_open(x->filter))
		export_file_block(x->file, block, big_endian);
	if (block->type == PCAPNG_CUSTOM && x->who)
		export_who_block(x->who, packet_reader_stream(x->reader),
				 block->body);
}

static struct packet_window
window_intersect(struct packet_window a, struct packet_window b)
{
	return (struct packet_window){
		.from_ns = a.from_ns > b.from_ns ? a.from_ns : b.from_ns,
		.to_ns = a.to_ns < b.to_ns ? a.to_ns : b.to_ns,
	};
}

/* Tells how far it is; ERR_CANCELLED when told so. */
static int
export_report(const struct export *x, struct error *e)
{
	const struct export_request *request = x->request;
	struct packet_reader_stats stats = packet_reader_stats(x->reader);

	if (request->cancelled && atomic_load(request->cancelled))
		return error_set(e, ERR_CANCELLED, "the export was cancelled");
	if (request->progress)
		request->progress(request->progress_context, stats.bytes_read,
				  stats.bytes_total);
	return 0;
}

static int
export_one(struct export *x, const struct packet_record *packet,
	   struct error *e)
{
	bool big_endian;
	struct bytes options = packet_reader_options(x->reader, &big_endian);

	if (!packet_filter_matches(x->filter, packet))
		return 0;
	segment_index_packet(&x->written, packet->time_ns, packet->captured,
			     packet->length);
	if (x->who)
		export_who_packet(x->who, packet);
	return export_file_packet(x->file, packet, options, big_endian, e);
}

static int
export_packets(struct export *x, struct error *e)
{
	struct packet_record packet;
	int status = export_report(x, e);

	for (unsigned count = 1; status == 0; count++) {
		int more = packet_reader_next(x->reader, &packet);

		if (more < 0)
			return error_set(e, more,
					 "cannot read a segment of the "
					 "snapshot: %s",
					 err_text(more));
		if (more == 0)
			break;
		status = export_one(x, &packet, e);
		if (status == 0 && count % PACKETS_PER_CHECK == 0)
			status = export_report(x, e);
	}
	if (status == 0 && x->written.packets == 0)
		status = error_set(e, ERR_EMPTY,
				   "no packet of the snapshot matches");
	return status == 0 ? export_report(x, e) : status;
}

/* How many of the TLS handshakes can be decrypted: none is not all. */
static void
export_tell_secrets(const struct export *x, json_t *result)
{
	const struct export_secrets *found = &x->secrets;

	if (!x->request->include_secrets)
		return;
	json_object_set_new(result, "tls_handshakes",
			    json_integer((json_int_t)found->handshakes));
	json_object_set_new(result, "tls_handshakes_with_secrets",
			    json_integer((json_int_t)found->covered));
	json_object_set_new(result, "imported_secrets",
			    json_integer((json_int_t)found->blocks));
	if (found->cut)
		json_object_set_new(result, "secrets_cut", json_true());
}

static json_t *
export_result(const struct export *x, uint64_t size)
{
	char *path = text_printable(bytes_of(x->request->path), 0);
	json_t *result = json_object();

	json_object_set_new(result, "path", json_string(path));
	json_object_set_new(result, "format",
			    json_string(x->request->pcap ? "pcap" : "pcapng"));
	json_object_set_new(result, "packets",
			    json_integer((json_int_t)x->written.packets));
	json_object_set_new(result, "bytes", json_integer((json_int_t)size));
	json_object_set_new(result, "first",
			    segment_time_json(x->written.first_ns));
	json_object_set_new(result, "last",
			    segment_time_json(x->written.last_ns));
	if (x->who && export_who_left_out(x->who) > 0)
		json_object_set_new(
			result, "identities_left_out",
			json_integer((json_int_t)export_who_left_out(x->who)));
	export_tell_secrets(x, result);
	free(path);
	return result;
}

static int
export_write_secrets(struct export *x, const char *home, struct snapshot *s,
		     struct packet_window window, struct error *e)
{
	char *path = home_path(home, "snapshots", x->request->snapshot, NULL);
	const struct export_secrets_request request = {
		.path = path,
		.snapshot = s,
		.window = window,
		.filter = x->filter,
		.cancelled = x->request->cancelled,
	};
	int status = export_secrets_write(&request, x->file, &x->secrets, e);

	free(path);
	return status;
}

/* Of the whole snapshot everybody is kept, of a part those who are in it. */
static struct export_who *
export_identities(const struct export *x)
{
	const struct packet_window *asked = &x->request->window;
	const struct export_who_options options = {
		.file = x->file,
		.all = packet_filter_is_open(x->filter) &&
		       asked->from_ns == INT64_MIN && asked->to_ns == INT64_MAX,
		.memory_limit = WHO_MEMORY,
	};

	return x->request->pcap ? NULL : export_who_new(&options);
}

static int
export_run(struct export *x, const char *home, struct snapshot *s,
	   json_t **result, struct error *e)
{
	struct packet_observer observer = { x, export_on_interface,
					    export_on_block };
	struct packet_window window = window_intersect(
		window_intersect(s->window, x->request->window),
		packet_filter_window(x->filter));
	uint64_t size = 0;
	int status = 0;

	if (x->request->include_secrets)
		status = export_write_secrets(x, home, s, window, e);
	if (status < 0)
		return status;
	x->reader = packet_reader_new(s->segments, s->segment_count, window,
				      snapshot_source(s));
	packet_reader_observe(x->reader, observer);
	x->who = export_identities(x);
	status = export_packets(x, e);
	if (status == 0 && x->who)
		export_who_finish(x->who);
	if (status == 0)
		status = export_file_publish(x->file, &size, e);
	if (status == 0 && result)
		*result = export_result(x, size);
	packet_reader_free(x->reader);
	export_who_free(x->who);
	return status;
}

int
export_snapshot(const char *home, const struct export_request *request,
		json_t **result, struct error *e)
{
	struct error ignored;
	struct export x = { .request = request };
	const struct packet_filter_lists lists = {
		request->addresses,     request->address_count,
		request->ports,         request->port_count,
		request->conversations, request->conversation_count,
	};
	struct snapshot s;
	int status;

	e = e ? e : &ignored;
	if (request->window.from_ns >= request->window.to_ns)
		return error_set(e, ERR_INVALID,
				 "the window ends before it begins");
	if (request->pcap && request->include_secrets)
		return error_set(e, ERR_INVALID,
				 "a classic pcap file cannot hold secrets; "
				 "export as pcapng");
	x.filter = packet_filter_new(&lists, e);
	if (!x.filter)
		return ERR_INVALID;
	status = snapshot_open(home, request->snapshot, &s, e);
	if (status == 0) {
		x.file = export_file_new(request->path, request->pcap, e);
		status = x.file ? export_run(&x, home, &s, result, e) : e->code;
		export_file_free(x.file);
		snapshot_close(&s);
	}
	packet_filter_free(x.filter);
	return status;
}
