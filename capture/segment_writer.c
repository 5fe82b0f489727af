/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/segment_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* For ZSTD_c_literalCompressionMode.  A library that does not know it refuses
 * it, and then decides by itself. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "capture/frame_checks.h"
#include "capture/json_file.h"
#include "capture/pcapng.h"
#include "capture/pcapng_convert.h"

#define FRAME_SIZE            ((size_t)1 << 20)
#define INTERFACES_LIMIT      (16u << 20)
#define SECTION_OPTIONS_LIMIT (64u << 10)
/* Time cuts segments freely up to this many; then they must hold something,
 * or a file whose clock jumps would make a segment of every packet. */
#define SPARSE_SEGMENTS 256
#define SPARSE_BYTES    FRAME_SIZE

struct segment_writer {
	struct segment_settings settings;
	char *directory;
	struct buf section;    /* options of the section header */
	struct buf interfaces; /* all descriptions, as blocks */
	uint16_t *link_types;  /* by interface */
	uint32_t interface_count;
	uint32_t interface_capacity;

	int fd; /* of the open segment, or -1 */
	char *path;
	uint64_t preamble; /* bytes of its section and interface blocks */
	int64_t cut_ns;    /* packets from here on go to the next one */
	struct segment_index index;
	struct frame_checks checks; /* of its frames */
	uint64_t statistics_drops; /* as statistics blocks tell */
	ZSTD_CCtx *zstd;
	uint8_t *frame;
	size_t frame_size;
	uint8_t *compressed;

	json_t *annotation; /* for index entries; may be NULL */
	struct segment_index total;
	uint32_t sealed;
};

/* Bytes that nothing before them repeats stay as they are: to write and to read
 * their Huffman codes takes more time than the disk they save is worth. */
static ZSTD_CCtx *
compressor_new(int level)
{
	ZSTD_CCtx *zstd = ZSTD_createCCtx();

	if (!zstd)
		abort();
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_literalCompressionMode,
			       ZSTD_ps_disable);
	return zstd;
}

struct segment_writer *
segment_writer_new(const struct segment_settings *settings)
{
	struct segment_writer *w = alloc_zero(1, sizeof(*w));

	w->settings = *settings;
	w->directory = alloc_string(settings->directory);
	w->settings.directory = w->directory;
	if (w->settings.segment_bytes == 0)
		w->settings.segment_bytes = SEGMENT_BYTES_DEFAULT;
	if (w->settings.segment_ns == 0)
		w->settings.segment_ns = SEGMENT_NS_DEFAULT;
	if (w->settings.compression_level == 0)
		w->settings.compression_level = SEGMENT_LEVEL_DEFAULT;
	if (w->settings.first_number == 0)
		w->settings.first_number = 1;
	buf_init(&w->section, SECTION_OPTIONS_LIMIT);
	buf_init(&w->interfaces, INTERFACES_LIMIT);
	w->fd = -1;
	w->frame = alloc_zero(1, FRAME_SIZE);
	w->compressed = alloc_zero(1, ZSTD_compressBound(FRAME_SIZE));
	w->zstd = compressor_new(w->settings.compression_level);
	return w;
}

void
segment_writer_free(struct segment_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0) {
		close(w->fd);
		unlink(w->path);
	}
	json_decref(w->annotation);
	buf_free(&w->section);
	buf_free(&w->interfaces);
	free(w->link_types);
	free(w->directory);
	free(w->path);
	frame_checks_free(&w->checks);
	free(w->frame);
	free(w->compressed);
	ZSTD_freeCCtx(w->zstd);
	free(w);
}

static int
segment_flush(struct segment_writer *w, struct error *e)
{
	size_t size;
	int status;

	if (w->frame_size == 0)
		return 0;
	size = ZSTD_compress2(w->zstd, w->compressed,
			      ZSTD_compressBound(FRAME_SIZE), w->frame,
			      w->frame_size);
	assert(!ZSTD_isError(size)); /* the output is large enough */
	w->frame_size = 0;
	frame_checks_add(&w->checks,
			 frame_check(bytes_make(w->compressed, size)));
	status = file_write_all(w->fd, w->compressed, size);
	if (status < 0)
		return error_set(e, status, "cannot write %s: %s", w->path,
				 err_text(status));
	w->index.stored_bytes += size;
	return 0;
}

