/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside of packets, with HTTP/3 in it: a fuzzer would have to find the
 * authentication tag.
 *
 * Input: packets, each a byte (bit 0: of the server; bits 1-2: which of four
 * connections; bit 3: version 2; bit 4: with 1-RTT keys; bit 5: behind hellos
 * of both sides, which secrets are known of; bit 6: three seconds later), a
 * 16-bit size in big endian, and as many bytes of frames.
 */
#include <assert.h>

#include "base/buf.h"
#include "base/reader.h"
#include "dissect/proto/quic_protection.h"
#include "dissect/stream.h"
#include "dissect/tls/key_store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/quic_seal.h"

#define FRAMES_MAX 2000
#define PACKET_MAX (FRAMES_MAX + 64)

#define SUITE 0x1301
#define LATER_NS 3000000000LL

enum { OF_SERVER = 1, VERSION_2 = 8, SHORT = 16, HELLOS = 32, LATER = 64 };

/* A packet that is to be protected. */
struct sent {
	uint8_t kind;
	uint32_t count; /* its number */
	struct bytes frames;
};

static size_t
protect_initial(const struct sent *sent, uint8_t out[PACKET_MAX])
{
	uint8_t connection = sent->kind >> 1 & 3;
	bool server = sent->kind & OF_SERVER, second = sent->kind & VERSION_2;
	uint32_t version = second ? 0x6b3343cf : 1, count = sent->count;
	size_t length = QUIC_SEAL_NUMBER + sent->frames.size +
			QUIC_SEAL_TAG;
	uint8_t head[] = { second ? 0xd3 : 0xc3,
			   (uint8_t)(version >> 24),
			   (uint8_t)(version >> 16),
			   (uint8_t)(version >> 8),
			   (uint8_t)version,
			   1,
			   server ? 0x80 : connection, /* to */
			   1,
			   server ? connection : 0x80, /* from */
			   0,
			   (uint8_t)(0x40 | length >> 8),
			   (uint8_t)length,
			   (uint8_t)(count >> 24),
			   (uint8_t)(count >> 16),
			   (uint8_t)(count >> 8),
			   (uint8_t)count };
	struct quic_protection keys[2];

	assert(quic_protection_initial(quic_version_find(version),
				       bytes_make(&connection, 1), keys));
	return quic_seal(&keys[server], bytes_make(head, sizeof(head)), count,
			 sent->frames, out);
}

/* The secrets of all connections are zeros. */
static size_t
protect_short(const struct sent *sent, uint8_t out[PACKET_MAX])
{
	static const uint8_t secret[32];
	uint8_t connection = sent->kind >> 1 & 3;
	uint32_t version = sent->kind & VERSION_2 ? 0x6b3343cf : 1;
	uint8_t head[] = { 0x43,
			   sent->kind & OF_SERVER ? 0x80 : connection,
			   (uint8_t)(sent->count >> 24),
			   (uint8_t)(sent->count >> 16),
			   (uint8_t)(sent->count >> 8),
			   (uint8_t)sent->count };
	struct quic_protection keys;

	assert(quic_protection_derive(quic_version_find(version),
				      suite_find(SUITE),
				      bytes_make(secret, sizeof(secret)),
				      &keys));
	return quic_seal(&keys, bytes_make(head, sizeof(head)), sent->count,
			 sent->frames, out);
}

/* CRYPTO with a hello of connection `connection` that speaks of h3 alone. */
static void
put_hello(struct buf *out, bool server, uint8_t connection)
{
	static const uint8_t client[] = { 0x00, 0x02, 0x13, 0x01, 0x01, 0x00,
					  0x00, 0x10, 0x00, 0x2b, 0x00, 0x03,
					  0x02, 0x03, 0x04, 0x00, 0x10, 0x00,
					  0x05, 0x00, 0x03, 0x02, 'h',	'3' };
	static const uint8_t answer[] = { 0x13, 0x01, 0x00, 0x00, 0x06,
					  0x00, 0x2b, 0x00, 0x02, 0x03,
					  0x04 };
	struct bytes rest = server ? bytes_make(answer, sizeof(answer))
				   : bytes_make(client, sizeof(client));
	size_t size = 2 + 32 + 1 + rest.size;

	buf_append(out, "\x06\0", 2);
	buf_u8(out, 0x40);
	buf_u8(out, (uint8_t)(size + 4));
	buf_u8(out, server ? 2 : 1);
	buf_append(out, "\0\0", 2);
	buf_u8(out, (uint8_t)size);
	buf_append(out, "\3\3", 2);
	for (int i = 0; i < 32; i++)
		buf_u8(out, connection);
	buf_u8(out, 0);
	buf_bytes(out, rest);
}

