/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/segment_index.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/text.h"
#include "capture/frame_checks.h"
#include "capture/link_types.h"

void
segment_index_link_type(struct segment_index *index, uint16_t type)
{
	for (uint32_t i = 0; i < index->link_type_count; i++)
		if (index->link_types[i] == type)
			return;
	if (index->link_type_count < SEGMENT_LINK_TYPES)
		index->link_types[index->link_type_count++] = type;
}

void
segment_index_packet(struct segment_index *index, int64_t time_ns,
		     uint32_t captured, uint32_t length)
{
	if (index->packets == 0 || time_ns < index->first_ns)
		index->first_ns = time_ns;
	if (index->packets == 0 || time_ns > index->last_ns)
		index->last_ns = time_ns;
	index->packets++;
	index->bytes += captured;
	index->truncated_packets += captured < length;
}

void
segment_index_add(struct segment_index *sum, const struct segment_index *part)
{
	if (part->packets > 0) {
		if (sum->packets == 0 || part->first_ns < sum->first_ns)
			sum->first_ns = part->first_ns;
		if (sum->packets == 0 || part->last_ns > sum->last_ns)
			sum->last_ns = part->last_ns;
	}
	sum->packets += part->packets;
	sum->bytes += part->bytes;
	sum->stored_bytes += part->stored_bytes;
	sum->uncompressed_bytes += part->uncompressed_bytes;
	sum->drops += part->drops;
	sum->truncated_packets += part->truncated_packets;
	for (uint32_t i = 0; i < part->link_type_count; i++)
		segment_index_link_type(sum, part->link_types[i]);
}

json_t *
segment_time_json(int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	return json_string(clock_format(ns, text));
}

static void
segment_set_u64(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

void
segment_index_set_totals(json_t *object, const struct segment_index *sum)
{
	json_t *types = json_array();
	char name[LINK_TYPE_TEXT];

	if (sum->packets > 0) {
		json_object_set_new(object, "first",
				    segment_time_json(sum->first_ns));
		json_object_set_new(object, "last",
				    segment_time_json(sum->last_ns));
	}
	segment_set_u64(object, "packets", sum->packets);
	segment_set_u64(object, "bytes", sum->bytes);
	segment_set_u64(object, "stored_bytes", sum->stored_bytes);
	segment_set_u64(object, "drops", sum->drops);
	segment_set_u64(object, "truncated_packets", sum->truncated_packets);
	for (uint32_t i = 0; i < sum->link_type_count; i++)
		json_array_append_new(
			types,
			json_string(link_type_name(sum->link_types[i], name)));
	json_object_set_new(object, "link_types", types);
}

json_t *
segment_index_json(const struct segment_index *index)
{
	json_t *object = json_object();
	json_t *numbers = json_array();
	char file[32];

	snprintf(file, sizeof(file), "%06u" SEGMENT_SUFFIX, index->number);
	json_object_set_new(object, "file", json_string(file));
	segment_index_set_totals(object, index);
	segment_set_u64(object, "uncompressed_bytes",
			index->uncompressed_bytes);
	json_object_set_new(object, "sha256", json_string(index->sha256));
	segment_set_u64(object, "stream", index->stream);
	if (index->packets > 0) {
		json_object_set_new(object, "first_ns",
				    json_integer(index->first_ns));
		json_object_set_new(object, "last_ns",
				    json_integer(index->last_ns));
	}
	for (uint32_t i = 0; i < index->link_type_count; i++)
		json_array_append_new(numbers,
				      json_integer(index->link_types[i]));
	json_object_set_new(object, "link_type_numbers", numbers);
	return object;
}

static bool
segment_get_u64(const json_t *object, const char *key, uint64_t *value)
{
	const json_t *number = json_object_get(object, key);

	*value = (uint64_t)json_integer_value(number);
	return json_is_integer(number) && json_integer_value(number) >= 0;
}

static bool
segment_get_time(const json_t *object, const char *key, int64_t *value)
{
	const json_t *number = json_object_get(object, key);

	*value = json_integer_value(number);
	return json_is_integer(number);
}

/* The number in "000001.pcapng.zst", or in a snapshot's
 * "segments/CAPTURE-000001.pcapng.zst". */
static bool
segment_parse_number(const char *file, uint32_t *number)
{
	struct bytes name = bytes_of(file);
	const char *dash = strrchr(file, '-');
	size_t suffix = strlen(SEGMENT_SUFFIX);
	uint64_t value;

	if (dash)
		name = bytes_of(dash + 1);
	if (name.size <= suffix ||
	    !bytes_equal(bytes_from(name, name.size - suffix),
			 bytes_of(SEGMENT_SUFFIX)) ||
	    !text_u64(bytes_first(name, name.size - suffix), &value) ||
	    value > UINT32_MAX)
		return false;
	*number = (uint32_t)value;
	return true;
}

static bool
segment_parse_strings(const json_t *object, struct segment_index *index)
{
	const char *sum = json_string_value(json_object_get(object, "sha256"));
	const char *file = json_string_value(json_object_get(object, "file"));

	if (!sum || strlen(sum) != HASH_SHA256_HEX - 1 || !file)
		return false;
	memcpy(index->sha256, sum, HASH_SHA256_HEX);
	return segment_parse_number(file, &index->number);
}

int
segment_index_parse(const json_t *object, struct segment_index *index)
{
	json_t *types = json_object_get(object, "link_type_numbers");
	uint64_t stream;

	*index = (struct segment_index){ 0 };
	if (!segment_parse_strings(object, index) ||
	    !segment_get_u64(object, "stream", &stream) ||
	    !segment_get_u64(object, "packets", &index->packets) ||
	    !segment_get_u64(object, "bytes", &index->bytes) ||
	    !segment_get_u64(object, "stored_bytes", &index->stored_bytes) ||
	    !segment_get_u64(object, "uncompressed_bytes",
			     &index->uncompressed_bytes) ||
	    !segment_get_u64(object, "drops", &index->drops) ||
	    !segment_get_u64(object, "truncated_packets",
			     &index->truncated_packets))
		return ERR_CORRUPT;
	if (index->packets > 0 &&
	    (!segment_get_time(object, "first_ns", &index->first_ns) ||
	     !segment_get_time(object, "last_ns", &index->last_ns)))
		return ERR_CORRUPT;
	if (stream > UINT32_MAX || frame_checks_get(object, NULL) < 0)
		return ERR_CORRUPT;
	index->stream = (uint32_t)stream;
	for (size_t i = 0; i < json_array_size(types); i++)
		segment_index_link_type(
			index,
			(uint16_t)json_integer_value(json_array_get(types, i)));
	return 0;
}
