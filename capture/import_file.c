/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/import_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "capture/capture_file.h"
#include "capture/identity/identity_block.h"
#include "capture/key_log.h"
#include "capture/link_types.h"
#include "capture/pcapng_convert.h"

#define EVENTS_PER_CHECK 256
#define PROGRESS_BYTES   ((uint64_t)4 << 20)
#define PROGRESS_NS      (100 * CLOCK_NS_PER_MS)
#define WARNINGS_MAX     100
/* A file's processes have numbers below this power of two. */
#define FILE_ID_SHIFT    40

/* What an interface of the current section has become. */
struct import_interface {
	uint32_t id; /* in the capture */
	uint16_t link_type;
	uint64_t drops; /* as its latest statistics block told */
};

struct import_source {
	struct import *import;
	const char *name;
	struct capture_file file;
	struct import_interface *interfaces;
	uint32_t interface_count;
	uint32_t interface_capacity;
	struct buf scratch; /* the options or body being converted */
	uint64_t packets;
	uint64_t untimed;  /* packets without a time of their own */
	uint64_t left_out; /* blocks too large to be kept */
	bool has_section;  /* options for the section header are known */
};

__attribute__((format(printf, 2, 3))) static void
import_warn(struct import *import, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list arguments;

	if (json_array_size(import->warnings) >= WARNINGS_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_array_append_new(import->warnings, json_string(text));
}

/* Converted options of the current event, borrowed. */
static struct bytes
import_options(struct import_source *s, uint32_t block,
	       const struct capture_event *event, struct bytes options)
{
	buf_reset(&s->scratch);
	pcapng_convert_options(&s->scratch, block, options, event->big_endian);
	return buf_view(&s->scratch);
}

/* Comments, hardware and system of the first section go into our headers. */
static void
import_section(struct import_source *s, const struct capture_event *event)
{
	struct bytes options = event->options;
	struct pcapng_option option;

	s->interface_count = 0;
	if (s->has_section)
		return;
	s->has_section = true;
	buf_reset(&s->scratch);
	while (pcapng_option_next(&options, event->big_endian, &option))
		if (option.code == PCAPNG_OPTION_COMMENT ||
		    option.code == PCAPNG_SECTION_HARDWARE ||
		    option.code == PCAPNG_SECTION_OS)
			pcapng_put_option(&s->scratch, option.code,
					  option.value);
	segment_writer_section(s->import->writer, buf_view(&s->scratch));
}

static int
import_interface(struct import_source *s, const struct capture_event *event,
		 struct error *e)
{
	struct import_interface *interface;
	struct bytes options =
		import_options(s, PCAPNG_INTERFACE, event, event->options);

	if (event->fcs_length > 0) {
		pcapng_put_option(&s->scratch, PCAPNG_INTERFACE_FCSLEN,
				  bytes_make(&event->fcs_length, 1));
		options = buf_view(&s->scratch);
	}
	if (s->interface_count == s->interface_capacity) {
		s->interface_capacity = s->interface_capacity * 2 + 8;
		s->interfaces =
			alloc_resize(s->interfaces, s->interface_capacity,
				     sizeof(*s->interfaces));
	}
	interface = &s->interfaces[s->interface_count++];
	*interface = (struct import_interface){
		.link_type = event->interface.link_type,
	};
	return segment_writer_interface(
		s->import->writer, event->interface.link_type,
		event->interface.snaplen, options, &interface->id, e);
}

static int
import_unsupported(const struct import_source *s, uint16_t link_type,
		   struct error *e)
{
	char name[LINK_TYPE_TEXT];

	return error_set(e, ERR_UNSUPPORTED,
			 "packet %" PRIu64 " of %s has link type %s (%u), "
			 "which cannot be dissected; supported are %s",
			 s->packets + 1, s->name,
			 link_type_name(link_type, name), link_type,
			 link_types_supported);
}

/* The options of a packet as our segments have them. */
static struct bytes
import_packet_options(struct import_source *s,
		      const struct capture_event *event, uint64_t *drops)
{
	const struct pcapng_packet *packet = &event->packet;
	uint8_t count[8] = { 0 };
	struct bytes options;

	if (packet->options.size == 0 && packet->drops == 0)
		return bytes_make(NULL, 0);
	options = import_options(s, PCAPNG_ENHANCED_PACKET, event,
				 packet->options);
	*drops = packet->drops;
	if (packet->drops == 0) {
		*drops = pcapng_option_u64(options, false,
					   PCAPNG_PACKET_DROPCOUNT);
		return options;
	}
	for (int i = 0; i < 4; i++)
		count[i] = (uint8_t)(packet->drops >> 8 * i);
	pcapng_put_option(&s->scratch, PCAPNG_PACKET_DROPCOUNT,
			  bytes_make(count, sizeof(count)));
	return buf_view(&s->scratch);
}

static int
import_packet(struct import_source *s, const struct capture_event *event,
	      struct error *e)
{
	const struct pcapng_packet *packet = &event->packet;
	const struct import_interface *interface =
		&s->interfaces[packet->interface];
	struct segment_packet out = {
		.time_ns = packet->time_ns,
		.data = packet->data,
		.captured = packet->captured,
		.length = packet->length,
		.interface = interface->id,
	};
	int status;

	if (!link_type_supported(interface->link_type))
		return import_unsupported(s, interface->link_type, e);
	out.options = import_packet_options(s, event, &out.drops);
	s->untimed += !packet->timed;
	status = segment_writer_packet(s->import->writer, &out, e);
	if (status == ERR_LIMIT && out.options.size > 0) {
		out.options = bytes_make(NULL, 0);
		s->left_out++;
		status = segment_writer_packet(s->import->writer, &out, e);
	}
	if (status < 0)
		return status;
	s->packets++;
	s->import->progress.packets++;
	return 0;
}

/* Packets that a statistics block reports lost since the one before. */
static uint64_t
import_new_drops(struct import_interface *interface, struct bytes options,
		 bool big_endian)
{
	uint64_t before = interface->drops;

	interface->drops = pcapng_option_u64(options, big_endian,
					     PCAPNG_STATISTICS_IFDROP) +
			   pcapng_option_u64(options, big_endian,
					     PCAPNG_STATISTICS_OSDROP);
	return interface->drops > before ? interface->drops - before : 0;
}

/*
 * Recorders number processes from one on: those of another file are others.
 * Numbers stay small, and those of the first file what they were.
 */
static void
import_renumber(struct import_source *s)
{
	uint64_t base = (uint64_t)s->import->file_number << FILE_ID_SHIFT;
	struct identity_block block;
	struct buf body;

	if (base == 0 || !identity_decode(buf_view(&s->scratch), &block))
		return;
	buf_init(&body, PCAPNG_BLOCK_MAX * 2);
	if (block.kind == IDENTITY_PROCESS) {
		block.process.id += base;
		identity_encode_process(&body, &block.process);
	} else {
		if (block.socket.process != 0)
			block.socket.process += base;
		identity_encode_socket(&body, &block.socket);
	}
	while (body.size % 4 != 0)
		buf_u8(&body, 0);
	buf_reset(&s->scratch);
	buf_bytes(&s->scratch, buf_view(&body));
	buf_free(&body);
}

static int
import_block(struct import_source *s, const struct capture_event *event,
	     struct error *e)
{
	struct bytes body = event->block.body;
	uint64_t drops = 0;
	int status;

	buf_reset(&s->scratch);
	if (event->block.type == PCAPNG_SECRETS)
		(void)key_log_visit(key_log_of_block(body, event->big_endian),
				    0, secrets_list_add, &s->import->secrets);
	if (event->block.type == PCAPNG_STATISTICS) {
		uint32_t index;

		if (body.size < 12)
			return 0;
		index = pcapng_u32(body.data, event->big_endian);
		if (index >= s->interface_count)
			return 0;
		drops = import_new_drops(&s->interfaces[index],
					 bytes_from(body, 12),
					 event->big_endian);
		pcapng_convert_statistics(&s->scratch, body, event->big_endian,
					  &s->file.pcapng.interfaces[index],
					  s->interfaces[index].id);
	} else {
		pcapng_convert_body(&s->scratch, event->block.type, body,
				    event->big_endian);
	}
	if (event->block.type == PCAPNG_CUSTOM)
		import_renumber(s);
	status = segment_writer_block(s->import->writer, event->block.type,
				      buf_view(&s->scratch), drops, e);
	s->left_out += status == ERR_LIMIT;
	return status == ERR_LIMIT ? 0 : status;
}

static int
import_event(struct import_source *s, const struct capture_event *event,
	     struct error *e)
{
	switch (event->kind) {
	case CAPTURE_EVENT_SECTION:
		import_section(s, event);
		return 0;
	case CAPTURE_EVENT_INTERFACE:
		return import_interface(s, event, e);
	case CAPTURE_EVENT_PACKET:
		return import_packet(s, event, e);
	case CAPTURE_EVENT_BLOCK:
		break;
	}
	return import_block(s, event, e);
}

/* Tells how far it is when that is due; ERR_CANCELLED when told so. */
static int
import_report(struct import_source *s, bool due, struct error *e)
{
	struct import *import = s->import;
	const struct import_request *request = import->request;
	struct import_progress *progress = &import->progress;
	int64_t now = clock_monotonic_ns();

	if (request->cancelled && atomic_load(request->cancelled))
		return error_set(e, ERR_CANCELLED, "the import was cancelled");
	progress->file = s->name;
	progress->bytes_read = import->bytes_before + s->file.input.stored;
	progress->segments = segment_writer_count(import->writer);
	if (!due && now - import->reported_ns < PROGRESS_NS &&
	    progress->bytes_read - import->reported_bytes < PROGRESS_BYTES)
		return 0;
	import->reported_ns = now;
	import->reported_bytes = progress->bytes_read;
	if (request->progress)
		request->progress(request->progress_context, progress);
	return 0;
}

/* Damage is a warning, a failing disk is not. */
static int
import_broken(struct import_source *s, int status, struct error *e)
{
	const char *problem = capture_file_problem(&s->file);
	bool is_sentence = strncmp(problem, "it ", 3) == 0;
	bool compressed = s->file.input.compression != COMPRESSION_NONE;

	if (status == ERR_CANCELLED)
		return error_set(e, status, "the import was cancelled");
	if (status != ERR_CORRUPT && status != ERR_TRUNCATED)
		return error_set(e, status, "%s: %s", s->name, problem);
	if (s->file.is_pcapng && s->file.pcapng.section == 0)
		return error_set(e, ERR_CORRUPT,
				 "%s is not a whole capture file: %s", s->name,
				 problem);
	/* "x.pcap ends inside a packet", "x.pcap: the gzip data is damaged" */
	import_warn(s->import,
		    "%s%s%s at byte %" PRIu64 "%s; the %" PRIu64
		    " packets before it were kept",
		    s->name, is_sentence ? "" : ": ",
		    is_sentence ? problem + 2 : problem,
		    capture_file_offset(&s->file),
		    compressed ? " of the uncompressed data" : "", s->packets);
	return 0;
}

static int
import_events(struct import_source *s, struct error *e)
{
	struct capture_event event = { .kind = CAPTURE_EVENT_BLOCK };
	int status = 0;

	for (unsigned count = 0; status == 0; count++) {
		int more = capture_file_next(&s->file, &event);

		if (more < 0)
			return import_broken(s, more, e);
		if (more == 0)
			break;
		status = import_event(s, &event, e);
		if (status == 0 && count % EVENTS_PER_CHECK == 0)
			status = import_report(s, false, e);
	}
	return status;
}

int
import_file(struct import *import, int fd, const char *name, struct error *e)
{
	struct import_source s = { .import = import, .name = name };
	int status = capture_file_open(&s.file, fd, name,
				       import->request->cancelled, e);

	buf_init(&s.scratch, PCAPNG_BLOCK_MAX * 2);
	if (status == 0)
		status = import_events(&s, e);
	if (status == 0)
		status = import_report(&s, true, e);
	if (s.untimed > 0)
		import_warn(import,
			    "%s: %" PRIu64 " simple packets have no time; each "
			    "was given that of the packet before it",
			    name, s.untimed);
	if (s.left_out > 0)
		import_warn(import,
			    "%s: %" PRIu64 " oversized blocks or packet "
			    "comments were left out",
			    name, s.left_out);
	import->bytes_before += s.file.input.stored;
	buf_free(&s.scratch);
	free(s.interfaces);
	capture_file_close(&s.file);
	return status;
}