/* Appends bytes to the open segment, frame by frame. */
static int
segment_put(struct segment_writer *w, const void *data, size_t size,
	    struct error *e)
{
	const uint8_t *from = data;

	w->index.uncompressed_bytes += size;
	while (size > 0) {
		size_t part = FRAME_SIZE - w->frame_size;

		if (part > size)
			part = size;
		memcpy(w->frame + w->frame_size, from, part);
		w->frame_size += part;
		from += part;
		size -= part;
		if (w->frame_size == FRAME_SIZE) {
			int status = segment_flush(w, e);

			if (status < 0)
				return status;
		}
	}
	return 0;
}

/* Begins a new frame where a block of `size` would not fit into this one. */
static int
segment_begin_block(struct segment_writer *w, size_t size, struct error *e)
{
	if (w->frame_size + size > FRAME_SIZE)
		return segment_flush(w, e);
	return 0;
}

static void
segment_le32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static int
segment_put_block(struct segment_writer *w, uint32_t type, struct bytes body,
		  struct error *e)
{
	static const uint8_t zeroes[4];
	size_t padding = (4 - body.size % 4) % 4;
	uint32_t size = (uint32_t)(PCAPNG_OVERHEAD + body.size + padding);
	uint8_t header[PCAPNG_HEADER];
	int status = segment_begin_block(w, size, e);

	segment_le32(header, type);
	segment_le32(header + 4, size);
	if (status == 0)
		status = segment_put(w, header, sizeof(header), e);
	if (status == 0)
		status = segment_put(w, body.data, body.size, e);
	if (status == 0)
		status = segment_put(w, zeroes, padding, e);
	if (status == 0)
		status = segment_put(w, header + 4, 4, e);
	return status;
}

static int
segment_put_section(struct segment_writer *w, struct error *e)
{
	struct buf body;
	int status;

	buf_init(&body, SECTION_OPTIONS_LIMIT + 256);
	buf_le32(&body, PCAPNG_BYTE_ORDER);
	buf_le16(&body, 1);
	buf_le16(&body, 0);
	buf_le64(&body, UINT64_MAX); /* section length: not given */
	pcapng_put_option(&body, PCAPNG_SECTION_APPLICATION,
			  bytes_of("aftertap"));
	buf_bytes(&body, buf_view(&w->section));
	buf_le32(&body, 0);
	status = segment_put_block(w, PCAPNG_SECTION, buf_view(&body), e);
	buf_free(&body);
	return status;
}

