/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/raw_header.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/reader.h"
#include "base/text.h"

#define SLOT_SIZE (RAW_PAGE / 2)
#define SLOT_SUM  (SLOT_SIZE - 8)

static const char magic[8] = { 'A', 'T', 'A', 'P', 'R', 'A', 'W', '1' };

/* It guards against tearing and rot, not against a forger: the key is known. */
static uint64_t
slot_sum(const uint8_t *slot)
{
	static const struct hash_key key = { 0x6177617261746170, 0x31 };

	return hash_bytes(key, bytes_make(slot, SLOT_SUM));
}

void
raw_header_encode(const struct raw_header *header, uint8_t page[RAW_PAGE])
{
	uint8_t *slot = page + (header->generation & 1) * SLOT_SIZE;
	struct buf out;

	buf_init(&out, SLOT_SIZE);
	buf_append(&out, magic, sizeof(magic));
	buf_le32(&out, header->format);
	buf_le32(&out, header->first);
	buf_le64(&out, header->generation);
	buf_le64(&out, header->position);
	buf_le64(&out, header->committed);
	buf_le64(&out, (uint64_t)header->flushed_ns);
	buf_append(&out, header->boot_id, RAW_BOOT_ID);
	buf_le32(&out, header->clock.count);
	buf_le32(&out, header->clock_kind);
	for (uint32_t i = 0; i < header->clock.count; i++) {
		buf_le64(&out, (uint64_t)header->clock.pairs[i].monotonic_ns);
		buf_le64(&out, (uint64_t)header->clock.pairs[i].utc_ns);
	}
	assert(!out.failed && out.size <= SLOT_SUM);
	memset(slot, 0, SLOT_SIZE);
	memcpy(slot, out.data, out.size);
	buf_reset(&out);
	buf_le64(&out, slot_sum(slot));
	memcpy(slot + SLOT_SUM, out.data, 8);
	buf_free(&out);
}

static bool
slot_decode(const uint8_t *slot, struct raw_header *header)
{
	struct reader r = reader_make(bytes_make(slot, SLOT_SIZE));
	struct reader sum = reader_make(bytes_make(slot + SLOT_SUM, 8));

	if (!bytes_equal(reader_take(&r, sizeof(magic)),
			 bytes_make(magic, sizeof(magic))) ||
	    reader_le64(&sum) != slot_sum(slot))
		return false;
	*header = (struct raw_header){ 0 };
	header->format = reader_le32(&r);
	header->first = reader_le32(&r);
	header->generation = reader_le64(&r);
	header->position = reader_le64(&r);
	header->committed = reader_le64(&r);
	header->flushed_ns = (int64_t)reader_le64(&r);
	memcpy(header->boot_id, reader_take(&r, RAW_BOOT_ID).data, RAW_BOOT_ID);
	header->clock.count = reader_le32(&r);
	header->clock_kind = reader_le32(&r);
	if (header->clock.count > CLOCK_PAIRS_MAX || header->first >= RAW_PAGE)
		return false;
	for (uint32_t i = 0; i < header->clock.count; i++) {
		header->clock.pairs[i].monotonic_ns = (int64_t)reader_le64(&r);
		header->clock.pairs[i].utc_ns = (int64_t)reader_le64(&r);
	}
	return !r.failed;
}

int
raw_header_decode(struct bytes page, struct raw_header *header)
{
	struct raw_header slots[2];
	bool whole[2];

	if (page.size < RAW_PAGE)
		return ERR_TRUNCATED;
	for (int i = 0; i < 2; i++)
		whole[i] = slot_decode(page.data + (size_t)i * SLOT_SIZE,
				       &slots[i]);
	if (!whole[0] && !whole[1])
		return ERR_CORRUPT;
	*header = slots[whole[1] &&
			(!whole[0] ||
			 slots[1].generation > slots[0].generation)];
	return 0;
}

void
raw_boot_id(uint8_t id[RAW_BOOT_ID])
{
	struct buf text;
	size_t n = 0;

	memset(id, 0, RAW_BOOT_ID);
	buf_init(&text, 64);
	if (file_read(RAW_BOOT_ID_PATH, &text, NULL) == 0)
		for (size_t i = 0; i < text.size && n < 2 * RAW_BOOT_ID; i++) {
			int digit = text_hex_digit(text.data[i]);

			if (digit < 0)
				continue;
			id[n / 2] = (uint8_t)(id[n / 2] << 4 | digit);
			n++;
		}
	buf_free(&text);
}
