/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of each packet of MQTT. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/proto/attribute.h"
#include "dissect/proto/mqtt_parts.h"

#define TEXT_SIZE 600
#define FILTERS_SIZE 512

static void
say_number(struct mqtt_frame *f, const char *name, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	sink_header(f->sink, bytes_of(name), bytes_of(text));
}

static void
say_true(struct mqtt_frame *f, const char *name, bool value)
{
	if (value)
		sink_header(f->sink, bytes_of(name), bytes_of("true"));
}

/* "prefix subject suffix" */
static void
say_summary(struct mqtt_frame *f, struct bytes subject, const char *suffix)
{
	struct bytes method = sink_value(f->sink, FIELD_METHOD);
	struct buf text;

	buf_init(&text, TEXT_SIZE);
	buf_bytes(&text, method);
	if (subject.size) {
		buf_text(&text, " ");
		buf_bytes(&text, bytes_first(subject, FILTERS_SIZE));
	}
	buf_text(&text, suffix);
	sink_field(f->sink, FIELD_SUMMARY, buf_view(&text));
	buf_free(&text);
}

void
mqtt_say_method(struct mqtt_frame *f, const char *method)
{
	attribute_method(f->sink, method,
			 bytes_make(f->conn->client, f->conn->client_size));
}

static void
set_client(struct mqtt_frame *f, struct bytes client)
{
	struct bytes kept = bytes_first(client, sizeof(f->conn->client));

	if (!kept.size)
		return;
	memcpy(f->conn->client, kept.data, kept.size);
	f->conn->client_size = (uint8_t)kept.size;
	sink_field(f->sink, FIELD_USER_AGENT, kept);
}

/* Properties. */

static void
say_property(struct mqtt_frame *f, const char *prefix,
	     const struct mqtt_value *value)
{
	const char *own = value->property->name;
	char name[96];

	if (value->property->type == 'x')
		return;
	if (strncmp(own, prefix, strlen(prefix)) == 0)
		own += strlen(prefix);
	snprintf(name, sizeof(name), "%s%s%s%.*s", prefix, own,
		 value->property->type == 'p' ? "." : "",
		 (int)(value->key.size < 48 ? value->key.size : 48),
		 value->key.size ? (const char *)value->key.data : "");
	if (strchr("ohlv", value->property->type))
		say_number(f, name, value->number);
	else
		sink_header(f->sink, bytes_of(name), value->text);
	if (value->property->id == MQTT_PROPERTY_CONTENT_TYPE && !*prefix)
		sink_field(f->sink, FIELD_CONTENT_TYPE, value->text);
	if (value->property->id == MQTT_PROPERTY_CLIENT)
		set_client(f, value->text);
	if (value->property->id == MQTT_PROPERTY_REASON)
		f->reason = value->text;
}

/* The properties of version 5: a length, and as many bytes. */
static void
say_properties(struct mqtt_frame *f, const char *prefix, uint16_t *alias)
{
	uint32_t size = mqtt_number(&f->in);
	struct reader r = reader_make(reader_take(&f->in, size));
	struct mqtt_value value;

	while (mqtt_property_next(&r, &value)) {
		say_property(f, prefix, &value);
		if (alias && value.property->id == MQTT_PROPERTY_ALIAS)
			*alias = (uint16_t)value.number;
	}
	if (r.failed)
		sink_incomplete(f->sink);
}

/* Outcomes. */

static void
say_outcome(struct mqtt_frame *f, uint8_t code, const char *name, bool error)
{
	struct bytes reason = f->reason;
	char text[TEXT_SIZE], number[8];

	sink_status(f->sink, code);
	if (!name) {
		snprintf(number, sizeof(number), "0x%02x", code);
		name = number;
	}
	sink_field(f->sink, FIELD_STATUS_TEXT, bytes_of(name));
	if (!error)
		return;
	snprintf(text, sizeof(text), "%s%s%.*s", name, reason.size ? ": " : "",
		 (int)(reason.size < FILTERS_SIZE ? reason.size : FILTERS_SIZE),
		 reason.size ? (const char *)reason.data : "");
	sink_field(f->sink, FIELD_ERROR, bytes_of(text));
	sink_flags(f->sink, MESSAGE_IS_ERROR);
}

