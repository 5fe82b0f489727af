/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/export_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "capture/link_types.h"
#include "capture/pcapng_convert.h"

#define OUTPUT_SIZE      ((size_t)256 << 10)
#define DESCRIPTIONS_MAX ((size_t)64 << 20)
#define PCAP_SNAPLEN     262144
#define PCAP_MAGIC_NS    0xa1b23c4du
#define NOT_WRITTEN      UINT32_MAX

/* An interface of the reader, by its number. */
struct export_interface {
	size_t offset;    /* of its block in `descriptions` … */
	uint32_t size;    /* … and the size of that; 0: unknown */
	uint32_t written; /* its id in the file, or NOT_WRITTEN */
};

struct export_file {
	char *path, *temporary;
	int fd;
	int status; /* of the first write that failed */
	bool pcap;
	bool begun;         /* pcap: the header is written */
	uint16_t link_type; /* pcap: of all packets */
	uint64_t size;
	uint32_t written; /* interfaces in the file */
	struct buf output;
	struct buf scratch;
	struct buf descriptions;
	struct export_interface *interfaces;
	uint32_t interface_count;
	uint32_t interface_capacity;
};

static void
export_flush(struct export_file *f)
{
	assert(!f->output.failed && !f->scratch.failed);
	if (f->status == 0)
		f->status =
			file_write_all(f->fd, f->output.data, f->output.size);
	f->size += f->output.size;
	buf_reset(&f->output);
}

/* Room for one more block or record. */
static void
export_room(struct export_file *f)
{
	if (f->output.size >= OUTPUT_SIZE)
		export_flush(f);
}

static void
export_section(struct export_file *f)
{
	uint32_t size;

	buf_init(&f->scratch, PCAPNG_BLOCK_MAX * 2);
	if (f->pcap)
		return;
	pcapng_put_option(&f->scratch, PCAPNG_SECTION_APPLICATION,
			  bytes_of("aftertap"));
	size = (uint32_t)f->scratch.size + 32;
	buf_le32(&f->output, PCAPNG_SECTION);
	buf_le32(&f->output, size);
	buf_le32(&f->output, PCAPNG_BYTE_ORDER);
	buf_le32(&f->output, 1); /* version 1.0 */
	buf_le64(&f->output, UINT64_MAX);
	buf_bytes(&f->output, buf_view(&f->scratch));
	buf_le32(&f->output, 0);
	buf_le32(&f->output, size);
}

struct export_file *
export_file_new(const char *path, bool pcap, struct error *e)
{
	struct export_file *f = alloc_zero(1, sizeof(*f));

	f->pcap = pcap;
	f->path = alloc_string(path);
	f->temporary = alloc_format("%s.XXXXXX", path);
	f->fd = mkostemp(f->temporary, O_CLOEXEC);
	buf_init(&f->output, OUTPUT_SIZE + (size_t)PCAPNG_BLOCK_MAX * 2);
	buf_init(&f->descriptions, DESCRIPTIONS_MAX);
	if (f->fd < 0) {
		error_set_errno(e, errno, "cannot create %s", path);
		free(f->temporary);
		f->temporary = NULL;
		export_file_free(f);
		return NULL;
	}
	export_section(f);
	return f;
}

void
export_file_free(struct export_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	if (f->temporary)
		unlink(f->temporary);
	free(f->temporary);
	free(f->path);
	free(f->interfaces);
	buf_free(&f->output);
	buf_free(&f->scratch);
	buf_free(&f->descriptions);
	free(f);
}

/* The entry of an interface, made when there is none. */
static struct export_interface *
export_interface_at(struct export_file *f, uint32_t number)
{
	while (f->interface_count <= number) {
		if (f->interface_count == f->interface_capacity) {
			f->interface_capacity = f->interface_capacity * 2 + 8;
			f->interfaces = alloc_resize(f->interfaces,
						     f->interface_capacity,
						     sizeof(*f->interfaces));
		}
		f->interfaces[f->interface_count++] =
			(struct export_interface){ .written = NOT_WRITTEN };
	}
	return &f->interfaces[number];
}

/* An interface description block from its fields and options. */
static void
export_describe(struct buf *out, uint16_t link_type, uint32_t snaplen,
		struct bytes options)
{
	static const uint8_t nanoseconds = 9;
	uint32_t size = (uint32_t)options.size + PCAPNG_OVERHEAD + 8 + 8 + 4;

	buf_le32(out, PCAPNG_INTERFACE);
	buf_le32(out, size);
	buf_le16(out, link_type);
	buf_le16(out, 0);
	buf_le32(out, snaplen);
	buf_bytes(out, options);
	pcapng_put_option(out, PCAPNG_INTERFACE_TSRESOL,
			  bytes_make(&nanoseconds, 1));
	buf_le32(out, 0);
	buf_le32(out, size);
}

void
export_file_interface(struct export_file *f, uint32_t number,
		      const struct pcapng_block *block, bool big_endian)
{
	struct export_interface *interface = export_interface_at(f, number);
	struct bytes body = block->body;
	size_t before = f->descriptions.size;

	if (f->pcap || body.size < 8)
		return;
	buf_reset(&f->scratch);
	pcapng_convert_options(&f->scratch, PCAPNG_INTERFACE,
			       bytes_from(body, 8), big_endian);
	/* Past the limit it is written without its options. */
	if (before + f->scratch.size + 64 > DESCRIPTIONS_MAX)
		return;
	export_describe(&f->descriptions, pcapng_u16(body.data, big_endian),
			pcapng_u32(body.data + 4, big_endian),
			buf_view(&f->scratch));
	interface->offset = before;
	interface->size = (uint32_t)(f->descriptions.size - before);
}

