/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/source/kernel.h"
#include "capture/source/raw_record.h"

static size_t
page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int
ring_size(uint64_t wanted, size_t *bytes, struct error *e)
{
	if (wanted == 0)
		wanted = RING_BYTES_DEFAULT;
	if (wanted < RING_BYTES_MIN || wanted > RING_BYTES_MAX ||
	    (wanted & (wanted - 1)))
		return error_set(e, ERR_INVALID,
				 "the ring must have a power of two from 64KiB "
				 "to 2GiB, not %llu bytes",
				 (unsigned long long)wanted);
	*bytes = (size_t)wanted;
	return 0;
}

/* Positions are one word at the start of a page that two sides share. */
static uint64_t
position_load(const uint8_t *page)
{
	const void *word = page;

	return atomic_load_explicit((const _Atomic uint64_t *)word,
				    memory_order_acquire);
}

static void
position_store(uint8_t *page, uint64_t position)
{
	void *word = page;

	atomic_store_explicit((_Atomic uint64_t *)word, position,
			      memory_order_release);
}

static uint32_t
header_load(const uint8_t *at)
{
	const void *word = at;

	return atomic_load_explicit((const _Atomic uint32_t *)word,
				    memory_order_acquire);
}

static void
ring_begin(struct ring *r, size_t bytes)
{
	r->size = bytes;
	r->data = r->producer + page_size();
	r->taken = r->scanned = position_load(r->consumer);
}

int
ring_map(struct ring *r, int map, size_t bytes, struct error *e)
{
	size_t page = page_size();

	memset(r, 0, sizeof *r);
	r->consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map,
			   0);
	if (r->consumer == MAP_FAILED) {
		r->consumer = NULL;
		return error_set_errno(e, errno, "mapping the packet ring");
	}
	r->producer = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, map,
			   (off_t)page);
	if (r->producer == MAP_FAILED) {
		r->producer = NULL;
		munmap(r->consumer, page);
		r->consumer = NULL;
		return error_set_errno(e, errno, "mapping the packet ring");
	}
	r->complete = kernel_ring_complete();
	ring_begin(r, bytes);
	return 0;
}

/* Puts `bytes` of the file at `offset` where the reservation has room. */
static bool
ring_place(uint8_t *at, size_t bytes, int file, size_t offset)
{
	return mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    file, (off_t)offset) != MAP_FAILED;
}

int
ring_create(struct ring *r, size_t bytes, struct error *e)
{
	size_t page = page_size();
	size_t whole = 2 * page + 2 * bytes;
	int file = memfd_create("packet-ring", MFD_CLOEXEC);
	bool good;

	memset(r, 0, sizeof *r);
	if (file < 0)
		return error_set_errno(e, errno, "making a packet ring");
	good = ftruncate(file, (off_t)(2 * page + bytes)) == 0;
	r->reserved = mmap(NULL, whole, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->reserved == MAP_FAILED) {
		r->reserved = NULL;
		good = false;
	}
	r->size = bytes;
	good = good && ring_place(r->reserved, 2 * page + bytes, file, 0) &&
	       ring_place(r->reserved + 2 * page + bytes, bytes, file,
			  2 * page);
	if (!good)
		error_set_errno(e, errno, "mapping a packet ring");
	close(file);
	if (!good) {
		ring_close(r);
		return ERR_IO;
	}
	r->consumer = r->reserved;
	r->producer = r->reserved + page;
	ring_begin(r, bytes);
	return 0;
}

void
ring_close(struct ring *r)
{
	size_t page = page_size();

	if (r->reserved) {
		munmap(r->reserved, 2 * page + 2 * r->size);
	} else {
		if (r->consumer)
			munmap(r->consumer, page);
		if (r->producer)
			munmap(r->producer, page + 2 * r->size);
	}
	memset(r, 0, sizeof *r);
}

static uint64_t
record_total(uint32_t header)
{
	uint64_t size = header & ~(RAW_RING_BUSY | RAW_RING_DISCARD);

	return (RAW_RING_HEADER + size + 7) & ~UINT64_C(7);
}

/*
 * How far records are known to be complete.  Every header was written by some
 * other CPU, so that looking at each costs more than all else that is done for
 * a small packet: it is left to the kernel, which looks as it reserves.
 */
static uint64_t
ring_complete(const struct ring *r)
{
	uint64_t complete = 0;

	if (r->complete)
		complete = position_load(r->producer + r->complete);
	return complete > r->scanned ? complete : r->scanned;
}

bool
ring_peek(struct ring *r, struct source_span *span)
{
	uint64_t at = ring_complete(r);
	uint64_t reserved = position_load(r->producer);

	while (at < reserved) {
		uint32_t header =
			header_load(r->data + (at & (r->size - 1)));

		if (header & RAW_RING_BUSY)
			break;
		at += record_total(header);
	}
	r->scanned = at;
	if (at == r->taken)
		return false;
	*span = (struct source_span){
		.data = r->data + (r->taken & (r->size - 1)),
		.size = (size_t)(at - r->taken),
		.position = r->taken,
	};
	return true;
}

uint64_t
ring_waiting(const struct ring *r)
{
	return position_load(r->producer) - r->taken;
}

void
ring_release(struct ring *r, size_t size)
{
	assert(size <= r->scanned - r->taken && size % 8 == 0);
	r->taken += size;
	position_store(r->consumer, r->taken & ~(uint64_t)(page_size() - 1));
}

uint8_t *
ring_reserve(struct ring *r, uint32_t size)
{
	uint64_t at = position_load(r->producer);
	uint64_t total = record_total(size);
	uint32_t header[2] = { size | RAW_RING_BUSY, 0 };
	uint8_t *record;

	if (at + total - position_load(r->consumer) > r->size)
		return NULL;
	record = r->producer + page_size() + (at & (r->size - 1));
	memcpy(record, header, sizeof header);
	position_store(r->producer, at + total);
	return record + RAW_RING_HEADER;
}

void
ring_commit(struct ring *r, uint8_t *record)
{
	uint8_t *at = record - RAW_RING_HEADER;
	void *word = at;

	assert(at >= r->data);
	atomic_store_explicit((_Atomic uint32_t *)word,
			      header_load(at) & ~RAW_RING_BUSY,
			      memory_order_release);
}