static void
say_reason(struct mqtt_frame *f, uint8_t code)
{
	say_outcome(f, code, mqtt_reason(code), code >= 0x80);
}

static void
check(struct mqtt_frame *f)
{
	if (f->in.failed)
		sink_incomplete(f->sink);
}

/* CONNECT and CONNACK. */

static void
say_will(struct mqtt_frame *f, uint8_t flags)
{
	if (f->conn->version == MQTT_VERSION_5)
		say_properties(f, "will-", NULL);
	sink_header(f->sink, bytes_of("will-topic"), mqtt_string(&f->in));
	say_number(f, "will-qos", flags >> 3 & 3);
	say_true(f, "will-retain", flags & 0x20);
	sink_body(f->sink, mqtt_string(&f->in));
}

static const char *
version_name(uint8_t version)
{
	return version == 3 ? "3.1" : version == 4 ? "3.1.1" : "5.0";
}

void
mqtt_say_connect(struct mqtt_frame *f)
{
	struct bytes user = bytes_make(NULL, 0), client;
	char suffix[TEXT_SIZE];
	uint8_t flags, level;

	mqtt_string(&f->in); /* "MQTT" */
	level = reader_u8(&f->in);
	f->conn->version = level & 0x7f;
	flags = reader_u8(&f->in);
	mqtt_say_method(f, "CONNECT");
	sink_field(f->sink, FIELD_VERSION,
		   bytes_of(version_name(f->conn->version)));
	say_number(f, "keep-alive", reader_be16(&f->in));
	say_true(f, "clean-start", flags & 2);
	say_true(f, "bridge", level & 0x80);
	if (f->conn->version == MQTT_VERSION_5)
		say_properties(f, "", NULL);
	client = mqtt_string(&f->in);
	f->conn->client_size = 0;
	set_client(f, client);
	sink_field(f->sink, FIELD_PATH, client);
	if (flags & 4)
		say_will(f, flags);
	if (flags & 0x80) {
		user = mqtt_string(&f->in);
		sink_header(f->sink, bytes_of("username"), user);
	}
	/* The password is there, and passed over. */
	if (flags & 0x40)
		mqtt_string(&f->in);
	snprintf(suffix, sizeof(suffix), "%s%.*s", user.size ? " as " : "",
		 (int)(user.size < FILTERS_SIZE ? user.size : FILTERS_SIZE),
		 user.size ? (const char *)user.data : "");
	say_summary(f, client, suffix);
	check(f);
}

void
mqtt_say_connack(struct mqtt_frame *f)
{
	bool present = reader_u8(&f->in) & 1;
	uint8_t code = reader_u8(&f->in);

	if (!f->conn->version)
		f->conn->version = reader_left(&f->in) ? MQTT_VERSION_5 : 4;
	say_true(f, "session-present", present);
	/* A broker refuses a version in the manner of one it knows. */
	if (reader_left(&f->in) && f->conn->version == MQTT_VERSION_5)
		say_properties(f, "", NULL);
	if (f->conn->version == MQTT_VERSION_5 && (!code || code >= 0x80))
		say_reason(f, code);
	else
		say_outcome(f, code, mqtt_return_code(code), code);
	check(f);
}

/* Subscriptions. */

/* SUBSCRIBE and UNSUBSCRIBE; false when it is not of that version. */
static bool
is_list(struct reader r, bool options, bool properties)
{
	if (properties)
		reader_take(&r, mqtt_number(&r));
	if (!reader_left(&r))
		return false;
	while (reader_left(&r)) {
		if (!mqtt_string(&r).size || (options && reader_u8(&r) > 0x2e))
			return false;
	}
	return !r.failed;
}

