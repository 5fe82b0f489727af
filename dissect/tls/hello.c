/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/hello.h"

#include "base/reader.h"

#define RANDOM_SIZE 32
#define SESSION_ID_MAX 32

/* The numbers of extensions (IANA "TLS ExtensionType Values"). */
enum extension {
	EXTENSION_NAME = 0,
	EXTENSION_GROUPS = 10,
	EXTENSION_FORMATS = 11,
	EXTENSION_SIGNATURES = 13,
	EXTENSION_ALPN = 16,
	EXTENSION_ENCRYPT_THEN_MAC = 22,
	EXTENSION_EXTENDED_MASTER = 23,
	EXTENSION_TICKET = 35,
	EXTENSION_PSK = 41,
	EXTENSION_EARLY_DATA = 42,
	EXTENSION_VERSIONS = 43,
};

/* The random of a HelloRetryRequest (RFC 8446 §4.1.3). */
static const uint8_t retry_random[RANDOM_SIZE] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static struct bytes
take8(struct reader *r)
{
	return reader_take(r, reader_u8(r));
}

static struct bytes
take16(struct reader *r)
{
	return reader_take(r, reader_be16(r));
}

/* A list with a length of 16 or 8 bits that fills the content. */
static struct bytes
list16(struct bytes content)
{
	struct reader r = reader_make(content);

	return take16(&r);
}

static struct bytes
list8(struct bytes content)
{
	struct reader r = reader_make(content);

	return take8(&r);
}

/* The host name of a server name list (RFC 6066 §3). */
static struct bytes
read_name(struct bytes content)
{
	struct bytes list = list16(content);
	struct reader r = reader_make(list);

	while (reader_left(&r)) {
		uint8_t type = reader_u8(&r);
		struct bytes name = take16(&r);

		if (type == 0)
			return name;
	}
	return bytes_make(NULL, 0);
}

/* The highest version offered that means something. */
static uint16_t
highest(struct bytes versions)
{
	uint16_t version, most = 0;

	while (hello_next_number(&versions, &version))
		if (!hello_is_grease(version) && version > most)
			most = version;
	return most;
}

static void
read_versions(struct hello *out, struct bytes content)
{
	struct reader r = reader_make(content);

	if (out->client) {
		out->versions = list8(content);
		out->version = highest(out->versions);
	} else {
		out->version = reader_be16(&r);
	}
}

static void
read_extension(struct hello *out, uint16_t type, struct bytes content)
{
	switch (type) {
	case EXTENSION_NAME:
		out->name = read_name(content);
		break;
	case EXTENSION_GROUPS:
		out->groups = list16(content);
		break;
	case EXTENSION_FORMATS:
		out->formats = list8(content);
		break;
	case EXTENSION_SIGNATURES:
		out->signatures = list16(content);
		break;
	case EXTENSION_ALPN:
		out->alpn = list16(content);
		break;
	case EXTENSION_ENCRYPT_THEN_MAC:
		out->encrypt_then_mac = true;
		break;
	case EXTENSION_EXTENDED_MASTER:
		out->extended_master = true;
		break;
	case EXTENSION_TICKET:
		out->has_ticket = true;
		out->ticket = content;
		break;
	case EXTENSION_PSK:
		out->has_psk = true;
		break;
	case EXTENSION_EARLY_DATA:
		out->has_early_data = true;
		break;
	case EXTENSION_VERSIONS:
		read_versions(out, content);
		break;
	default:
		break;
	}
}

bool
hello_read(struct bytes body, bool client, struct hello *out)
{
	struct reader r = reader_make(body);
	uint16_t type;
	struct bytes rest, content;

	*out = (struct hello){ .client = client };
	out->legacy_version = out->version = reader_be16(&r);
	out->random = reader_take(&r, RANDOM_SIZE);
	out->session_id = take8(&r);
	if (client) {
		out->suites = take16(&r);
		(void)take8(&r); /* compression methods */
	} else {
		out->suite = reader_be16(&r);
		reader_skip(&r, 1);
	}
	if (r.failed || out->session_id.size > SESSION_ID_MAX ||
	    out->legacy_version >> 8 != 3)
		return false;
	if (reader_left(&r))
		out->extensions = take16(&r);
	rest = out->extensions;
	while (hello_next_extension(&rest, &type, &content))
		read_extension(out, type, content);
	out->retry = !client && memcmp(out->random.data, retry_random,
				       RANDOM_SIZE) == 0;
	return !r.failed;
}

bool
hello_next_extension(struct bytes *rest, uint16_t *type,
		     struct bytes *content)
{
	struct reader r = reader_make(*rest);

	if (!rest->size)
		return false;
	*type = reader_be16(&r);
	*content = take16(&r);
	*rest = bytes_make(r.at, reader_left(&r));
	return !r.failed;
}

bool
hello_next_number(struct bytes *rest, uint16_t *value)
{
	if (rest->size < 2)
		return false;
	*value = (uint16_t)(rest->data[0] << 8 | rest->data[1]);
	*rest = bytes_from(*rest, 2);
	return true;
}

bool
hello_next_alpn(struct bytes *rest, struct bytes *name)
{
	struct reader r = reader_make(*rest);

	if (!rest->size)
		return false;
	*name = take8(&r);
	*rest = bytes_make(r.at, reader_left(&r));
	return !r.failed;
}
