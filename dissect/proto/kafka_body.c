/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/kafka_body.h"

#include <stdio.h>

#include "dissect/proto/json_writer.h"
#include "dissect/proto/kafka_field.h"
#include "dissect/proto/kafka_records.h"

/* Headers of one message that name topics and partitions. */
#define TOPICS_NAMED 32
#define MARKS_NAMED 64
#define FIELD_NAME 40
#define SUMMARY_SIZE 320

/* How reading one thing ended. */
enum outcome { OUTCOME_READ, OUTCOME_MORE, OUTCOME_BAD };

struct reading {
	struct kafka_body *body;
	struct json_writer json;
	struct sink *sink;
	struct bytes in;   /* not read yet */
	size_t wanted;     /* OUTCOME_MORE: of `in` */
};

/* Plain values. */

int
kafka_varint(struct bytes in, size_t *at, uint32_t *value)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 5; i++) {
		if (*at + i >= in.size)
			return 0;
		sum |= (uint64_t)(in.data[*at + i] & 0x7f) << (7 * i);
		if (in.data[*at + i] & 0x80)
			continue;
		*at += i + 1;
		*value = (uint32_t)sum;
		return sum > UINT32_MAX ? -1 : 1;
	}
	return -1;
}

static enum outcome
need(struct reading *r, size_t size)
{
	r->wanted = size;
	return r->in.size < size ? OUTCOME_MORE : OUTCOME_READ;
}

static void
take(struct reading *r, size_t size)
{
	r->in = bytes_from(r->in, size);
}

/*
 * The size before a string, bytes (`wide`) or an array: its own bytes go to
 * `*taken`.  -1 is null.
 */
static enum outcome
peek_size(struct reading *r, bool wide, size_t *taken, int64_t *size)
{
	uint32_t value;
	int got;

	if (r->body->flexible) {
		*taken = 0;
		got = kafka_varint(r->in, taken, &value);
		if (got <= 0) {
			r->wanted = r->in.size + 1;
			return got ? OUTCOME_BAD : OUTCOME_MORE;
		}
		*size = (int64_t)value - 1;
		return OUTCOME_READ;
	}
	*taken = wide ? 4 : 2;
	if (need(r, *taken) != OUTCOME_READ)
		return OUTCOME_MORE;
	*size = (int16_t)(r->in.data[0] << 8 | r->in.data[1]);
	if (wide)
		*size = (int32_t)((uint32_t)r->in.data[0] << 24 |
				  (uint32_t)r->in.data[1] << 16 |
				  (uint32_t)r->in.data[2] << 8 | r->in.data[3]);
	return *size < -1 ? OUTCOME_BAD : OUTCOME_READ;
}

/* What fields mean. */

static void
note_topic(struct reading *r, struct bytes name)
{
	struct kafka_body *b = r->body;
	struct bytes kept = bytes_first(name, sizeof(b->topic));

	if (!name.size)
		return;
	memcpy(b->topic, kept.data, kept.size);
	b->topic_size = (uint16_t)kept.size;
	b->topic_depth = b->depth;
	b->partition = -1;
	if (b->bare_error == b->depth && b->depth) {
		b->bare_error = 0;
		b->error_size = (uint16_t)(b->error_size +
			snprintf(b->message + b->error_size,
				 sizeof(b->message) - b->error_size,
				 ": %.*s", (int)kept.size,
				 (const char *)kept.data));
	}
	if (!b->topics)
		sink_field(r->sink, FIELD_PATH, name);
	if (b->topics++ < TOPICS_NAMED)
		sink_header(r->sink, bytes_of("topic"), name);
}

static void
note_partition(struct reading *r, int32_t partition)
{
	struct kafka_body *b = r->body;
	char text[KAFKA_TOPIC_SIZE + 16];
	int size;

	b->partition = partition;
	if (b->marks++ >= MARKS_NAMED || !b->topic_size)
		return;
	size = snprintf(text, sizeof(text), "%.*s-%d", (int)b->topic_size,
			b->topic, (int)partition);
	sink_header(r->sink, bytes_of("partition"),
		    bytes_make(text, (size_t)size));
}

static void
note_error(struct reading *r, int code)
{
	struct kafka_body *b = r->body;
	const char *name = kafka_error_name(code);
	int size;

	b->has_error_code = true;
	if (!code || b->error)
		return;
	b->error = code;
	size = name ? snprintf(b->message, sizeof(b->message), "%s", name)
		    : snprintf(b->message, sizeof(b->message), "error %d",
			       code);
	if (b->topic_size)
		size += snprintf(b->message + size,
				 sizeof(b->message) - (size_t)size,
				 b->partition < 0 ? ": %.*s" : ": %.*s-%d",
				 (int)b->topic_size, b->topic,
				 (int)b->partition);
	else
		b->bare_error = b->depth;
	b->error_size = (uint16_t)size;
}

