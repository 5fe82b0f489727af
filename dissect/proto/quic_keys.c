/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/quic_keys.h"

/* Packets without keys, or not authentic, behind which no more is searched for
 * than the keys that are known. */
#define FAILURES_MAX 32
/* How far behind the expected number a packet may be, in windows of what its
 * shortened number tells: what the capture lost is not told. */
#define WINDOWS_MAX 8
#define KEY_PHASE 0x04

/* A packet that is tried. */
struct attempt {
	struct quic_keys *keys;
	enum side side;
	enum session_phase level;
	const struct quic_version *version;
	const struct quic_packet *packet;
	struct quic_unmasked head;
	uint8_t *out;
	struct bytes plain;
};

void
quic_keys_begin(struct quic_keys *k, const struct key_store *store,
		const struct key_query *query)
{
	*k = (struct quic_keys){ .store = store, .query = *query };
	memcpy(k->random, query->random, sizeof(k->random));
	k->query.random = k->random;
}

void
quic_keys_end(struct quic_keys *k)
{
	explicit_bzero(k, sizeof(*k));
}

bool
quic_keys_level(const struct quic_packet *packet, enum session_phase *level)
{
	switch (packet->type) {
	case QUIC_EARLY:
		*level = SESSION_EARLY;
		return true;
	case QUIC_HANDSHAKE:
		*level = SESSION_HANDSHAKE;
		return true;
	case QUIC_SHORT:
		*level = SESSION_TRAFFIC;
		return true;
	case QUIC_INITIAL:
	case QUIC_RETRY:
	case QUIC_NEGOTIATION:
		break;
	}
	return false;
}

/* Packets with 0-RTT and 1-RTT keys are numbered together (RFC 9000 §12.3). */
static uint64_t *
expected_of(struct attempt *a)
{
	return &a->keys->expected[a->side][a->level == SESSION_HANDSHAKE
						   ? SESSION_HANDSHAKE
						   : SESSION_TRAFFIC];
}

/* With keys whose header protection has been undone. */
static bool
try_keys(struct attempt *a, const struct quic_protection *keys)
{
	a->plain = quic_protection_open(keys, a->packet, &a->head, a->out);
	return a->plain.size > 0;
}

static bool
unmask(struct attempt *a, const struct quic_protection *keys)
{
	return quic_protection_unmask(keys, a->packet, *expected_of(a),
				      &a->head);
}

/* Where more packets are missing than the shortened number tells. */
static bool
try_further(struct attempt *a, const struct quic_protection *keys)
{
	uint64_t window = UINT64_C(1) << (8 * a->head.size);
	uint64_t full = a->head.full;

	if (a->keys->failures[a->side][a->level] >= FAILURES_MAX ||
	    a->head.size > 2 || full >> 61)
		return false;
	for (unsigned i = 1; i <= WINDOWS_MAX; i++) {
		a->head.full = full + i * window;
		if (try_keys(a, keys))
			return true;
	}
	a->head.full = full;
	return false;
}

/* Key updates (RFC 9001 §6). */

/* The keys of the phase behind the one whose `secret` this is, which becomes
 * theirs; the protection of headers stays as it is. */
static bool
derive_next(struct attempt *a, const struct quic_protection *now,
	    struct quic_traffic *t)
{
	const char *label = a->version->is_second ? "quicv2 ku" : "quic ku";
	uint8_t secret[KEY_SECRET_MAX];
	bool good;

	good = t->secret_size &&
	       key_schedule_label(now->suite,
				  bytes_make(t->secret, t->secret_size), label,
				  secret, t->secret_size) &&
	       quic_protection_derive(a->version, now->suite,
				      bytes_make(secret, t->secret_size),
				      &t->next);
	if (good) {
		memcpy(t->secret, secret, t->secret_size);
		memcpy(t->next.header, now->header, sizeof(now->header));
	} else {
		t->next.suite = NULL;
		t->secret_size = 0;
	}
	explicit_bzero(secret, sizeof(secret));
	return good;
}

/* A packet opened with the keys behind those in use. */
static void
step_phase(struct attempt *a, struct quic_protection *now,
	   struct quic_traffic *t)
{
	t->before = *now;
	*now = t->next;
	t->phase = !t->phase;
	derive_next(a, now, t);
}

