/* SPDX-License-Identifier: Apache-2.0 */
/* In hexadecimal: an HMAC of 32 bytes, the time it ends (8, little-endian),
 * the state as JSON. */
#include "server/mcp/sealed_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "server/mcp/internal.h"

#define MAC_SIZE HASH_SHA256_SIZE
#define HEAD_SIZE (MAC_SIZE + 8)
#define STATE_LIMIT ((size_t)64 << 10)

static const char digits[] = "0123456789abcdef";

static void
add_text(struct buf *out, const char *text)
{
	buf_string(out, bytes_of(text ? text : ""));
}

static void
add_json(struct buf *out, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS |
						       JSON_ENCODE_ANY) :
			     NULL;

	add_text(out, text);
	free(text);
}

/* What the state is for: the method, what it names, its arguments, and who
 * asks; each with its length before it. */
static void
authenticate(const struct mcp_request *r, struct bytes payload,
	     uint8_t mac[MAC_SIZE])
{
	const struct mcp_connection *c = r->connection;
	struct buf all;

	buf_init(&all, SIZE_MAX);
	add_text(&all, r->method->name);
	add_json(&all, json_object_get(r->params, "name"));
	add_json(&all, json_object_get(r->params, "uri"));
	add_json(&all, json_object_get(r->params, "arguments"));
	buf_u8(&all, c->caller.principal != NULL);
	add_text(&all, c->caller.principal);
	buf_bytes(&all, payload);
	hash_hmac_sha256(bytes_make(c->server->secret,
				    sizeof(c->server->secret)),
			 buf_view(&all), mac);
	buf_free(&all);
}

static void
write_hex(struct buf *out, struct bytes in)
{
	for (size_t i = 0; i < in.size; i++) {
		buf_u8(out, (uint8_t)digits[in.data[i] >> 4]);
		buf_u8(out, (uint8_t)digits[in.data[i] & 15]);
	}
}

static bool
read_hex(struct buf *out, const char *text)
{
	size_t size = strlen(text);

	if (size % 2 != 0)
		return false;
	for (size_t i = 0; i < size; i += 2) {
		const char *high = strchr(digits, text[i]);
		const char *low = strchr(digits, text[i + 1]);

		if (!high || !low)
			return false;
		buf_u8(out, (uint8_t)((high - digits) << 4 | (low - digits)));
	}
	return !out->failed;
}

void
state_seal(const struct mcp_request *r, const json_t *state, struct buf *out)
{
	int64_t end = clock_monotonic_ns() + STATE_LIFE_MS * CLOCK_NS_PER_MS;
	uint8_t mac[MAC_SIZE];
	struct buf payload;

	buf_init(&payload, STATE_LIMIT);
	buf_le64(&payload, (uint64_t)end);
	rpc_write_json(&payload, state);
	authenticate(r, buf_view(&payload), mac);
	write_hex(out, bytes_make(mac, sizeof(mac)));
	write_hex(out, buf_view(&payload));
	out->failed |= payload.failed;
	buf_free(&payload);
}

static json_t *
check(const struct mcp_request *r, struct bytes all)
{
	uint8_t mac[MAC_SIZE];
	struct bytes payload;
	uint64_t end = 0;

	if (all.size < HEAD_SIZE)
		return NULL;
	payload = bytes_from(all, MAC_SIZE);
	authenticate(r, payload, mac);
	if (!hash_equal(mac, all.data, MAC_SIZE))
		return NULL;
	for (unsigned i = 0; i < 8; i++)
		end |= (uint64_t)payload.data[i] << (8 * i);
	if (clock_monotonic_ns() > (int64_t)end)
		return NULL;
	payload = bytes_from(payload, 8);
	return json_loadb((const char *)payload.data, payload.size,
			  JSON_DECODE_ANY, NULL);
}

json_t *
state_open(struct mcp_request *r, const char *text)
{
	json_t *state = NULL;
	struct buf all;

	buf_init(&all, STATE_LIMIT + HEAD_SIZE);
	if (read_hex(&all, text))
		state = check(r, buf_view(&all));
	buf_free(&all);
	if (!state)
		rpc_fail(&r->error, RPC_INVALID_PARAMS,
			 "this requestState was changed, is too old, or "
			 "belongs to another request: begin again without it");
	return state;
}