/* The message that comes with the first error. */
static void
note_message(struct reading *r, struct bytes text)
{
	struct kafka_body *b = r->body;
	int left = (int)sizeof(b->message) - (int)b->error_size, size;

	if (!b->error || !text.size || sink_value(r->sink, FIELD_ERROR).size)
		return;
	size = snprintf(b->message + b->error_size, (size_t)left, ": %.*s",
			(int)(text.size < 300 ? text.size : 300),
			(const char *)text.data);
	b->error_size = (uint16_t)(b->error_size +
				   (size < left ? size : left - 1));
	sink_field(r->sink, FIELD_ERROR,
		   bytes_make(b->message, b->error_size));
}

static void
note_resource(struct reading *r, const char *header, struct bytes name)
{
	if (!name.size)
		return;
	if (!sink_value(r->sink, FIELD_PATH).size)
		sink_field(r->sink, FIELD_PATH, name);
	if (header && r->body->marks++ < MARKS_NAMED)
		sink_header(r->sink, bytes_of(header), name);
}

static void
note_string(struct reading *r, char type, struct bytes text)
{
	switch (type) {
	case 'T':
		note_topic(r, text);
		break;
	case 'G':
		note_resource(r, "group", text);
		break;
	case 'X':
		note_resource(r, "transactional-id", text);
		break;
	case 'N':
		note_resource(r, NULL, text);
		break;
	case 'M':
		note_message(r, text);
		break;
	default:
		break;
	}
}

/* Settings like ssl.key.password and sasl.jaas.config. */
static bool
names_secret(struct bytes name)
{
	static const char *const words[] = { "password", "secret", "jaas",
					     "credential", "keystore.key",
					     "token", NULL };

	for (const char *const *word = words; *word; word++)
		if (name.size >= strlen(*word) &&
		    memmem(name.data, name.size, *word, strlen(*word)))
			return true;
	return false;
}

/* Reading. */

static void
read_string(struct reading *r, char type)
{
	struct kafka_body *b = r->body;
	struct bytes text;
	int64_t size = -1;
	size_t head = 0;

	peek_size(r, type == 'y' || type == 'K', &head, &size);
	text = bytes_make(r->in.data + head, size < 0 ? 0 : (size_t)size);
	if (size < 0 || type == 'K' || (type == 'Q' && b->secret))
		json_writer_word(&r->json, size < 0 ? "null" : "\"\"");
	else
		json_writer_string(&r->json, text);
	b->secret = type != 'Q' && names_secret(text);
	note_string(r, type, text);
	take(r, head + text.size);
}

static void
read_uuid(struct reading *r, char type)
{
	int key = r->body->api->key;
	const uint8_t *d = r->in.data;
	char text[40];
	bool zero = true;

	for (unsigned i = 0; i < 16; i++)
		zero &= !d[i];
	snprintf(text, sizeof(text),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9],
		 d[10], d[11], d[12], d[13], d[14], d[15]);
	json_writer_string(&r->json, bytes_of(text));
	/* Beside a name it says nothing new. */
	if (type == 'I' && !zero && (key == KAFKA_FETCH || !key || key == 8 ||
				     key == 9))
		note_topic(r, bytes_of(text));
	take(r, 16);
}

static unsigned
size_of(char type)
{
	switch (type) {
	case 'o':
	case 'b':
		return 1;
	case 'h':
	case 'E':
	case 'a':
		return 2;
	case 'i':
	case 'p':
		return 4;
	default:
		return 8;
	}
}

static void
read_number(struct reading *r, char type)
{
	unsigned size = size_of(type);
	uint64_t sum = 0;
	int64_t value;

	for (unsigned i = 0; i < size; i++)
		sum = sum << 8 | r->in.data[i];
	value = size == 8   ? (int64_t)sum
		: size == 4 ? (int32_t)sum
		: size == 2 ? (int16_t)sum
			    : (int8_t)sum;
	take(r, size);
	if (type == 'o')
		json_writer_word(&r->json, value ? "true" : "false");
	else
		json_writer_number(&r->json, value);
	if (type == 'E')
		note_error(r, (int)value);
	else if (type == 'p')
		note_partition(r, (int32_t)value);
	else if (type == 'a')
		r->body->acks = (int16_t)value;
	if (type == 'E' && value == 35 && r->body->response &&
	    r->body->api->key == KAFKA_API_VERSIONS) {
		/* Then the answer is in version 0, whatever was asked. */
		r->body->version = 0;
		r->body->flexible = false;
	}
}

