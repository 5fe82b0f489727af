/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture_file.h"

#include <stdlib.h>

#include "base/text.h"

/* How much of a file that is none is shown. */
#define SHOWN_BYTES 16

static int
capture_file_unknown(struct capture_file *f, const char *name, struct error *e)
{
	struct bytes start =
		bytes_make(f->input.at, input_available(&f->input));
	char *shown;

	if (f->input.status < 0)
		return error_set(e,
				 f->input.status == ERR_TRUNCATED
					 ? ERR_CORRUPT
					 : f->input.status,
				 "%s: %s", name, input_problem(&f->input));
	if (start.size == 0)
		return error_set(e, ERR_CORRUPT, "%s is empty", name);
	shown = text_printable(bytes_first(start, SHOWN_BYTES), 0);
	error_set(e, ERR_CORRUPT,
		  "%s is not a capture file (it begins with \"%s\"); pcap and "
		  "pcapng are read, also compressed with gzip, zstd or lz4",
		  name, shown);
	free(shown);
	return ERR_CORRUPT;
}

int
capture_file_open(struct capture_file *f, int fd, const char *name,
		  const atomic_bool *cancelled, struct error *e)
{
	struct bytes start;
	int status;

	*f = (struct capture_file){ .is_pcapng = false };
	status = input_open(&f->input, fd, cancelled);
	if (status < 0)
		return error_set(e, status, "%s: %s", name,
				 input_problem(&f->input));
	input_need(&f->input, PCAP_HEADER);
	start = bytes_make(f->input.at, input_available(&f->input));
	if (pcapng_detect(start)) {
		f->is_pcapng = true;
		pcapng_init(&f->pcapng, &f->input);
		return 0;
	}
	if (!pcap_detect(start))
		return capture_file_unknown(f, name, e);
	status = pcap_open(&f->pcap, &f->input);
	if (status < 0)
		return error_set(e,
				 status == ERR_TRUNCATED ? ERR_CORRUPT : status,
				 "%s is not a whole capture file: %s", name,
				 f->pcap.problem);
	return 0;
}

void
capture_file_close(struct capture_file *f)
{
	pcapng_free(&f->pcapng);
	input_close(&f->input);
}

static int
capture_file_next_pcap(struct capture_file *f, struct capture_event *event)
{
	const struct pcap_file *pcap = &f->pcap;

	event->big_endian = pcap->big_endian;
	if (f->described) {
		event->kind = CAPTURE_EVENT_PACKET;
		return pcap_next(&f->pcap, &event->packet);
	}
	f->described = true;
	event->kind = CAPTURE_EVENT_INTERFACE;
	event->options = bytes_make(NULL, 0);
	event->fcs_length = pcap->fcs_length;
	event->interface = (struct pcapng_interface){
		.link_type = pcap->link_type,
		.tsresol = pcap->nanoseconds ? 9 : 6,
		.snaplen = pcap->snaplen,
	};
	return 1;
}

static int
capture_file_next_pcapng(struct capture_file *f, struct capture_event *event)
{
	struct pcapng *p = &f->pcapng;
	int status = pcapng_next(p, &event->block);

	if (status <= 0)
		return status;
	event->big_endian = p->big_endian;
	if (pcapng_is_packet(event->block.type)) {
		event->kind = CAPTURE_EVENT_PACKET;
		status = pcapng_packet(p, &event->block, &event->packet);
		return status < 0 ? status : 1;
	}
	event->kind = CAPTURE_EVENT_BLOCK;
	if (event->block.type == PCAPNG_SECTION) {
		event->kind = CAPTURE_EVENT_SECTION;
		event->options = bytes_from(event->block.body, 16);
	} else if (event->block.type == PCAPNG_INTERFACE) {
		event->kind = CAPTURE_EVENT_INTERFACE;
		event->options = bytes_from(event->block.body, 8);
		event->fcs_length = 0;
		event->interface = p->interfaces[p->interface_count - 1];
	}
	return 1;
}

int
capture_file_next(struct capture_file *f, struct capture_event *event)
{
	return f->is_pcapng ? capture_file_next_pcapng(f, event)
			    : capture_file_next_pcap(f, event);
}

const char *
capture_file_problem(const struct capture_file *f)
{
	const char *problem =
		f->is_pcapng ? f->pcapng.problem : f->pcap.problem;

	return problem ? problem : "it cannot be read";
}

uint64_t
capture_file_offset(const struct capture_file *f)
{
	return f->is_pcapng ? f->pcapng.offset : f->pcap.offset;
}
