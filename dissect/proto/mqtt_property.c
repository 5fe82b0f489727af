/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/mqtt_property.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct mqtt_property properties[] = {
	{ 1, 'o', "payload-format-indicator" },
	{ 2, 'l', "message-expiry-interval" },
	{ MQTT_PROPERTY_CONTENT_TYPE, 's', "content-type" },
	{ 8, 's', "response-topic" },
	{ 9, 'b', "correlation-data" },
	{ 11, 'v', "subscription-identifier" },
	{ 17, 'l', "session-expiry-interval" },
	{ MQTT_PROPERTY_CLIENT, 's', "assigned-client-identifier" },
	{ 19, 'h', "server-keep-alive" },
	{ 21, 's', "authentication-method" },
	{ 22, 'x', "authentication-data" },
	{ 23, 'o', "request-problem-information" },
	{ 24, 'l', "will-delay-interval" },
	{ 25, 'o', "request-response-information" },
	{ 26, 's', "response-information" },
	{ 28, 's', "server-reference" },
	{ MQTT_PROPERTY_REASON, 's', "reason-string" },
	{ 33, 'h', "receive-maximum" },
	{ 34, 'h', "topic-alias-maximum" },
	{ MQTT_PROPERTY_ALIAS, 'h', "topic-alias" },
	{ 36, 'o', "maximum-qos" },
	{ 37, 'o', "retain-available" },
	{ 38, 'p', "user-property" },
	{ 39, 'l', "maximum-packet-size" },
	{ 40, 'o', "wildcard-subscription-available" },
	{ 41, 'o', "subscription-identifier-available" },
	{ 42, 'o', "shared-subscription-available" },
};

uint32_t
mqtt_number(struct reader *r)
{
	uint32_t value = 0;

	for (unsigned shift = 0; shift < 28; shift += 7) {
		uint8_t byte = reader_u8(r);

		value |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	r->failed = true;
	return 0;
}

struct bytes
mqtt_string(struct reader *r)
{
	uint16_t size = reader_be16(r);

	return reader_take(r, size);
}

static const struct mqtt_property *
find(uint32_t id)
{
	for (size_t i = 0; i < COUNT(properties); i++)
		if (properties[i].id == id)
			return &properties[i];
	return NULL;
}

bool
mqtt_property_next(struct reader *r, struct mqtt_value *out)
{
	if (!reader_left(r))
		return false;
	*out = (struct mqtt_value){ .property = find(mqtt_number(r)) };
	if (!out->property) {
		r->failed = true;
		return false;
	}
	switch (out->property->type) {
	case 'o':
		out->number = reader_u8(r);
		break;
	case 'h':
		out->number = reader_be16(r);
		break;
	case 'l':
		out->number = reader_be32(r);
		break;
	case 'v':
		out->number = mqtt_number(r);
		break;
	case 'p':
		out->key = mqtt_string(r);
		out->text = mqtt_string(r);
		break;
	default:
		out->text = mqtt_string(r);
		break;
	}
	return !r->failed;
}

bool
mqtt_properties_are_good(struct reader *r, uint8_t wanted)
{
	uint32_t size = mqtt_number(r);
	struct reader list = reader_make(reader_take(r, size));
	struct mqtt_value value;
	bool found = !wanted;

	while (mqtt_property_next(&list, &value))
		found |= value.property->id == wanted;
	return found && !r->failed && !list.failed;
}

static const char *
failure_name(unsigned number)
{
	static const char *const failures[] = {
		"Unspecified error",
		"Malformed Packet",
		"Protocol Error",
		"Implementation specific error",
		"Unsupported Protocol Version",
		"Client Identifier not valid",
		"Bad User Name or Password",
		"Not authorized",
		"Server unavailable",
		"Server busy",
		"Banned",
		"Server shutting down",
		"Bad authentication method",
		"Keep Alive timeout",
		"Session taken over",
		"Topic Filter invalid",
		"Topic Name invalid",
		"Packet Identifier in use",
		"Packet Identifier not found",
		"Receive Maximum exceeded",
		"Topic Alias invalid",
		"Packet too large",
		"Message rate too high",
		"Quota exceeded",
		"Administrative action",
		"Payload format invalid",
		"Retain not supported",
		"QoS not supported",
		"Use another server",
		"Server moved",
		"Shared Subscriptions not supported",
		"Connection rate exceeded",
		"Maximum connect time",
		"Subscription Identifiers not supported",
		"Wildcard Subscriptions not supported",
	};

	return number < COUNT(failures) ? failures[number] : NULL;
}

const char *
mqtt_reason(uint8_t code)
{
	static const struct {
		uint8_t code;
		const char *name;
	} successes[] = {
		{ 0x00, "Success" },
		{ 0x01, "Granted QoS 1" },
		{ 0x02, "Granted QoS 2" },
		{ 0x04, "Disconnect with Will Message" },
		{ 0x10, "No matching subscribers" },
		{ 0x11, "No subscription existed" },
		{ 0x18, "Continue authentication" },
		{ 0x19, "Re-authenticate" },
	};

	if (code >= 0x80)
		return failure_name(code - 0x80u);
	for (size_t i = 0; i < COUNT(successes); i++)
		if (successes[i].code == code)
			return successes[i].name;
	return NULL;
}

const char *
mqtt_return_code(uint8_t code)
{
	static const char *const names[] = {
		"Connection accepted",
		"Unacceptable protocol version",
		"Identifier rejected",
		"Server unavailable",
		"Bad user name or password",
		"Not authorized",
	};

	return code < COUNT(names) ? names[code] : NULL;
}