static void
read_records(struct reading *r)
{
	int64_t size = -1;
	size_t head = 0;

	peek_size(r, true, &head, &size);
	take(r, head);
	if (size < 0) {
		json_writer_word(&r->json, "null");
		return;
	}
	json_writer_open(&r->json, '[');
	r->body->records_left = (uint32_t)size;
	r->body->in_records = true;
	r->body->state = KAFKA_RECORDS;
}

/* Whether all of a value has arrived (of records, their size). */
static enum outcome
is_here(struct reading *r, char type)
{
	int64_t size = 0;
	size_t head;
	enum outcome outcome;

	if (type == 'g' || type == 'I')
		return need(r, 16);
	if (!strchr("syKTGXMNQR", type))
		return need(r, size_of(type));
	outcome = peek_size(r, strchr("yKR", type) != NULL, &head, &size);
	if (outcome != OUTCOME_READ)
		return outcome;
	if (type == 'R')
		return size <= (int64_t)UINT32_MAX ? OUTCOME_READ
						   : OUTCOME_BAD;
	if (size > (int64_t)KAFKA_HELD / 2)
		return OUTCOME_BAD;
	return need(r, head + (size < 0 ? 0 : (size_t)size));
}

/* Reads a value that is here. */
static void
read_value(struct reading *r, char type)
{
	switch (type) {
	case 's':
	case 'y':
	case 'K':
	case 'T':
	case 'G':
	case 'X':
	case 'M':
	case 'N':
	case 'Q':
		read_string(r, type);
		break;
	case 'g':
	case 'I':
		read_uuid(r, type);
		break;
	case 'R':
		read_records(r);
		break;
	default:
		read_number(r, type);
		break;
	}
}

/* An array begins, behind its size. */
static enum outcome
open_array(struct reading *r, const struct kafka_field *d, uint32_t left)
{
	struct kafka_body *b = r->body;
	enum outcome outcome;
	int64_t count;
	size_t head;

	outcome = peek_size(r, true, &head, &count);
	if (outcome != OUTCOME_READ)
		return outcome;
	/* An element takes a byte at least. */
	if (count > (int64_t)left || b->depth == KAFKA_LEVELS)
		return OUTCOME_BAD;
	take(r, head);
	json_writer_name(&r->json, d->name);
	if (count <= 0) {
		json_writer_word(&r->json, count < 0 ? "null" : "[]");
		b->at = d->plain ? d->next : kafka_field_behind_array(d->next);
		return OUTCOME_READ;
	}
	json_writer_open(&r->json, '[');
	b->levels[b->depth++] = (struct kafka_level){
		.fields = d->plain ? b->at : d->next,
		.left = (uint32_t)count,
		.plain = d->plain,
	};
	if (!d->plain) {
		json_writer_open(&r->json, '{');
		b->at = d->next;
	}
	return OUTCOME_READ;
}

/* An element has ended: the next begins, or the array ends with it. */
static void
element_end(struct reading *r, const char *behind)
{
	struct kafka_body *b = r->body;
	struct kafka_level *level = &b->levels[b->depth - 1];

	if (b->topic_depth == b->depth && !level->plain)
		b->topic_size = 0;
	if (b->bare_error == b->depth)
		b->bare_error = 0;
	if (!level->plain)
		json_writer_close(&r->json, '}');
	if (--level->left) {
		if (!level->plain)
			json_writer_open(&r->json, '{');
		b->at = level->fields;
		return;
	}
	json_writer_close(&r->json, ']');
	b->depth--;
	b->at = behind;
}

/* The fields of a structure have all been read. */
static void
fields_end(struct reading *r, const struct kafka_field *d)
{
	struct kafka_body *b = r->body;

	if (b->flexible) {
		b->state = KAFKA_TAGS;
		return;
	}
	if (d->type == ']')
		element_end(r, d->next);
	else
		b->state = KAFKA_END;
}