/* Both sides have been lost of view for two phases: the bit is the same. */
static bool
try_two_phases(struct attempt *a, struct quic_protection *now,
	       struct quic_traffic *t)
{
	struct quic_protection old = *now;
	struct quic_traffic kept = *t;
	bool good = false;

	if (a->keys->failures[a->side][a->level] < FAILURES_MAX &&
	    t->next.suite) {
		step_phase(a, now, t);
		good = try_keys(a, &t->next);
		if (good)
			step_phase(a, now, t);
	}
	if (!good) {
		*now = old;
		*t = kept;
	}
	explicit_bzero(&old, sizeof(old));
	explicit_bzero(&kept, sizeof(kept));
	return good;
}

static bool
try_phases(struct attempt *a, struct quic_protection *now)
{
	struct quic_traffic *t = &a->keys->traffic[a->side];
	bool phase = a->head.first & KEY_PHASE;

	if (phase == t->phase)
		return try_keys(a, now) || try_further(a, now) ||
		       try_two_phases(a, now, t);
	if (try_keys(a, &t->next)) {
		step_phase(a, now, t);
		return true;
	}
	return try_keys(a, &t->before);
}

/* Secrets. */

/* With this secret, and if it is right from here on. */
static bool
try_secret(struct attempt *a, const struct suite *suite, struct bytes secret)
{
	struct quic_protection *now = &a->keys->levels[a->side][a->level];
	struct quic_traffic *t = &a->keys->traffic[a->side];
	struct quic_protection keys;

	if (!suite || secret.size > KEY_SECRET_MAX ||
	    !quic_protection_derive(a->version, suite, secret, &keys))
		return false;
	if (!unmask(a, &keys)) {
		explicit_bzero(&keys, sizeof(keys));
		return false;
	}
	*now = keys;
	if (a->level == SESSION_TRAFFIC) {
		memcpy(t->secret, secret.data, secret.size);
		t->secret_size = (uint8_t)secret.size;
		t->phase = false;
		t->before.suite = NULL;
		derive_next(a, now, t);
	}
	explicit_bzero(&keys, sizeof(keys));
	if (a->level == SESSION_TRAFFIC ? try_phases(a, now)
					   : try_keys(a, now))
		return true;
	now->suite = NULL;
	return false;
}

static bool
find_secret(struct attempt *a)
{
	static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303 };
	struct quic_keys *k = a->keys;
	struct bytes found[KEY_CANDIDATES];
	size_t count = 0;

	if (k->failures[a->side][a->level] >= FAILURES_MAX)
		return false;
	k->query.label = session_secret(a->side, a->level);
	if (k->query.label != SECRET_LABEL_COUNT)
		count = key_store_find(k->store, &k->query, found);
	for (size_t i = 0; i < count; i++) {
		/* Early data are of the suite of what is resumed. */
		if (k->suite && a->level != SESSION_EARLY) {
			if (try_secret(a, k->suite, found[i]))
				return true;
			continue;
		}
		for (size_t j = 0; j < 3; j++)
			if (try_secret(a, suite_find(suites[j]), found[i]))
				return true;
	}
	return false;
}

static bool
open_known(struct attempt *a, struct quic_protection *now)
{
	if (!unmask(a, now))
		return false;
	if (a->level == SESSION_TRAFFIC)
		return try_phases(a, now);
	return try_keys(a, now) || try_further(a, now);
}

struct bytes
quic_keys_open(struct quic_keys *k, enum side side,
	       const struct quic_version *version,
	       const struct quic_packet *packet, uint8_t *out)
{
	struct attempt a = { .keys = k,
			     .side = side,
			     .version = version,
			     .packet = packet,
			     .out = out,
			     .plain = bytes_make(NULL, 0) };
	struct quic_protection *now;
	uint64_t *expected;
	bool good;

	if (!k->store || !quic_keys_level(packet, &a.level))
		return a.plain;
	now = &k->levels[side][a.level];
	good = now->suite ? open_known(&a, now) : find_secret(&a);
	if (!good) {
		k->failures[side][a.level]++;
		return bytes_make(NULL, 0);
	}
	k->failures[side][a.level] = 0;
	expected = expected_of(&a);
	if (a.head.full >= *expected)
		*expected = a.head.full + 1;
	return a.plain;
}