static struct key_store *
make_secrets(void)
{
	struct key_store *keys = key_store_new(16);

	for (uint8_t connection = 0; connection < 4; connection++) {
		struct secret secret = { .has_random = true, .size = 32 };

		memset(secret.random, connection, sizeof(secret.random));
		secret.label = SECRET_CLIENT_TRAFFIC;
		assert(key_store_add(keys, &secret));
		secret.label = SECRET_SERVER_TRAFFIC;
		assert(key_store_add(keys, &secret));
	}
	return keys;
}

static void
on_call(void *context, struct call_event *event)
{
	(void)context;
	assert(event->protocol == PROTOCOL_quic ||
	       event->protocol == PROTOCOL_http);
	assert(event->flags & (CALL_HAS_REQUEST | CALL_HAS_RESPONSE));
	for (int i = 0; i < FIELD_COUNT; i++)
		assert(!event->fields[i].size || event->fields[i].data);
}

static void
send(struct stream *stream, struct sent *sent, struct stream_at *at)
{
	uint8_t packet[PACKET_MAX];
	size_t size;

	at->time_ns += sent->kind & LATER ? LATER_NS : 1;
	size = sent->kind & SHORT ? protect_short(sent, packet)
				  : protect_initial(sent, packet);
	stream_data(stream,
		    sent->kind & OF_SERVER ? SIDE_SERVER : SIDE_CLIENT,
		    bytes_make(packet, size), at);
}

static void
send_hellos(struct stream *stream, uint8_t kind, uint32_t *count,
	    struct stream_at *at)
{
	struct buf hello;

	buf_init(&hello, FRAMES_MAX);
	for (uint8_t side = 0; side < 2; side++) {
		struct sent sent = { .count = ++*count };

		buf_reset(&hello);
		put_hello(&hello, side, kind >> 1 & 3);
		sent.kind = (uint8_t)((kind & (6 | VERSION_2)) | side);
		sent.frames = buf_view(&hello);
		send(stream, &sent, at);
	}
	buf_free(&hello);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct coverage coverage = { .packets = 0 };
	struct stream_context context = {
		.options = { .protocols = UINT64_C(1) << PROTOCOL_quic,
			     .body_limit = 4096,
			     .head_limit = 1 << 16,
			     .pending_limit = 3 },
		.events = { .call = on_call },
		.coverage = &coverage,
		.buffered_limit = 1 << 17,
		.keys = make_secrets(),
	};
	struct stream_identity identity = { .connection = 1,
					    .ip_protocol = 17 };
	struct stream *stream = stream_new(&context, &identity);
	struct reader r = reader_make(bytes_make(data, size));
	struct stream_at at = { .time_ns = 1 };
	uint32_t count = 0;

	while (reader_left(&r) > 3) {
		struct sent sent = { .kind = reader_u8(&r) };
		size_t wanted = reader_be16(&r), left = reader_left(&r);

		sent.frames = bytes_first(
			reader_take(&r, wanted < left ? wanted : left),
			FRAMES_MAX);
		if (sent.kind & HELLOS)
			send_hellos(stream, sent.kind, &count, &at);
		sent.count = ++count;
		if (sent.frames.size)
			send(stream, &sent, &at);
		assert(context.buffered <= context.buffered_limit * 2);
	}
	stream_free(stream, CALL_REASON_CAPTURE_ENDED);
	assert(context.buffered == 0);
	key_store_free(context.keys);
	return 0;
}
