/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/session.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Records that may fail before a side is given up. */
#define FAILURES_MAX 32
/* Records that may be missing and are still searched behind. */
#define LOST_MAX 4096
/* Attempts at opening that a side may cost between two successes. */
#define ATTEMPTS_MAX 65536
/* KeyUpdates that may be lost at once. */
#define UPDATES_MAX 2

struct session_side {
	struct record_cipher *cipher; /* NULL: to be found */
	const struct suite *suite;    /* of the cipher */
	enum session_phase phase;     /* of the cipher, or to try first */
	uint64_t sequence;            /* of the next record */
	uint64_t lost;                /* that may be missing before it */
	uint32_t failures, attempts;
	uint8_t secret[KEY_SECRET_MAX]; /* of TLS 1.3, for KeyUpdate */
	uint8_t secret_size;
};

struct session {
	const struct key_store *keys;
	struct key_query query;
	const struct suite *suite; /* NULL before the ServerHello */
	uint16_t version;
	bool encrypt_then_mac, early;
	uint8_t client_random[KEY_RANDOM_SIZE];
	uint8_t server_random[KEY_RANDOM_SIZE];
	struct session_side sides[2];
};

/* A record of a side that is being tried. */
struct attempt {
	struct session_side *side;
	struct bytes record;
	uint8_t *out;
	struct session_opened *opened;
};

struct session *
session_new(const struct key_store *keys, const struct key_query *query,
	    bool early)
{
	struct session *s = alloc_zero(1, sizeof(*s));

	s->keys = keys;
	s->query = *query;
	s->early = early;
	memcpy(s->client_random, query->random, KEY_RANDOM_SIZE);
	s->query.random = s->client_random;
	s->sides[SIDE_CLIENT].phase = early ? SESSION_EARLY
					    : SESSION_HANDSHAKE;
	s->sides[SIDE_SERVER].phase = SESSION_HANDSHAKE;
	return s;
}