static void
say_filter(struct mqtt_frame *f, struct bytes filter, uint8_t options)
{
	static const char *const retain[] = { "", ", retained if new",
					      ", no retained", "" };
	char text[TEXT_SIZE];

	if (f->packet.type == MQTT_UNSUBSCRIBE) {
		sink_header(f->sink, bytes_of("filter"), filter);
		return;
	}
	snprintf(text, sizeof(text), "%.*s QoS %u%s%s%s",
		 (int)(filter.size < FILTERS_SIZE ? filter.size : FILTERS_SIZE),
		 filter.size ? (const char *)filter.data : "", options & 3u,
		 options & 4 ? ", no local" : "",
		 options & 8 ? ", retain as published" : "",
		 retain[options >> 4 & 3]);
	sink_header(f->sink, bytes_of("filter"), bytes_of(text));
}

void
mqtt_say_subscribe(struct mqtt_frame *f)
{
	bool options = f->packet.type == MQTT_SUBSCRIBE;
	struct buf all;

	mqtt_say_method(f, options ? "SUBSCRIBE" : "UNSUBSCRIBE");
	if (!f->conn->version)
		f->conn->version = is_list(f->in, options, false) ? 4
				   : is_list(f->in, options, true)
					   ? MQTT_VERSION_5
					   : 0;
	if (f->conn->version == MQTT_VERSION_5)
		say_properties(f, "", NULL);
	buf_init(&all, FILTERS_SIZE);
	while (reader_left(&f->in)) {
		struct bytes filter = mqtt_string(&f->in);
		uint8_t chosen = options ? reader_u8(&f->in) : 0;

		if (f->in.failed)
			break;
		say_filter(f, filter, chosen);
		if (all.size)
			buf_text(&all, ", ");
		buf_bytes(&all, filter);
	}
	sink_field(f->sink, FIELD_PATH, buf_view(&all));
	say_summary(f, buf_view(&all), "");
	buf_free(&all);
	check(f);
}

/* The codes of SUBACK and UNSUBACK: the worst is the outcome. */
static void
say_codes(struct mqtt_frame *f)
{
	uint8_t worst = 0;

	while (reader_left(&f->in)) {
		uint8_t code = reader_u8(&f->in);
		const char *name = mqtt_reason(code);
		char number[8];

		snprintf(number, sizeof(number), "0x%02x", code);
		if (!code && f->packet.type == MQTT_SUBACK)
			name = "Granted QoS 0";
		sink_header(f->sink, bytes_of("reason"),
			    bytes_of(name ? name : number));
		if (code > worst)
			worst = code;
	}
	if (worst || f->packet.type != MQTT_SUBACK)
		say_reason(f, worst);
	else
		say_outcome(f, 0, "Granted QoS 0", false);
}

void
mqtt_say_acknowledgement(struct mqtt_frame *f)
{
	uint8_t type = f->packet.type;
	bool list = type == MQTT_SUBACK || type == MQTT_UNSUBACK;
	uint8_t code = 0;

	/* Version 5 always has properties in an UNSUBACK, and what is longer
	 * than its number is of version 5 elsewhere. */
	if (!f->conn->version && type != MQTT_SUBACK) {
		if (reader_left(&f->in))
			f->conn->version = MQTT_VERSION_5;
		else if (type == MQTT_UNSUBACK)
			f->conn->version = 4;
	}
	if (list) {
		if (f->conn->version == MQTT_VERSION_5)
			say_properties(f, "", NULL);
		say_codes(f);
		check(f);
		return;
	}
	if (reader_left(&f->in))
		code = reader_u8(&f->in);
	if (reader_left(&f->in))
		say_properties(f, "", NULL);
	say_reason(f, code);
	check(f);
}