/* Writes an interface when its first packet comes; returns its id. */
static uint32_t
export_use_interface(struct export_file *f, const struct packet_record *packet)
{
	struct export_interface *interface =
		export_interface_at(f, packet->interface);

	if (interface->written != NOT_WRITTEN)
		return interface->written;
	interface->written = f->written++;
	if (interface->size > 0)
		buf_append(&f->output, f->descriptions.data + interface->offset,
			   interface->size);
	else
		export_describe(&f->output, packet->link_type, 0,
				bytes_make(NULL, 0));
	return interface->written;
}

void
export_file_block(struct export_file *f, const struct pcapng_block *block,
		  bool big_endian)
{
	uint32_t size;

	if (f->pcap)
		return;
	export_room(f);
	buf_reset(&f->scratch);
	pcapng_convert_body(&f->scratch, block->type, block->body, big_endian);
	size = (uint32_t)f->scratch.size + PCAPNG_OVERHEAD;
	buf_le32(&f->output, block->type);
	buf_le32(&f->output, size);
	buf_bytes(&f->output, buf_view(&f->scratch));
	buf_le32(&f->output, size);
}

static void
export_pcapng_packet(struct export_file *f, const struct packet_record *packet,
		     struct bytes options, bool big_endian)
{
	static const uint8_t zeroes[4];
	uint32_t id = export_use_interface(f, packet);
	size_t padding = (4 - packet->captured % 4) % 4;
	uint64_t stamp = (uint64_t)packet->time_ns;
	uint32_t size;

	buf_reset(&f->scratch);
	pcapng_convert_options(&f->scratch, PCAPNG_ENHANCED_PACKET, options,
			       big_endian);
	if (f->scratch.size > 0)
		buf_le32(&f->scratch, 0);
	size = (uint32_t)(PCAPNG_OVERHEAD + PCAPNG_EPB_FIXED +
			  packet->captured + padding + f->scratch.size);
	buf_le32(&f->output, PCAPNG_ENHANCED_PACKET);
	buf_le32(&f->output, size);
	buf_le32(&f->output, id);
	buf_le32(&f->output, (uint32_t)(stamp >> 32));
	buf_le32(&f->output, (uint32_t)stamp);
	buf_le32(&f->output, packet->captured);
	buf_le32(&f->output, packet->length);
	buf_append(&f->output, packet->data, packet->captured);
	buf_append(&f->output, zeroes, padding);
	buf_bytes(&f->output, buf_view(&f->scratch));
	buf_le32(&f->output, size);
}

static void
export_pcap_header(struct export_file *f, uint16_t link_type)
{
	f->begun = true;
	f->link_type = link_type;
	buf_le32(&f->output, PCAP_MAGIC_NS);
	buf_le16(&f->output, 2);
	buf_le16(&f->output, 4);
	buf_le64(&f->output, 0); /* time zone and accuracy: always 0 */
	buf_le32(&f->output, PCAP_SNAPLEN);
	buf_le32(&f->output, link_type);
}

static int
export_pcap_packet(struct export_file *f, const struct packet_record *packet,
		   struct error *e)
{
	char first[LINK_TYPE_TEXT], second[LINK_TYPE_TEXT];

	if (!f->begun)
		export_pcap_header(f, packet->link_type);
	if (f->link_type != packet->link_type)
		return error_set(e, ERR_UNSUPPORTED,
				 "a classic pcap file holds one link type, and "
				 "the packets have several (%s and %s); export "
				 "as pcapng",
				 link_type_name(f->link_type, first),
				 link_type_name(packet->link_type, second));
	if (packet->time_ns / CLOCK_NS_PER_S > UINT32_MAX)
		return error_set(e, ERR_UNSUPPORTED,
				 "a classic pcap file ends in the year 2106, "
				 "and a packet is later; export as pcapng");
	buf_le32(&f->output, (uint32_t)(packet->time_ns / CLOCK_NS_PER_S));
	buf_le32(&f->output, (uint32_t)(packet->time_ns % CLOCK_NS_PER_S));
	buf_le32(&f->output, packet->captured);
	buf_le32(&f->output, packet->length);
	buf_append(&f->output, packet->data, packet->captured);
	return 0;
}

int
export_file_packet(struct export_file *f, const struct packet_record *packet,
		   struct bytes options, bool big_endian, struct error *e)
{
	int status = 0;

	export_room(f);
	if (f->pcap)
		status = export_pcap_packet(f, packet, e);
	else
		export_pcapng_packet(f, packet, options, big_endian);
	if (status == 0 && f->status < 0)
		status = error_set(e, f->status, "cannot write %s: %s", f->path,
				   err_text(f->status));
	return status;
}

int
export_file_publish(struct export_file *f, uint64_t *size, struct error *e)
{
	export_flush(f);
	if (f->status < 0)
		return error_set(e, f->status, "cannot write %s: %s", f->path,
				 err_text(f->status));
	if (fchmod(f->fd, 0600) < 0 || fsync(f->fd) < 0 ||
	    rename(f->temporary, f->path) < 0)
		return error_set_errno(e, errno, "cannot write %s", f->path);
	free(f->temporary);
	f->temporary = NULL;
	*size = f->size;
	return 0;
}