static enum outcome
read_field(struct reading *r, uint32_t left)
{
	struct kafka_body *b = r->body;
	struct kafka_field d = kafka_field_read(b->at, b->version);
	struct kafka_level *level = b->depth ? &b->levels[b->depth - 1] : NULL;
	enum outcome outcome;

	if (!d.type || d.type == ']') {
		fields_end(r, &d);
		return OUTCOME_READ;
	}
	if (!d.here) {
		b->at = d.type == '[' ? kafka_field_behind_array(d.next) : d.next;
		return OUTCOME_READ;
	}
	if (level && level->plain) {
		outcome = is_here(r, d.type);
		if (outcome != OUTCOME_READ)
			return outcome;
		read_value(r, d.type);
		element_end(r, d.next);
		return OUTCOME_READ;
	}
	if (d.type == '[' || d.plain)
		return open_array(r, &d, left);
	/* The name is written with the value, which has to be here. */
	outcome = is_here(r, d.type);
	if (outcome != OUTCOME_READ)
		return outcome;
	json_writer_name(&r->json, d.name);
	b->at = d.next;
	read_value(r, d.type);
	return OUTCOME_READ;
}

/* Tagged fields say nothing that is shown. */
static enum outcome
read_tags(struct reading *r)
{
	struct kafka_body *b = r->body;
	struct kafka_field d;
	uint32_t value, size;
	size_t at = 0;
	int got = kafka_varint(r->in, &at, &value);

	if (got > 0 && b->state == KAFKA_TAG)
		got = kafka_varint(r->in, &at, &size);
	r->wanted = r->in.size + 1;
	if (got <= 0)
		return got ? OUTCOME_BAD : OUTCOME_MORE;
	take(r, at);
	if (b->state == KAFKA_TAG) {
		b->tags--;
		b->pass = size;
		b->after = KAFKA_TAG;
		b->state = KAFKA_PASS;
		return OUTCOME_READ;
	}
	b->tags = value;
	b->state = KAFKA_TAG;
	if (b->tags)
		return OUTCOME_READ;
	b->state = KAFKA_FIELDS;
	d = kafka_field_read(b->at, b->version);
	if (d.type == ']')
		element_end(r, d.next);
	else
		b->state = KAFKA_END;
	return OUTCOME_READ;
}

static enum outcome
pass(struct reading *r)
{
	struct kafka_body *b = r->body;
	size_t size = b->pass < r->in.size ? b->pass : r->in.size;
	struct kafka_field d;

	if (b->pass && !size)
		return need(r, 1);
	take(r, size);
	b->pass -= (uint32_t)size;
	if (b->pass)
		return OUTCOME_READ;
	b->state = b->after;
	if (b->state != KAFKA_TAG || b->tags)
		return OUTCOME_READ;
	d = kafka_field_read(b->at, b->version);
	b->state = KAFKA_FIELDS;
	if (d.type == ']')
		element_end(r, d.next);
	else
		b->state = KAFKA_END;
	return OUTCOME_READ;
}

static void
pass_records(struct kafka_body *b, uint32_t size)
{
	b->records_left -= size;
	b->pass = size;
	b->after = KAFKA_RECORDS;
	b->state = KAFKA_PASS;
}

/* The next batch of a field, whole or its head. */
static enum outcome
read_batch(struct reading *r)
{
	struct kafka_body *b = r->body;
	struct kafka_batch_result result;
	uint64_t size;
	size_t here;

	if (!b->records_left) {
		json_writer_close(&r->json, ']');
		b->in_records = false;
		b->state = KAFKA_FIELDS;
		return OUTCOME_READ;
	}
	if (b->records_left < KAFKA_BATCH_MAGIC) {
		pass_records(b, b->records_left);
		return OUTCOME_READ;
	}
	if (need(r, KAFKA_BATCH_MAGIC) != OUTCOME_READ)
		return OUTCOME_MORE;
	size = kafka_batch_size(r->in);
	/* The last of an answer may be cut by the size that was asked for. */
	if (!size || size > b->records_left) {
		b->cut |= !size;
		pass_records(b, b->records_left);
		return OUTCOME_READ;
	}
	here = size > KAFKA_HELD ? KAFKA_BATCH_HEAD : (size_t)size;
	if (need(r, here) != OUTCOME_READ)
		return OUTCOME_MORE;
	result = kafka_batch_write(bytes_first(r->in, here), &r->json);
	b->records += result.records;
	b->cut |= result.cut;
	take(r, here);
	b->records_left -= (uint32_t)here;
	if (size > here)
		pass_records(b, (uint32_t)(size - here));
	return OUTCOME_READ;
}