void
mqtt_say_disconnect(struct mqtt_frame *f)
{
	bool disconnect = f->packet.type == MQTT_DISCONNECT;
	uint8_t code = 0;

	mqtt_say_method(f, disconnect ? "DISCONNECT" : "AUTH");
	if (reader_left(&f->in)) {
		code = reader_u8(&f->in);
		if (!f->conn->version)
			f->conn->version = MQTT_VERSION_5;
	}
	if (reader_left(&f->in))
		say_properties(f, "", NULL);
	if (!code && disconnect)
		say_outcome(f, 0, "Normal disconnection", false);
	else
		say_reason(f, code);
	say_summary(f, sink_value(f->sink, FIELD_STATUS_TEXT), "");
	check(f);
}

/* PUBLISH. */

void
mqtt_aliases_free(struct mqtt_side *side, struct sink *sink)
{
	if (!side->aliases)
		return;
	for (size_t i = 0; i < MQTT_ALIASES; i++) {
		sink_give_back(sink, side->aliases[i].size);
		free(side->aliases[i].topic);
	}
	sink_give_back(sink, MQTT_ALIASES * sizeof(*side->aliases));
	free(side->aliases);
	side->aliases = NULL;
}

static void
keep_alias(struct mqtt_frame *f, uint16_t number, struct bytes topic)
{
	struct mqtt_side *side = &f->conn->sides[f->side];
	struct mqtt_alias *alias;
	size_t table = MQTT_ALIASES * sizeof(*alias);

	if (!side->aliases) {
		if (!sink_keep(f->sink, table))
			return;
		side->aliases = alloc_zero(1, table);
	}
	alias = &side->aliases[number % MQTT_ALIASES];
	sink_give_back(f->sink, alias->size);
	free(alias->topic);
	*alias = (struct mqtt_alias){ .number = 0 };
	if (topic.size > MQTT_ALIAS_TOPIC || !sink_keep(f->sink, topic.size))
		return;
	alias->topic = alloc_zero(1, topic.size);
	memcpy(alias->topic, topic.data, topic.size);
	alias->size = (uint16_t)topic.size;
	alias->number = number;
}

/* The topic, which a number may stand for. */
static struct bytes
resolve(struct mqtt_frame *f, struct bytes topic, uint16_t number)
{
	const struct mqtt_side *side = &f->conn->sides[f->side];
	const struct mqtt_alias *alias;

	if (topic.size) {
		if (number)
			keep_alias(f, number, topic);
		return topic;
	}
	if (side->aliases && number) {
		alias = &side->aliases[number % MQTT_ALIASES];
		if (alias->number == number)
			return bytes_make(alias->topic, alias->size);
	}
	sink_incomplete(f->sink);
	return topic;
}

void
mqtt_say_publish(struct mqtt_frame *f, struct bytes topic, uint16_t id,
		 uint8_t version)
{
	unsigned qos = mqtt_qos(&f->packet);
	char suffix[64];
	uint16_t alias = 0;

	mqtt_say_method(f, f->side == SIDE_CLIENT ? "PUBLISH" : "DELIVER");
	say_number(f, "qos", qos);
	say_true(f, "retain", f->packet.flags & 1);
	say_true(f, "dup", f->packet.flags & 8);
	if (qos)
		say_number(f, "packet-id", id);
	if (version == MQTT_VERSION_5) {
		if (!f->conn->version)
			sink_header(f->sink, bytes_of("guessed-version"),
				    bytes_of("5.0"));
		say_properties(f, "", &alias);
	}
	topic = resolve(f, topic, alias);
	sink_field(f->sink, FIELD_PATH, topic);
	if (qos == 3) {
		sink_field(f->sink, FIELD_ERROR,
			   bytes_of("there is no QoS 3"));
		sink_flags(f->sink, MESSAGE_IS_ERROR);
	}
	check(f);
	snprintf(suffix, sizeof(suffix), ", %u byte%s, QoS %u", f->payload,
		 f->payload == 1 ? "" : "s", qos);
	say_summary(f, topic, suffix);
}
