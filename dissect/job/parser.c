/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/parser.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dissect/job/confined.h"
#include "dissect/job/parser_limits.h"
#include "dissect/job/segment_channel.h"

#define PIPE_BYTES (1 << 20)
#define READ_BYTES (256u << 10)
#define FRAME_SLACK (2u << 20) /* what a frame may hold beside one body */
#define FAULT_SIZE 256

const char *
parser_state_text(enum parser_state_name state)
{
	static const char *const texts[] = {
		[PARSER_RUNNING] = "running",
		[PARSER_FINISHED] = "finished",
		[PARSER_FAILED] = "failed",
		[PARSER_STOPPED] = "stopped",
	};

	return texts[state];
}

static void
close_both(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* The pipe that events come through; the writer's end does not block. */
static int
make_pipe(int fds[2], struct error *e)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set_errno(e, errno, "cannot make a pipe");
	/* Refused above fs.pipe-max-size; then it is merely smaller. */
	fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES);
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		int rc = error_set_errno(e, errno, "cannot set up a pipe");

		close_both(fds);
		return rc;
	}
	return 0;
}

/* In the parent: what is left to do once the child runs. */
static int
adopt(struct parser *p, struct error *e)
{
	p->process = pidfd_open(p->pid, 0);
	if (p->process >= 0)
		return 0;
	error_set_errno(e, errno, "cannot watch a parser");
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	return e ? e->code : ERR_IO;
}

int
parser_start(struct parser *p, const struct parser_setup *setup,
	     struct error *e)
{
	pid_t self = getpid();
	int events[2], channel[2];
	int rc = make_pipe(events, e);

	*p = (struct parser){ .index = setup->index, .count = setup->count,
			      .process = -1, .events = -1, .channel = -1 };
	if (rc < 0)
		return rc;
	rc = segment_channel_pair(channel, e);
	if (rc < 0) {
		close_both(events);
		return rc;
	}
	p->pid = fork();
	if (p->pid == 0)
		parser_process_run(setup, events[1], channel[1], self);
	if (p->pid < 0)
		rc = error_set_errno(e, errno, "cannot start a parser");
	else
		rc = adopt(p, e);
	close(events[1]);
	close(channel[1]);
	p->events = events[0];
	p->channel = channel[0];
	p->frame_limit = setup->options->max_body + FRAME_SLACK;
	p->receive_limit = parser_event_limit(setup);
	p->cpu_limited = setup->options->cpu_seconds > 0;
	buf_init(&p->in, p->frame_limit + READ_BYTES + FRAME_HEADER);
	if (rc < 0)
		parser_free(p);
	return rc;
}

int
parser_read(struct parser *p)
{
	uint8_t *at = buf_reserve(&p->in, READ_BYTES);
	ssize_t n;

	assert(at); /* a partial frame is below its limit */
	n = read(p->events, at, READ_BYTES);
	if (n > 0) {
		p->in.size += (size_t)n;
		p->received += (uint64_t)n;
		return (int)n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	close(p->events);
	p->events = -1;
	p->ended_ns = clock_monotonic_ns();
	return ERR_EMPTY;
}

bool
parser_babbles(const struct parser *p)
{
	return p->received > p->receive_limit;
}

int
parser_frame(struct parser *p, size_t *offset, struct frame *frame)
{
	struct bytes rest = bytes_from(buf_view(&p->in), *offset);
	int rc = frame_next(&rest, p->frame_limit, frame);

	*offset = p->in.size - rest.size;
	return rc;
}

void
parser_drop(struct parser *p, size_t offset)
{
	buf_drop(&p->in, offset);
}

static void
close_channels(struct parser *p)
{
	if (p->events >= 0)
		close(p->events);
	if (p->channel >= 0)
		close(p->channel);
	p->events = p->channel = -1;
	if (p->ended_ns == 0)
		p->ended_ns = clock_monotonic_ns();
}

static void
kill_process(const struct parser *p)
{
	if (p->process >= 0)
		pidfd_send_signal(p->process, SIGKILL, NULL, 0);
}

void
parser_fail(struct parser *p, const char *format, ...)
{
	char text[FAULT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	kill_process(p);
	close_channels(p);
	buf_reset(&p->in);
	if (p->fault)
		return;
	p->state = PARSER_FAILED;
	p->fault = alloc_format("parser %u of %u %s; the calls of its "
				"connections after packet %llu are missing",
				p->index + 1, p->count, text,
				(unsigned long long)p->progress.packets);
}

void
parser_stop(struct parser *p)
{
	if (p->state == PARSER_RUNNING && !p->done)
		p->state = PARSER_STOPPED;
	kill_process(p);
}

/* The words for how the process ended, when it had not said it was done. */
static void
explain(struct parser *p, const siginfo_t *how)
{
	char text[CONFINED_END_SIZE];

	parser_fail(p, "%s", confined_end(how, p->cpu_limited, text));
}

bool
parser_reap(struct parser *p, bool wait)
{
	siginfo_t how = { 0 };

	if (p->process < 0)
		return true;
	if (waitid(P_PIDFD, (id_t)p->process, &how,
		   WEXITED | (wait ? 0 : WNOHANG)) < 0 ||
	    how.si_pid == 0)
		return false;
	if (p->state == PARSER_RUNNING) {
		if (p->done)
			p->state = PARSER_FINISHED;
		else
			explain(p, &how);
	}
	close(p->process);
	p->process = -1;
	close_channels(p);
	return true;
}

void
parser_free(struct parser *p)
{
	close_channels(p);
	if (p->process >= 0)
		close(p->process);
	p->process = -1;
	buf_free(&p->in);
	free(p->fault);
	p->fault = NULL;
}