static enum outcome
read_next(struct reading *r, uint32_t left)
{
	switch (r->body->state) {
	case KAFKA_FIELDS:
		return read_field(r, left);
	case KAFKA_RECORDS:
		return read_batch(r);
	case KAFKA_PASS:
		return pass(r);
	case KAFKA_TAGS:
	case KAFKA_TAG:
		return read_tags(r);
	case KAFKA_END:
		break;
	}
	return OUTCOME_READ;
}

void
kafka_body_start(struct kafka_body *b, const struct kafka_api *api,
		 int16_t version, bool response)
{
	const char *fields = response ? api->response : api->request;

	*b = (struct kafka_body){
		.api = api,
		.version = version,
		.flexible = version >= api->flexible,
		.response = response,
		.at = fields ? fields : "",
		.acks = -1,
		.partition = -1,
	};
	if (!*b->at || version > api->version_max)
		b->state = KAFKA_END;
}

struct step
kafka_body_read(struct kafka_body *b, struct bytes in, uint32_t left,
		struct sink *sink)
{
	struct reading r = { .body = b, .sink = sink, .in = in };
	enum outcome outcome = OUTCOME_READ;
	size_t taken;

	json_writer_init(&r.json, sink, b->comma);
	if (!b->open && b->state != KAFKA_END) {
		json_writer_open(&r.json, '{');
		b->open = true;
	}
	while (outcome == OUTCOME_READ && b->state != KAFKA_END)
		outcome = read_next(&r, left - (uint32_t)(in.size - r.in.size));
	json_writer_flush(&r.json);
	b->comma = r.json.comma;
	taken = in.size - r.in.size;
	if (outcome == OUTCOME_BAD ||
	    (outcome == OUTCOME_MORE && r.wanted > left - taken)) {
		b->broken = true;
		b->state = KAFKA_END;
	} else if (outcome == OUTCOME_MORE && taken == 0) {
		return step_more(r.wanted);
	}
	return step_done(taken);
}

static void
close_json(struct kafka_body *b, struct sink *sink)
{
	struct json_writer w;

	if (!b->open)
		return;
	json_writer_init(&w, sink, true);
	if (b->in_records)
		json_writer_close(&w, ']');
	while (b->depth) {
		if (!b->levels[--b->depth].plain)
			json_writer_close(&w, '}');
		json_writer_close(&w, ']');
	}
	json_writer_close(&w, '}');
	json_writer_flush(&w);
}

static void
say_error(struct kafka_body *b, struct sink *sink)
{
	const char *name = kafka_error_name(b->error);

	if (!b->has_error_code)
		return;
	sink_status(sink, b->error);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(name ? name : "unknown"));
	if (!b->error)
		return;
	sink_flags(sink, MESSAGE_IS_ERROR);
	if (!sink_value(sink, FIELD_ERROR).size)
		sink_field(sink, FIELD_ERROR,
			   bytes_make(b->message, b->error_size));
}

/* "Produce orders (+2 topics): 5 records" */
static void
say_summary(const struct kafka_body *b, struct sink *sink)
{
	struct bytes path = sink_value(sink, FIELD_PATH);
	char text[SUMMARY_SIZE];
	int size = snprintf(text, sizeof(text), "%s", b->api->name);

	if (path.size)
		size += snprintf(text + size, sizeof(text) - (size_t)size,
				 " %.*s",
				 (int)(path.size < 250 ? path.size : 250),
				 (const char *)path.data);
	if (b->topics > 1)
		size += snprintf(text + size, sizeof(text) - (size_t)size,
				 " (+%u topic%s)", b->topics - 1,
				 b->topics == 2 ? "" : "s");
	if (b->records)
		size += snprintf(text + size, sizeof(text) - (size_t)size,
				 ": %llu record%s",
				 (unsigned long long)b->records,
				 b->records == 1 ? "" : "s");
	sink_field(sink, FIELD_SUMMARY,
		   bytes_make(text, (size_t)size < sizeof(text)
					    ? (size_t)size
					    : sizeof(text) - 1));
}

void
kafka_body_end(struct kafka_body *b, struct sink *sink)
{
	char text[24];

	if (b->broken || b->state != KAFKA_END)
		sink_incomplete(sink);
	close_json(b, sink);
	if (b->cut)
		sink_truncated(sink);
	if (b->records) {
		int size = snprintf(text, sizeof(text), "%llu",
				    (unsigned long long)b->records);

		sink_header(sink, bytes_of("records"),
			    bytes_make(text, (size_t)size));
	}
	if (b->response)
		say_error(b, sink);
	/* What was fetched only the answer tells. */
	if (b->response || b->api->key != KAFKA_FETCH)
		say_summary(b, sink);
}
