/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/kafka_records.h"

#include "base/reader.h"
#include "dissect/proto/kafka_codec.h"

/* Of the decompressed form of one batch. */
#define INFLATED_LIMIT (1u << 20)
#define SIZE_LIMIT (256u << 20)

enum attribute {
	ATTRIBUTE_CODEC = 7,
	ATTRIBUTE_TRANSACTION = 1 << 4,
	ATTRIBUTE_CONTROL = 1 << 5,
};

struct batch {
	int64_t offset, timestamp;
	uint16_t attributes;
};

/* A zigzag number in 7-bit groups. */
static int64_t
read_signed(struct reader *r)
{
	uint64_t value = reader_varint(r);

	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Bytes behind their size; NULL data when that is negative. */
static struct bytes
read_bytes(struct reader *r, int64_t size)
{
	if (size < 0)
		return bytes_make(NULL, 0);
	if ((uint64_t)size > reader_left(r)) {
		r->failed = true;
		return bytes_make(NULL, 0);
	}
	return size ? reader_take(r, (size_t)size) : bytes_of("");
}

uint64_t
kafka_batch_size(struct bytes in)
{
	struct reader r = reader_make(in);
	uint64_t size;
	uint8_t magic;

	reader_skip(&r, 8);
	size = reader_be32(&r);
	reader_skip(&r, 4);
	magic = reader_u8(&r);
	if (r.failed || magic > 2 || size > SIZE_LIMIT ||
	    size < (magic == 2 ? KAFKA_BATCH_HEAD - 12 : 14))
		return 0;
	return size + 12;
}

static void
put_value(struct json_writer *w, const char *name, struct bytes value)
{
	json_writer_name(w, bytes_of(name));
	if (value.data)
		json_writer_string(w, value);
	else
		json_writer_word(w, "null");
}

static void
put_number(struct json_writer *w, const char *name, int64_t value)
{
	json_writer_name(w, bytes_of(name));
	json_writer_number(w, value);
}

/* The key of a control record is its version and type (KIP-98). */
static void
put_control(struct json_writer *w, struct bytes key)
{
	struct reader r = reader_make(key);
	unsigned type;

	reader_skip(&r, 2);
	type = reader_be16(&r);
	json_writer_name(w, bytes_of("control"));
	json_writer_string(w, bytes_of(r.failed	   ? "unknown"
				       : type == 0 ? "abort"
				       : type == 1 ? "commit"
						   : "other"));
}

static void
put_headers(struct json_writer *w, struct reader *r)
{
	int64_t count = read_signed(r);

	if (count <= 0 || r->failed)
		return;
	json_writer_name(w, bytes_of("headers"));
	json_writer_open(w, '[');
	while (count-- > 0 && !r->failed) {
		struct bytes name = read_bytes(r, read_signed(r));
		struct bytes value = read_bytes(r, read_signed(r));

		if (r->failed)
			break;
		json_writer_open(w, '{');
		json_writer_name(w, name);
		if (value.data)
			json_writer_string(w, value);
		else
			json_writer_word(w, "null");
		json_writer_close(w, '}');
	}
	json_writer_close(w, ']');
}

static bool
put_record(const struct batch *batch, struct reader *r, struct json_writer *w)
{
	struct reader in = reader_make(read_bytes(r, read_signed(r)));
	int64_t timestamp, offset;
	struct bytes key, value;

	reader_u8(&in);
	timestamp = read_signed(&in);
	offset = read_signed(&in);
	key = read_bytes(&in, read_signed(&in));
	value = read_bytes(&in, read_signed(&in));
	if (r->failed || in.failed)
		return false;
	json_writer_open(w, '{');
	put_number(w, "offset",
		   (int64_t)((uint64_t)batch->offset + (uint64_t)offset));
	put_number(w, "timestamp",
		   (int64_t)((uint64_t)batch->timestamp + (uint64_t)timestamp));
	if (batch->attributes & ATTRIBUTE_CONTROL) {
		put_control(w, key);
	} else {
		put_value(w, "key", key);
		put_value(w, "value", value);
		put_headers(w, &in);
	}
	json_writer_close(w, '}');
	return true;
}

static void
say_codec(struct json_writer *w, unsigned attributes)
{
	const char *name = kafka_codec_name(attributes & ATTRIBUTE_CODEC);

	if (attributes & ATTRIBUTE_CODEC)
		sink_header(w->sink, bytes_of("compression"),
			    bytes_of(name ? name : "unknown"));
}

/* What is compressed of a batch, or as it is when nothing is. */
static bool
inflate(unsigned attributes, struct bytes in, struct buf *buf,
	struct bytes *out)
{
	bool whole = true;

	*out = in;
	if (!(attributes & ATTRIBUTE_CODEC))
		return true;
	whole = kafka_codec_decode(attributes & ATTRIBUTE_CODEC, in, buf);
	*out = buf_view(buf);
	return whole;
}

static struct kafka_batch_result
write_batch(struct bytes in, bool whole, struct json_writer *w)
{
	struct kafka_batch_result result = { 0, false };
	struct reader r = reader_make(in);
	struct batch batch;
	struct bytes data;
	uint32_t count, shown = 0;
	struct buf buf;

	batch.offset = (int64_t)reader_be64(&r);
	reader_skip(&r, 13);
	batch.attributes = reader_be16(&r);
	reader_skip(&r, 4);
	batch.timestamp = (int64_t)reader_be64(&r);
	reader_skip(&r, 22);
	count = reader_be32(&r);
	result.records = count;
	say_codec(w, batch.attributes);
	/* What is not kept is not worth the work: a few bytes of a batch may
	 * stand for thousands of records. */
	if (!whole || sink_body_is_full(w->sink)) {
		result.cut = true;
		return result;
	}
	buf_init(&buf, INFLATED_LIMIT);
	result.cut = !inflate(batch.attributes,
			      bytes_from(in, KAFKA_BATCH_HEAD), &buf, &data);
	r = reader_make(data);
	while (shown < count && reader_left(&r) &&
	       !sink_body_is_full(w->sink) && put_record(&batch, &r, w))
		shown++;
	result.cut |= shown < count;
	buf_free(&buf);
	return result;
}

/* The older formats (magic 0 and 1): one message, or a compressed one that
 * holds others. */
static struct kafka_batch_result
write_message(struct bytes in, struct json_writer *w, unsigned depth)
{
	struct kafka_batch_result result = { 1, false };
	struct reader r = reader_make(in);
	int64_t offset = (int64_t)reader_be64(&r), timestamp = -1;
	struct bytes key, value, inner;
	unsigned magic, attributes;
	struct buf buf;

	reader_skip(&r, 8);
	magic = reader_u8(&r);
	attributes = reader_u8(&r);
	if (magic == 1)
		timestamp = (int64_t)reader_be64(&r);
	key = read_bytes(&r, (int32_t)reader_be32(&r));
	value = read_bytes(&r, (int32_t)reader_be32(&r));
	if (r.failed || (attributes & ATTRIBUTE_CODEC && depth)) {
		result.cut = true;
		return result;
	}
	if (!(attributes & ATTRIBUTE_CODEC)) {
		json_writer_open(w, '{');
		put_number(w, "offset", offset);
		if (magic == 1)
			put_number(w, "timestamp", timestamp);
		put_value(w, "key", key);
		put_value(w, "value", value);
		json_writer_close(w, '}');
		return result;
	}
	say_codec(w, attributes);
	buf_init(&buf, INFLATED_LIMIT);
	result = (struct kafka_batch_result){
		0, !inflate(attributes, value, &buf, &inner)
	};
	while (inner.size >= KAFKA_BATCH_MAGIC) {
		uint64_t size = kafka_batch_size(inner);

		if (!size || size > inner.size ||
		    inner.data[KAFKA_BATCH_MAGIC - 1] == 2)
			break;
		if (!sink_body_is_full(w->sink))
			write_message(bytes_first(inner, (size_t)size), w,
				      depth + 1);
		result.records++;
		inner = bytes_from(inner, (size_t)size);
	}
	result.cut |= inner.size > 0;
	buf_free(&buf);
	return result;
}

struct kafka_batch_result
kafka_batch_write(struct bytes in, struct json_writer *w)
{
	bool whole = kafka_batch_size(in) <= in.size;

	if (in.data[KAFKA_BATCH_MAGIC - 1] == 2)
		return write_batch(in, whole, w);
	if (!whole)
		return (struct kafka_batch_result){ 1, true };
	return write_message(in, w, 0);
}
