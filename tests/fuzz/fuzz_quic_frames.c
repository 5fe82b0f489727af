/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside of Initial packets: anybody can protect them, but a fuzzer
 * would have to find the authentication tag.
 *
 * Input: packets, each a byte (bit 0: of the server; bits 1-2: which of four
 * connections; bit 3: version 2), a 16-bit size in big endian, and as many
 * bytes of frames.
 */
#include <assert.h>
#include <openssl/evp.h>

#include "base/reader.h"
#include "dissect/proto/quic_protection.h"
#include "dissect/stream.h"
#include "tests/fuzz/fuzz.h"

#define TAG 16
#define NUMBER 4
#define FRAMES_MAX 2000
#define PACKET_MAX (FRAMES_MAX + 64)

enum { OF_SERVER = 1, VERSION_2 = 8 };

/* AES-128 of one block, or the AEAD of RFC 9001 §5.3. */
static void
mask(const uint8_t *key, const uint8_t *sample, uint8_t out[TAG])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int size = 0;

	assert(EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL));
	assert(EVP_EncryptUpdate(c, out, &size, sample, TAG));
	EVP_CIPHER_CTX_free(c);
}

static void
seal(const struct quic_protection *p, const uint8_t *iv, struct bytes head,
     struct bytes frames, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int size = 0;

	assert(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, p->key, iv));
	assert(EVP_EncryptUpdate(c, NULL, &size, head.data, (int)head.size));
	assert(EVP_EncryptUpdate(c, out, &size, frames.data,
				 (int)frames.size));
	assert(EVP_EncryptFinal_ex(c, out + frames.size, &size));
	assert(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG,
				   out + frames.size));
	EVP_CIPHER_CTX_free(c);
}

/* An Initial packet of number `count`; its size. */
static size_t
protect(uint8_t kind, uint32_t count, struct bytes frames,
	uint8_t out[PACKET_MAX])
{
	uint8_t connection = kind >> 1 & 3, bits[TAG], iv[12];
	bool server = kind & OF_SERVER, second = kind & VERSION_2;
	uint32_t version = second ? 0x6b3343cf : 1;
	size_t length = NUMBER + frames.size + TAG;
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
	const struct quic_protection *p = &keys[server];

	assert(quic_protection_initial(quic_version_find(version),
				       bytes_make(&connection, 1), keys));
	memcpy(iv, p->iv, sizeof(iv));
	for (int i = 0; i < NUMBER; i++)
		iv[8 + i] ^= (uint8_t)(count >> (24 - 8 * i));
	seal(p, iv, bytes_make(head, sizeof(head)), frames,
	     out + sizeof(head));
	mask(p->header, out + sizeof(head), bits);
	head[0] ^= bits[0] & 0x0f;
	for (size_t i = 0; i < NUMBER; i++)
		head[sizeof(head) - NUMBER + i] ^= bits[1 + i];
	memcpy(out, head, sizeof(head));
	return sizeof(head) + frames.size + TAG;
}

static void
on_call(void *context, const struct call_event *event)
{
	(void)context;
	assert(event->protocol == PROTOCOL_quic);
	assert(event->flags & (CALL_HAS_REQUEST | CALL_HAS_RESPONSE));
	for (int i = 0; i < FIELD_COUNT; i++)
		assert(!event->fields[i].size || event->fields[i].data);
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
	};
	struct stream_identity identity = { .connection = 1,
					    .ip_protocol = 17 };
	struct stream *stream = stream_new(&context, &identity);
	struct reader r = reader_make(bytes_make(data, size));
	struct stream_at at = { .time_ns = 1 };
	uint8_t packet[PACKET_MAX];

	while (reader_left(&r) > 3) {
		uint8_t kind = reader_u8(&r);
		size_t wanted = reader_be16(&r), left = reader_left(&r);
		struct bytes frames = reader_take(&r, wanted < left ? wanted
								    : left);

		frames = bytes_first(frames, FRAMES_MAX);
		if (!frames.size)
			continue;
		at.time_ns++;
		stream_data(stream, kind & OF_SERVER ? SIDE_SERVER
						     : SIDE_CLIENT,
			    bytes_make(packet, protect(kind,
						       (uint32_t)at.time_ns,
						       frames, packet)),
			    &at);
	}
	stream_free(stream, CALL_REASON_CAPTURE_ENDED);
	assert(context.buffered == 0);
	return 0;
}
