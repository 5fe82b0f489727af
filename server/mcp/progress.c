/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress on its way from a tool's thread to the client: only with a token,
 * only upwards, at most one message in REPORT_EVERY_NS, the newest wins.
 */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/mcp/internal.h"

#define REPORT_EVERY_NS (20 * CLOCK_NS_PER_MS)
#define MESSAGE_LIMIT 512

static bool
is_due(const struct mcp_request *r, double value, double total, int64_t now)
{
	if (r->last_report_ns && value <= r->report.value)
		return false;
	return now - r->last_report_ns >= REPORT_EVERY_NS ||
	       (total > 0 && value >= total);
}

static void
keep(struct mcp_request *r, double value, double total, const char *message)
{
	struct bytes text = bytes_first(bytes_of(message), MESSAGE_LIMIT);

	r->report.value = value;
	r->report.total = total;
	free(r->report.message);
	r->report.message = message ? alloc_string_n(text.data, text.size) :
				      NULL;
	if (!r->report.pending)
		TAILQ_INSERT_TAIL(&r->connection->server->reported, r,
				  reported);
	r->report.pending = true;
}

void
progress_report(void *request, double value, double total,
		const char *message)
{
	struct mcp_request *r = request;
	struct mcp_connection *c = r->connection;
	int64_t now = clock_monotonic_ns();
	bool due;

	if (!r->progress_token || !isfinite(value) || !isfinite(total))
		return;
	pthread_mutex_lock(&c->server->lock);
	due = is_due(r, value, total, now);
	if (due) {
		keep(r, value, total, message);
		r->last_report_ns = now;
	}
	pthread_mutex_unlock(&c->server->lock);
	if (due)
		c->host->wake(c->context);
}

void
progress_flush(struct mcp_request *r)
{
	struct mcp_server *s = r->connection->server;
	struct report report;

	pthread_mutex_lock(&s->lock);
	report = r->report;
	if (report.pending) {
		TAILQ_REMOVE(&s->reported, r, reported);
		r->report.pending = false;
		r->report.message = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (!report.pending)
		return;
	if (!atomic_load(&r->cancelled))
		send_progress(r, &report);
	free(report.message);
}
