/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/ssh_kex.h"

#include "base/buf.h"
#include "base/reader.h"
#include "dissect/tls/fingerprint.h"

#define COOKIE 16
#define TEXT_MAX (64u << 10)

const char *const ssh_list_names[SSH_LISTS] = {
	"kex",
	"host-key",
	"cipher-client-to-server",
	"cipher-server-to-client",
	"mac-client-to-server",
	"mac-server-to-client",
	"compression-client-to-server",
	"compression-server-to-client",
};

static bool
is_list(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] <= ' ' || in.data[i] >= 0x7f)
			return false;
	return true;
}

bool
ssh_offer_read(struct bytes payload, struct ssh_offer *out)
{
	struct reader r = reader_make(payload);

	reader_skip(&r, COOKIE);
	for (int i = 0; i < SSH_LISTS; i++) {
		uint32_t size = reader_be32(&r);

		out->lists[i] = reader_take(&r, size);
		if (!is_list(out->lists[i]))
			return false;
	}
	return !r.failed;
}

static struct bytes
next_name(struct bytes *list)
{
	const uint8_t *comma =
		list->size ? memchr(list->data, ',', list->size) : NULL;
	struct bytes name = *list;

	if (comma)
		name.size = (size_t)(comma - list->data);
	*list = bytes_from(*list, name.size + 1);
	return name;
}

/* Lists of a few thousand names take a few thousand steps: no more than so
 * many names of either are looked at. */
#define NAMES_MAX 256

struct bytes
ssh_choose(const struct ssh_offer *client, const struct ssh_offer *server,
	   enum ssh_list list)
{
	struct bytes ours = client->lists[list];

	for (int i = 0; i < NAMES_MAX && ours.size; i++) {
		struct bytes name = next_name(&ours);
		struct bytes theirs = server->lists[list];

		for (int k = 0; k < NAMES_MAX && theirs.size; k++)
			if (name.size &&
			    bytes_equal(name, next_name(&theirs)))
				return name;
	}
	return bytes_make(NULL, 0);
}

bool
ssh_is_authenticated(struct bytes cipher)
{
	static const char *const names[] = {
		"chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com",
		"aes256-gcm@openssh.com",	 "AEAD_AES_128_GCM",
		"AEAD_AES_256_GCM",		 NULL
	};

	for (const char *const *name = names; *name; name++)
		if (bytes_equal(cipher, bytes_of(*name)))
			return true;
	return false;
}

void
ssh_hassh(const struct ssh_offer *offer, bool client,
	  char out[SSH_HASSH_SIZE])
{
	int side = client ? 0 : 1;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_bytes(&text, offer->lists[SSH_KEX]);
	buf_text(&text, ";");
	buf_bytes(&text, offer->lists[SSH_CIPHER_UP + side]);
	buf_text(&text, ";");
	buf_bytes(&text, offer->lists[SSH_MAC_UP + side]);
	buf_text(&text, ";");
	buf_bytes(&text, offer->lists[SSH_COMPRESSION_UP + side]);
	fingerprint_md5(buf_view(&text), out);
	buf_free(&text);
}