static int
segment_open(struct segment_writer *w, struct error *e)
{
	uint32_t stream = w->index.stream;
	int status;

	if (w->fd >= 0)
		return 0;
	w->index = (struct segment_index){ .stream = stream };
	w->index.number = w->settings.first_number + w->sealed;
	w->checks.count = 0;
	w->statistics_drops = 0;
	w->cut_ns = INT64_MAX;
	free(w->path);
	w->path = alloc_format("%s/%06u" SEGMENT_SUFFIX, w->settings.directory,
			       w->index.number);
	w->fd = open(w->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (w->fd < 0)
		return error_set_errno(e, errno, "cannot create %s", w->path);
	status = segment_put_section(w, e);
	if (status == 0)
		status = segment_put(w, w->interfaces.data, w->interfaces.size,
				     e);
	w->preamble = w->index.uncompressed_bytes;
	return status;
}

/* Writes the entry that makes the segment exist. */
static int
segment_write_index(struct segment_writer *w, struct error *e)
{
	char *path = alloc_format("%s/%06u.json", w->settings.directory,
				  w->index.number);
	json_t *entry = segment_index_json(&w->index);
	int status;

	frame_checks_set(entry, &w->checks);
	if (w->annotation)
		json_object_update_missing(entry, w->annotation);
	status = json_file_write(path, entry, 0444, e);
	json_decref(entry);
	free(path);
	return status;
}

static int
segment_seal(struct segment_writer *w, struct error *e)
{
	int status;

	if (w->fd < 0)
		return 0;
	status = segment_flush(w, e);
	if (status < 0)
		return status;
	if (w->statistics_drops > w->index.drops)
		w->index.drops = w->statistics_drops;
	if (fsync(w->fd) < 0 || lseek(w->fd, 0, SEEK_SET) < 0 ||
	    fchmod(w->fd, 0444) < 0)
		return error_set_errno(e, errno, "cannot seal %s", w->path);
	status = hash_sha256_fd(w->fd, w->index.sha256);
	if (status < 0)
		return error_set(e, status, "cannot read %s again", w->path);
	status = segment_write_index(w, e);
	if (status < 0)
		return status;
	close(w->fd);
	w->fd = -1;
	segment_index_add(&w->total, &w->index);
	w->sealed++;
	return 0;
}

int
segment_writer_stream(struct segment_writer *w, uint32_t stream,
		      struct error *e)
{
	int status = segment_seal(w, e);

	w->index.stream = stream;
	return status;
}

void
segment_writer_section(struct segment_writer *w, struct bytes options)
{
	buf_reset(&w->section);
	buf_bytes(&w->section, options);
}

void
segment_writer_annotate(struct segment_writer *w, json_t *members)
{
	json_decref(w->annotation);
	w->annotation = json_incref(members);
}

static int
segment_add_interface(struct segment_writer *w, struct bytes body,
		      uint16_t link_type)
{
	uint32_t size = (uint32_t)(PCAPNG_OVERHEAD + body.size);

	if (w->interface_count == PCAPNG_INTERFACES_MAX ||
	    w->interfaces.size + size > w->interfaces.limit)
		return ERR_LIMIT;
	buf_le32(&w->interfaces, PCAPNG_INTERFACE);
	buf_le32(&w->interfaces, size);
	buf_bytes(&w->interfaces, body);
	buf_le32(&w->interfaces, size);
	if (w->interface_count == w->interface_capacity) {
		w->interface_capacity = w->interface_capacity * 2 + 8;
		w->link_types =
			alloc_resize(w->link_types, w->interface_capacity,
				     sizeof(*w->link_types));
	}
	w->link_types[w->interface_count++] = link_type;
	return 0;
}

int
segment_writer_interface(struct segment_writer *w, uint16_t link_type,
			 uint32_t snaplen, struct bytes options, uint32_t *id,
			 struct error *e)
{
	static const uint8_t nanoseconds = 9;
	size_t before = w->interfaces.size, size;
	struct buf body;
	int status;

	buf_init(&body, PCAPNG_BLOCK_MAX + 64);
	buf_le16(&body, link_type);
	buf_le16(&body, 0);
	buf_le32(&body, snaplen);
	buf_bytes(&body, options);
	pcapng_put_option(&body, PCAPNG_INTERFACE_TSRESOL,
			  bytes_make(&nanoseconds, 1));
	buf_le32(&body, 0);
	status = segment_add_interface(w, buf_view(&body), link_type);
	buf_free(&body);
	if (status < 0)
		return error_set(e, status,
				 "too many interfaces: at most %u "
				 "and 16 MiB of descriptions are kept",
				 PCAPNG_INTERFACES_MAX);
	*id = w->interface_count - 1;
	if (w->fd < 0)
		return 0;
	size = w->interfaces.size - before;
	status = segment_begin_block(w, size, e);
	if (status == 0)
		status = segment_put(w, w->interfaces.data + before, size, e);
	w->preamble += size;
	return status;
}

/*
 * True when the open segment may be ended by time.  Interfaces are repeated in
 * every segment, so it must hold something in relation to them.
 */
static bool
segment_worth_cutting(const struct segment_writer *w)
{
	uint64_t held = w->index.uncompressed_bytes - w->preamble;

	if (held < w->preamble / 4)
		return false;
	return w->sealed < SPARSE_SEGMENTS || held >= SPARSE_BYTES;
}

/* Seals the open segment when the next block belongs into another. */
static int
segment_cut(struct segment_writer *w, size_t size, int64_t time_ns,
	    struct error *e)
{
	uint64_t limit = w->settings.segment_bytes;

	if (w->fd < 0 || w->index.uncompressed_bytes == w->preamble)
		return 0;
	if (time_ns >= w->cut_ns && segment_worth_cutting(w))
		return segment_seal(w, e);
	if (limit < w->preamble * 4)
		limit = w->preamble * 4;
	if (w->index.uncompressed_bytes + size > limit)
		return segment_seal(w, e);
	return 0;
}

/* The body of an enhanced packet block up to the data, behind a header. */
static void
segment_packet_header(uint8_t *at, const struct segment_packet *packet,
		      uint32_t size)
{
	uint64_t stamp = (uint64_t)packet->time_ns;

	segment_le32(at, PCAPNG_ENHANCED_PACKET);
	segment_le32(at + 4, size);
	segment_le32(at + 8, packet->interface);
	segment_le32(at + 12, (uint32_t)(stamp >> 32));
	segment_le32(at + 16, (uint32_t)stamp);
	segment_le32(at + 20, packet->captured);
	segment_le32(at + 24, packet->length);
}

static int
segment_put_packet(struct segment_writer *w,
		   const struct segment_packet *packet, uint32_t size,
		   struct error *e)
{
	static const uint8_t zeroes[4];
	uint8_t header[PCAPNG_HEADER + PCAPNG_EPB_FIXED];
	int status = segment_begin_block(w, size, e);

	segment_packet_header(header, packet, size);
	if (status == 0)
		status = segment_put(w, header, sizeof(header), e);
	if (status == 0)
		status = segment_put(w, packet->data, packet->captured, e);
	if (status == 0)
		status = segment_put(w, zeroes, (4 - packet->captured % 4) % 4,
				     e);
	if (status == 0 && packet->options.size > 0) {
		status = segment_put(w, packet->options.data,
				     packet->options.size, e);
		if (status == 0)
			status = segment_put(w, zeroes, 4, e);
	}
	if (status == 0)
		status = segment_put(w, header + 4, 4, e);
	return status;
}

int
segment_writer_packet(struct segment_writer *w,
		      const struct segment_packet *packet, struct error *e)
{
	size_t size = PCAPNG_OVERHEAD + PCAPNG_EPB_FIXED +
		      (((size_t)packet->captured + 3) & ~(size_t)3);
	int status;

	assert(packet->interface < w->interface_count);
	if (packet->options.size > 0)
		size += packet->options.size + 4;
	if (size > PCAPNG_BLOCK_MAX)
		return error_set(e, ERR_LIMIT,
				 "a packet of %u bytes is more "
				 "than a segment takes",
				 packet->captured);
	status = segment_cut(w, size, packet->time_ns, e);
	if (status == 0)
		status = segment_open(w, e);
	if (status == 0)
		status = segment_put_packet(w, packet, (uint32_t)size, e);
	if (status < 0)
		return status;
	if (w->index.packets == 0 &&
	    packet->time_ns < INT64_MAX - w->settings.segment_ns)
		w->cut_ns = packet->time_ns + w->settings.segment_ns;
	segment_index_packet(&w->index, packet->time_ns, packet->captured,
			     packet->length);
	segment_index_link_type(&w->index, w->link_types[packet->interface]);
	w->index.drops += packet->drops;
	return 0;
}

int
segment_writer_block(struct segment_writer *w, uint32_t type, struct bytes body,
		     uint64_t drops, struct error *e)
{
	int status;

	if (body.size > PCAPNG_BLOCK_MAX - PCAPNG_OVERHEAD - 4)
		return error_set(e, ERR_LIMIT,
				 "a block of %zu bytes is more "
				 "than a segment takes",
				 body.size);
	status = segment_cut(w, PCAPNG_OVERHEAD + body.size, INT64_MIN, e);
	if (status == 0)
		status = segment_open(w, e);
	if (status == 0)
		status = segment_put_block(w, type, body, e);
	if (status == 0)
		w->statistics_drops += drops;
	return status;
}

int
segment_writer_finish(struct segment_writer *w, struct error *e)
{
	return segment_seal(w, e);
}

const struct segment_index *
segment_writer_total(const struct segment_writer *w)
{
	return &w->total;
}

uint32_t
segment_writer_count(const struct segment_writer *w)
{
	return w->sealed;
}
