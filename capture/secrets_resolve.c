/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/secrets_resolve.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* A handshake derives its secrets after its ClientHello, at the latest after
 * so long a time; clocks of the two ways to take a time differ a little. */
#define EARLY_NS     (100 * CLOCK_NS_PER_MS)
#define HANDSHAKE_NS (60 * CLOCK_NS_PER_S)
/* With nothing but the time to go by. */
#define NEAR_NS      (5 * CLOCK_NS_PER_S)
/* So many secrets are looked at for one handshake: work stays linear. */
#define LOOKS_MAX    1024

/* A secret under one of its ports. */
struct resolve_port {
	uint16_t port;
	bool is_local;
	int64_t time_ns;
	uint32_t secret;
};

struct resolve {
	const struct secret_list *secrets;
	const struct tls_hello *hellos;
	uint32_t *by_random; /* secrets that have one, sorted by it */
	size_t random_count;
	struct resolve_port *by_port; /* the others, by port and time */
	size_t port_count;
	uint32_t *by_time; /* as these, that fitted nothing, by time */
	size_t time_count;
	bool *claimed; /* of each secret: it fits a handshake */
	struct secret_match *matches;
	size_t count, capacity;
};

static int
resolve_sign(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int
resolve_compare_random(const void *a, const void *b, void *context)
{
	const struct secret *items = context;

	return memcmp(items[*(const uint32_t *)a].random,
		      items[*(const uint32_t *)b].random, SECRET_RANDOM_SIZE);
}

static int
resolve_compare_time(const void *a, const void *b, void *context)
{
	const struct secret *items = context;

	return resolve_sign(items[*(const uint32_t *)a].time_ns,
			    items[*(const uint32_t *)b].time_ns);
}

static int
resolve_compare_port(const void *a, const void *b)
{
	const struct resolve_port *left = a, *right = b;

	if (left->port != right->port)
		return left->port < right->port ? -1 : 1;
	return resolve_sign(left->time_ns, right->time_ns);
}

static void
resolve_add_port(struct resolve *r, uint32_t index, uint16_t port,
		 bool is_local)
{
	if (port)
		r->by_port[r->port_count++] = (struct resolve_port){
			.port = port,
			.is_local = is_local,
			.time_ns = r->secrets->items[index].time_ns,
			.secret = index,
		};
}

static void
resolve_index(struct resolve *r)
{
	size_t count = r->secrets->count;

	r->by_random = alloc_zero(count + 1, sizeof(*r->by_random));
	r->by_port = alloc_zero(count * 2 + 1, sizeof(*r->by_port));
	r->by_time = alloc_zero(count + 1, sizeof(*r->by_time));
	r->claimed = alloc_zero(count + 1, sizeof(*r->claimed));
	for (uint32_t i = 0; i < count; i++) {
		const struct secret *s = &r->secrets->items[i];

		if (s->has_random) {
			r->by_random[r->random_count++] = i;
			continue;
		}
		resolve_add_port(r, i, s->local_port, true);
		resolve_add_port(r, i, s->remote_port, false);
	}
	if (r->random_count > 0)
		qsort_r(r->by_random, r->random_count, sizeof(*r->by_random),
			resolve_compare_random, r->secrets->items);
	qsort(r->by_port, r->port_count, sizeof(*r->by_port),
	      resolve_compare_port);
}

/* What fitted nothing is looked at again by time alone. */
static void
resolve_index_rest(struct resolve *r)
{
	for (uint32_t i = 0; i < r->secrets->count; i++)
		if (!r->claimed[i] && !r->secrets->items[i].has_random)
			r->by_time[r->time_count++] = i;
	if (r->time_count > 0)
		qsort_r(r->by_time, r->time_count, sizeof(*r->by_time),
			resolve_compare_time, r->secrets->items);
}

static void
resolve_add(struct resolve *r, uint32_t hello, uint32_t secret,
	    enum secret_evidence evidence)
{
	if (r->count == r->capacity) {
		r->capacity = r->capacity * 2 + 64;
		r->matches = alloc_resize(r->matches, r->capacity,
					  sizeof(*r->matches));
	}
	r->claimed[secret] = true;
	r->matches[r->count++] = (struct secret_match){
		.hello = hello,
		.secret = secret,
		.label = r->secrets->items[secret].label,
		.evidence = (uint8_t)evidence,
	};
}

static void
resolve_random(struct resolve *r, uint32_t hello)
{
	const uint8_t *wanted = r->hellos[hello].client_random;
	size_t low = 0, high = r->random_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint32_t at = r->by_random[middle];

		if (memcmp(r->secrets->items[at].random, wanted,
			   SECRET_RANDOM_SIZE) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->random_count; low++) {
		uint32_t at = r->by_random[low];

		if (memcmp(r->secrets->items[at].random, wanted,
			   SECRET_RANDOM_SIZE) != 0)
			break;
		resolve_add(r, hello, at, SECRET_BY_RANDOM);
	}
}

/* How a secret whose port is the client's fits. */
static enum secret_evidence
resolve_ends(const struct tls_hello *hello, const struct secret *secret,
	     bool is_local)
{
	const uint8_t *client = is_local ? secret->local : secret->remote;
	const uint8_t *server = is_local ? secret->remote : secret->local;
	uint16_t port = is_local ? secret->remote_port : secret->local_port;

	if (port != hello->server_port)
		return SECRET_BY_PORT;
	return memcmp(client, hello->client, 16) == 0 &&
			       memcmp(server, hello->server, 16) == 0
		       ? SECRET_BY_ENDS
		       : SECRET_BY_PORTS;
}

static int64_t
resolve_last_ns(const struct tls_hello *hello)
{
	int64_t last = hello->time_ns + HANDSHAKE_NS;

	return hello->until_ns < last ? hello->until_ns : last;
}

static void
resolve_ports(struct resolve *r, uint32_t index)
{
	const struct tls_hello *hello = &r->hellos[index];
	struct resolve_port wanted = { .port = hello->client_port,
				       .time_ns = hello->time_ns - EARLY_NS };
	size_t low = 0, high = r->port_count, looks = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (resolve_compare_port(&r->by_port[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->port_count && looks < LOOKS_MAX; low++, looks++) {
		const struct resolve_port *p = &r->by_port[low];

		if (p->port != wanted.port ||
		    p->time_ns > resolve_last_ns(hello))
			break;
		resolve_add(r, index, p->secret,
			    resolve_ends(hello, &r->secrets->items[p->secret],
					 p->is_local));
	}
}

/* Of those that fit nothing, the first ones after the ClientHello. */
static void
resolve_times(struct resolve *r, uint32_t index, unsigned missing)
{
	const struct tls_hello *hello = &r->hellos[index];
	unsigned found[SECRET_LABEL_COUNT] = { 0 };
	size_t low = 0, high = r->time_count, looks = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->secrets->items[r->by_time[middle]].time_ns <
		    hello->time_ns - EARLY_NS)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->time_count && looks < LOOKS_MAX; low++, looks++) {
		uint32_t at = r->by_time[low];
		const struct secret *s = &r->secrets->items[at];

		if (s->time_ns > hello->time_ns + NEAR_NS ||
		    s->time_ns > hello->until_ns)
			break;
		if ((missing & 1u << s->label) &&
		    found[s->label]++ < SECRET_MATCHES_MAX)
			resolve_add(r, index, at, SECRET_BY_TIME);
	}
}

/* The labels of TLS 1.3 for which a handshake has no secret among the matches
 * from `first` on. */
static unsigned
resolve_missing(const struct resolve *r, size_t first)
{
	unsigned missing = ~(1u << SECRET_MASTER);

	for (size_t i = first; i < r->count; i++)
		missing &= r->matches[i].label == SECRET_MASTER
				   ? 0 /* TLS 1.2: it has all it needs */
				   : ~(1u << r->matches[i].label);
	return missing;
}

static int64_t
resolve_distance(const struct resolve *r, const struct secret_match *m)
{
	int64_t distance = r->secrets->items[m->secret].time_ns -
			   r->hellos[m->hello].time_ns;

	return distance < 0 ? -distance : distance;
}

static int
resolve_compare_matches(const void *a, const void *b, void *context)
{
	const struct secret_match *left = a, *right = b;
	int order;

	if (left->hello != right->hello)
		return left->hello < right->hello ? -1 : 1;
	if (left->label != right->label)
		return left->label < right->label ? -1 : 1;
	if (left->evidence != right->evidence)
		return left->evidence < right->evidence ? -1 : 1;
	order = resolve_sign(resolve_distance(context, right),
			     resolve_distance(context, left));
	return order ? order : resolve_sign(left->secret, right->secret);
}

static bool
resolve_same_value(const struct resolve *r, uint32_t a, uint32_t b)
{
	const struct secret *left = &r->secrets->items[a];
	const struct secret *right = &r->secrets->items[b];

	return left->size == right->size &&
	       memcmp(left->value, right->value, left->size) == 0;
}

/* True when the match at `i` says nothing that a better one does not say. */
static bool
resolve_is_idle(const struct resolve *r, size_t i)
{
	const struct secret_match *m = &r->matches[i];
	size_t better = 0;

	for (size_t j = i + 1; j < r->count; j++) {
		const struct secret_match *other = &r->matches[j];

		if (other->hello != m->hello || other->label != m->label)
			break;
		if (other->evidence == SECRET_BY_RANDOM ||
		    ++better >= SECRET_MATCHES_MAX ||
		    resolve_same_value(r, m->secret, other->secret))
			return true;
	}
	return false;
}

static void
resolve_sort(struct resolve *r)
{
	size_t kept = 0;

	if (r->count == 0)
		return;
	qsort_r(r->matches, r->count, sizeof(*r->matches),
		resolve_compare_matches, r);
	for (size_t i = 0; i < r->count; i++)
		if (!resolve_is_idle(r, i))
			r->matches[kept++] = r->matches[i];
	r->count = kept;
}

size_t
secrets_resolve(const struct secret_list *secrets,
		const struct tls_hello *hellos, size_t count,
		struct secret_match **matches)
{
	struct resolve r = { .secrets = secrets, .hellos = hellos };
	unsigned *missing = alloc_zero(count + 1, sizeof(*missing));

	resolve_index(&r);
	for (uint32_t i = 0; i < count; i++) {
		size_t before = r.count;

		resolve_random(&r, i);
		resolve_ports(&r, i);
		missing[i] = resolve_missing(&r, before);
	}
	resolve_index_rest(&r);
	for (uint32_t i = 0; i < count; i++)
		if (missing[i])
			resolve_times(&r, i, missing[i]);
	resolve_sort(&r);
	free(missing);
	free(r.by_random);
	free(r.by_port);
	free(r.by_time);
	free(r.claimed);
	*matches = r.matches;
	return r.count;
}

static void
key_log_hex(struct buf *out, const uint8_t *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		buf_u8(out, (uint8_t)digits[data[i] >> 4]);
		buf_u8(out, (uint8_t)digits[data[i] & 15]);
	}
}

size_t
secrets_key_log(struct buf *out, const struct secret_list *secrets,
		const struct tls_hello *hellos,
		const struct secret_match *matches, size_t count)
{
	size_t handshakes = 0;

	for (size_t i = 0; i < count; i++) {
		const struct secret_match *m = &matches[i];
		const struct secret *s = &secrets->items[m->secret];

		handshakes += i == 0 || matches[i - 1].hello != m->hello;
		buf_text(out, secret_label_text(m->label));
		buf_u8(out, ' ');
		key_log_hex(out, hellos[m->hello].client_random,
			    TLS_RANDOM_SIZE);
		buf_u8(out, ' ');
		key_log_hex(out, s->value, s->size);
		buf_u8(out, '\n');
	}
	return handshakes;
}
