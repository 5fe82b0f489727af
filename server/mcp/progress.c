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
set_pending(struct mcp_request *r)
{
	if (!r->report.pending)
		TAILQ_INSERT_TAIL(&r->connection->server->reported, r,
				  reported);
	r->report.pending = true;
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
	r->report.valued = true;
	set_pending(r);
}

void
progress_report(void *request, double value, double total,
		const char *message)
{
	struct mcp_request *r = request;
	struct mcp_connection *c = r->connection;
	int64_t now = clock_monotonic_ns();
	bool due;

	if ((!r->progress_token && !r->is_task) || !isfinite(value) ||
	    !isfinite(total))
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

/* Lines beyond what is kept are lost: nobody reads that fast. */
void
progress_log(void *request, const char *text)
{
	struct mcp_request *r = request;
	struct mcp_connection *c = r->connection;
	struct bytes line = bytes_first(bytes_of(text), MESSAGE_LIMIT);

	if ((int)SEVERITY_INFO > (int)r->log_level)
		return;
	pthread_mutex_lock(&c->server->lock);
	if (r->report.line_count < REPORT_LINES) {
		r->report.lines[r->report.line_count++] =
			alloc_string_n(line.data, line.size);
		set_pending(r);
	}
	pthread_mutex_unlock(&c->server->lock);
	c->host->wake(c->context);
}

static void
tell(struct mcp_request *r, const struct report *report)
{
	for (size_t i = 0; i < report->line_count; i++)
		send_log(r, SEVERITY_INFO, "%s", report->lines[i]);
	if (r->is_task)
		task_progress(r, report);
	if (report->valued && r->progress_token)
		send_progress(r, report);
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
		r->report.pending = r->report.valued = false;
		r->report.message = NULL;
		r->report.line_count = 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (!report.pending)
		return;
	if (!atomic_load(&r->cancelled))
		tell(r, &report);
	for (size_t i = 0; i < report.line_count; i++)
		free(report.lines[i]);
	free(report.message);
}