void
session_free(struct session *s)
{
	if (!s)
		return;
	for (int side = 0; side < 2; side++)
		record_cipher_free(s->sides[side].cipher);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

void
session_choose(struct session *s, const struct session_choice *choice)
{
	s->version = choice->version;
	s->suite = choice->suite;
	s->encrypt_then_mac = choice->encrypt_then_mac;
	memcpy(s->server_random, choice->random, KEY_RANDOM_SIZE);
	for (int side = 0; side < 2; side++)
		if (s->version == TLS_VERSION_12)
			s->sides[side].phase = SESSION_TRAFFIC;
}

static size_t
find_secrets(const struct session *s, enum secret_label label,
	     struct bytes found[KEY_CANDIDATES])
{
	struct key_query query = s->query;

	query.label = label;
	return key_store_find(s->keys, &query, found);
}

enum secret_label
session_secret(enum side side, enum session_phase phase)
{
	static const enum secret_label labels[2][SESSION_PHASES] = {
		[SIDE_CLIENT] = { SECRET_CLIENT_EARLY,
				  SECRET_CLIENT_HANDSHAKE,
				  SECRET_CLIENT_TRAFFIC },
		[SIDE_SERVER] = { SECRET_LABEL_COUNT,
				  SECRET_SERVER_HANDSHAKE,
				  SECRET_SERVER_TRAFFIC },
	};

	return labels[side][phase];
}

static enum secret_label
label_of(const struct session *s, enum side side, enum session_phase phase)
{
	return s->version == TLS_VERSION_12 ? SECRET_MASTER
					    : session_secret(side, phase);
}

bool
session_has_keys(const struct session *s, enum side side)
{
	struct bytes found[KEY_CANDIDATES];

	if (s->suite && s->suite->kind == SUITE_UNREADABLE)
		return false;
	if (s->sides[side].cipher)
		return true;
	if (s->version && s->version != TLS_VERSION_12 &&
	    s->version != TLS_VERSION_13)
		return false;
	if (!s->version)
		return side == SIDE_CLIENT && s->early &&
		       find_secrets(s, SECRET_CLIENT_EARLY, found);
	for (unsigned i = s->sides[side].phase; i < SESSION_PHASES; i++)
		if (find_secrets(s, label_of(s, side,
					     (enum session_phase)i), found))
			return true;
	return false;
}

bool
session_is_readable(const struct session *s, enum side side)
{
	const struct session_side *state = &s->sides[side];

	return state->failures < FAILURES_MAX &&
	       state->attempts < ATTEMPTS_MAX && session_has_keys(s, side);
}

static void
drop_cipher(struct session_side *side)
{
	record_cipher_free(side->cipher);
	side->cipher = NULL;
	side->sequence = 0;
}

void
session_switch(struct session *s, enum side side)
{
	drop_cipher(&s->sides[side]);
	s->sides[side].lost = 0;
}

void
session_advance(struct session *s, enum side side)
{
	struct session_side *state = &s->sides[side];

	if (state->phase + 1 >= SESSION_PHASES)
		return;
	drop_cipher(state);
	state->phase++;
}

/* The keys behind an update, as the cipher of number 0. */
static struct record_cipher *
updated(struct session *s, struct session_side *side,
	uint8_t secret[KEY_SECRET_MAX], unsigned times)
{
	struct record_cipher *cipher = NULL;
	struct record_keys keys;
	bool good = side->secret_size > 0;

	memcpy(secret, side->secret, KEY_SECRET_MAX);
	for (unsigned i = 0; i < times && good; i++)
		good = key_schedule_update(side->suite, secret,
					   side->secret_size);
	if (good && key_schedule_traffic(side->suite,
					 bytes_make(secret, side->secret_size),
					 &keys))
		cipher = record_cipher_new(side->suite, s->version, &keys,
					   false);
	explicit_bzero(&keys, sizeof(keys));
	return cipher;
}

static void
adopt(struct session_side *side, struct record_cipher *cipher,
      struct bytes secret)
{
	record_cipher_free(side->cipher);
	side->cipher = cipher;
	side->secret_size = 0;
	if (secret.size == 0 || secret.size > KEY_SECRET_MAX)
		return;
	memcpy(side->secret, secret.data, secret.size);
	side->secret_size = (uint8_t)secret.size;
}

void
session_update(struct session *s, enum side side)
{
	struct session_side *state = &s->sides[side];
	uint8_t secret[KEY_SECRET_MAX];
	struct record_cipher *cipher;

	if (!state->cipher || state->phase != SESSION_TRAFFIC ||
	    s->version != TLS_VERSION_13)
		return;
	cipher = updated(s, state, secret, 1);
	if (cipher) {
		adopt(state, cipher, bytes_make(secret, state->secret_size));
		state->sequence = 0;
	}
	explicit_bzero(secret, sizeof(secret));
}

void
session_lost(struct session *s, enum side side, uint64_t records)
{
	uint64_t *lost = &s->sides[side].lost;

	*lost = records < LOST_MAX - *lost ? *lost + records : LOST_MAX;
}

/* Tries the numbers from `first` on, as many as may be missing. */
static bool
try_numbers(struct attempt *a, struct record_cipher *cipher, uint64_t first)
{
	for (uint64_t i = 0; i <= a->side->lost; i++) {
		if (a->side->attempts >= ATTEMPTS_MAX)
			return false;
		a->side->attempts++;
		if (!record_cipher_open(cipher, first + i, a->record, a->out,
					&a->opened->plain))
			continue;
		a->opened->skipped = i;
		a->side->sequence = first + i + 1;
		a->side->failures = a->side->attempts = 0;
		a->side->lost = 0;
		return true;
	}
	return false;
}

static struct record_cipher *
derive(const struct session *s, enum side side, const struct suite *suite,
       struct bytes secret)
{
	struct record_cipher *cipher = NULL;
	struct record_keys keys[2];
	bool good;

	if (s->version == TLS_VERSION_12)
		good = key_schedule_master(suite, secret, s->client_random,
					   s->server_random, keys);
	else
		good = key_schedule_traffic(suite, secret, &keys[side]);
	if (good)
		cipher = record_cipher_new(
			suite,
			s->version == TLS_VERSION_12 ? TLS_VERSION_12
						     : TLS_VERSION_13,
			&keys[side], s->encrypt_then_mac);
	explicit_bzero(keys, sizeof(keys));
	return cipher;
}

static bool
try_secret(struct session *s, enum side side, struct attempt *a,
	   const struct suite *suite, struct bytes secret)
{
	struct record_cipher *cipher = derive(s, side, suite, secret);

	if (!cipher)
		return false;
	if (!try_numbers(a, cipher, 0)) {
		record_cipher_free(cipher);
		return false;
	}
	adopt(a->side, cipher,
	      s->version == TLS_VERSION_12 ? bytes_make(NULL, 0) : secret);
	a->side->suite = suite;
	return true;
}

/* Every secret of a phase; early data is of the suite of its PSK, which the
 * ServerHello need not choose. */
static bool
try_phase(struct session *s, enum side side, struct attempt *a,
	  enum session_phase phase)
{
	static const uint16_t early_suites[] = { 0x1301, 0x1302, 0x1303 };
	struct bytes found[KEY_CANDIDATES];
	enum secret_label label = label_of(s, side, phase);
	size_t count = label < SECRET_LABEL_COUNT
			       ? find_secrets(s, label, found)
			       : 0;

	for (size_t i = 0; i < count; i++) {
		if (phase != SESSION_EARLY) {
			if (s->suite && try_secret(s, side, a, s->suite,
						   found[i]))
				return true;
			continue;
		}
		for (size_t j = 0; j < 3; j++)
			if (try_secret(s, side, a, suite_find(early_suites[j]),
				       found[i]))
				return true;
	}
	return false;
}

/* Records with a KeyUpdate may be among those that are missing. */
static bool
try_updates(struct session *s, struct attempt *a)
{
	uint8_t secret[KEY_SECRET_MAX];

	for (unsigned times = 1; times <= UPDATES_MAX; times++) {
		struct record_cipher *cipher = updated(s, a->side, secret,
						       times);

		if (!cipher)
			break;
		if (try_numbers(a, cipher, 0)) {
			adopt(a->side, cipher,
			      bytes_make(secret, a->side->secret_size));
			explicit_bzero(secret, sizeof(secret));
			return true;
		}
		record_cipher_free(cipher);
	}
	explicit_bzero(secret, sizeof(secret));
	return false;
}

static bool
open_any(struct session *s, enum side side, struct attempt *a)
{
	struct session_side *state = a->side;
	unsigned phase = state->phase;

	if (state->cipher &&
	    try_numbers(a, state->cipher, state->sequence))
		return true;
	if (state->cipher && state->lost && state->phase == SESSION_TRAFFIC &&
	    s->version == TLS_VERSION_13 && try_updates(s, a)) {
		a->opened->rekeyed = true;
		return true;
	}
	for (phase += state->cipher != NULL; phase < SESSION_PHASES; phase++) {
		if (!try_phase(s, side, a, (enum session_phase)phase))
			continue;
		a->opened->rekeyed = phase != state->phase;
		state->phase = (enum session_phase)phase;
		return true;
	}
	return false;
}

bool
session_open(struct session *s, enum side side, struct bytes record,
	     uint8_t *out, struct session_opened *opened)
{
	struct session_side *state = &s->sides[side];
	struct attempt attempt = { state, record, out, opened };

	*opened = (struct session_opened){ .skipped = 0 };
	if (!open_any(s, side, &attempt)) {
		state->failures++;
		return false;
	}
	opened->phase = state->phase;
	opened->suite = state->suite;
	opened->overhead = record_cipher_overhead(state->cipher);
	return true;
}
