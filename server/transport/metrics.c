/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/metrics.h"

static const char *const endpoints[] = {
#define X(name, text) text,
	ENDPOINT_MAP(X)
#undef X
};

static const uint32_t bounds[METRICS_BUCKETS] = {
	50,    100,   250,    500,    1000,    2500,    5000,
	10000, 25000, 100000, 500000, 1000000, 5000000, 30000000,
};

const char *
endpoint_text(enum http_endpoint endpoint)
{
	return endpoints[endpoint];
}

void
metrics_request(struct metrics *m, enum http_endpoint endpoint, unsigned status,
		int64_t took_ns)
{
	uint64_t micros = (uint64_t)took_ns / 1000;
	unsigned bucket = 0;

	while (bucket < METRICS_BUCKETS && micros > bounds[bucket])
		bucket++;
	m->requests[endpoint][status / 100 % 6]++;
	m->buckets[endpoint][bucket]++;
	m->micros[endpoint] += micros;
}

static void
write_requests(const struct metrics *m, struct buf *out)
{
	buf_text(out, "# HELP aftertap_requests_total Answers by endpoint and "
		      "class of status.\n"
		      "# TYPE aftertap_requests_total counter\n");
	for (unsigned e = 0; e < ENDPOINT_COUNT; e++)
		for (unsigned class = 1; class < 6; class++)
			if (m->requests[e][class])
				buf_format(out,
					   "aftertap_requests_total{endpoint="
					   "\"%s\",status=\"%uxx\"} %llu\n",
					   endpoints[e], class,
					   (unsigned long long)
						   m->requests[e][class]);
}

static void
write_histogram(const struct metrics *m, unsigned e, struct buf *out)
{
	unsigned long long sum = 0;

	for (unsigned b = 0; b <= METRICS_BUCKETS; b++) {
		sum += m->buckets[e][b];
		buf_format(out,
			   "aftertap_request_seconds_bucket{endpoint=\"%s\","
			   "le=\"", endpoints[e]);
		if (b < METRICS_BUCKETS)
			buf_format(out, "%g", bounds[b] / 1e6);
		else
			buf_text(out, "+Inf");
		buf_format(out, "\"} %llu\n", sum);
	}
	buf_format(out, "aftertap_request_seconds_sum{endpoint=\"%s\"} %.6f\n",
		   endpoints[e], (double)m->micros[e] / 1e6);
	buf_format(out,
		   "aftertap_request_seconds_count{endpoint=\"%s\"} %llu\n",
		   endpoints[e], sum);
}

static uint64_t
total(const struct metrics *m, unsigned e)
{
	uint64_t sum = 0;

	for (unsigned class = 0; class < 6; class++)
		sum += m->requests[e][class];
	return sum;
}

static void
write_one(struct buf *out, const char *name, const char *type,
	  const char *help, uint64_t value)
{
	buf_format(out, "# HELP aftertap_%s %s\n# TYPE aftertap_%s %s\n"
			"aftertap_%s %llu\n", name, help, name, type, name,
		   (unsigned long long)value);
}

static void
write_now(const struct metrics_now *now, struct buf *out)
{
	write_one(out, "connections", "gauge", "Open connections.",
		  now->connections);
	write_one(out, "sessions", "gauge", "Sessions of clients.",
		  now->sessions);
	write_one(out, "streams", "gauge",
		  "Requests of sessions that are being answered.",
		  now->streams);
	write_one(out, "running", "gauge", "Requests on a thread.",
		  now->running);
	write_one(out, "jobs", "gauge", "Dissections and imports that run.",
		  now->jobs);
	write_one(out, "captures", "gauge", "Captures there are.",
		  now->captures);
	write_one(out, "captured_packets", "gauge",
		  "Packets in all captures.", now->captured_packets);
	write_one(out, "dropped_packets", "gauge",
		  "Packets that all captures have lost.",
		  now->dropped_packets);
}

static void
write_counters(const struct metrics *m, struct buf *out)
{
	write_one(out, "connections_total", "counter",
		  "Connections accepted.", m->connections);
	write_one(out, "connections_refused_total", "counter",
		  "Connections refused because there were too many.",
		  m->refused_connections);
	write_one(out, "received_bytes_total", "counter", "Bytes read.",
		  m->received_bytes);
	write_one(out, "sent_bytes_total", "counter", "Bytes written.",
		  m->sent_bytes);
	write_one(out, "sessions_total", "counter", "Sessions begun.",
		  m->sessions);
	write_one(out, "rate_limited_total", "counter",
		  "Requests refused because they came too fast.",
		  m->rate_limited);
	write_one(out, "unauthorized_total", "counter",
		  "Requests without a token that is known.", m->unauthorized);
	write_one(out, "oauth_key_failures_total", "counter",
		  "Times that the issuer's keys could not be had.",
		  m->key_failures);
	write_one(out, "foreign_total", "counter",
		  "Requests with a Host or Origin that is not ours.",
		  m->foreign);
	write_one(out, "timeouts_total", "counter",
		  "Connections closed because a request took too long to "
		  "arrive.", m->timeouts);
	write_one(out, "slow_readers_total", "counter",
		  "Connections closed because answers were not read.",
		  m->slow_readers);
}

void
metrics_write(const struct metrics *m, const struct metrics_now *now,
	      struct buf *out)
{
	write_requests(m, out);
	buf_text(out, "# HELP aftertap_request_seconds Time from a request's "
		      "arrival to the end of its answer.\n"
		      "# TYPE aftertap_request_seconds histogram\n");
	for (unsigned e = 0; e < ENDPOINT_COUNT; e++)
		if (total(m, e) > 0)
			write_histogram(m, e, out);
	write_counters(m, out);
	write_now(now, out);
}
