/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side.  The process asks and waits for the answer, so that there
 * is one answer at a time on its way, and nothing is read while there is.
 */
#include "dissect/job/naming.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/reader.h"
#include "base/text.h"
#include "dissect/event_wire.h"
#include "dissect/job/confined.h"
#include "dissect/job/naming_process.h"

#define READ_BYTES  (64u << 10)
#define FRAME_LIMIT (2u << 20)   /* a block of messages, or less */
#define CALLS_BYTES (256u << 10) /* after which an answer is long enough */
#define FAULT_TEXT_MAX 200

struct naming {
	const struct descriptor_list *list;
	unsigned group;
	struct store_writer *store;
	pid_t pid; /* 0: gone */
	int channel;
	struct buf in, out;
	size_t sent; /* of `out` */
	uint64_t received, receive_limit;
	uint64_t first_block, next_block;
	int64_t served, named; /* the last call that was asked for, named */
	bool cpu_limited, done;
	bool all_served; /* it was told that there are no more calls */
	char *fault;
};

int
naming_start(const struct naming_setup *setup, struct store_writer *store,
	     struct naming **out, struct error *e)
{
	pid_t self = getpid(), pid;
	struct naming *n;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set_errno(e, errno, "cannot make a socket");
	pid = fork();
	if (pid == 0)
		naming_process_run(setup, fds[1], self);
	close(fds[1]);
	if (pid < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		close(fds[0]);
		return error_set_errno(e, errno, "cannot start a process");
	}
	n = alloc_zero(1, sizeof(*n));
	n->list = setup->list;
	n->group = setup->group;
	n->store = store;
	n->pid = pid;
	n->channel = fds[0];
	n->receive_limit = setup->receive_limit;
	n->first_block = n->next_block = setup->first_block;
	n->cpu_limited = setup->options->cpu_seconds > 0;
	buf_init(&n->in, FRAME_LIMIT + FRAME_HEADER + READ_BYTES);
	buf_init(&n->out, NAMING_FRAME_LIMIT);
	*out = n;
	return 0;
}

/* Ends the process, unless it has, and says how it ended. */
static void
reap(struct naming *n, siginfo_t *how)
{
	if (!n->pid)
		return;
	kill(n->pid, SIGKILL);
	waitid(P_PID, (id_t)n->pid, how, WEXITED);
	n->pid = 0;
	close(n->channel);
	n->channel = -1;
}

static void
fail(struct naming *n, const char *why)
{
	siginfo_t how;

	reap(n, &how);
	if (!n->fault)
		n->fault = alloc_string(why);
}

/* Its end of the channel was closed: it has ended, or does so now. */
static void
hung_up(struct naming *n)
{
	char text[CONFINED_END_SIZE];
	siginfo_t how = { 0 };

	reap(n, &how);
	if (!n->done && !n->fault)
		n->fault = alloc_string(
			confined_end(&how, n->cpu_limited, text));
}

/* Answering. */

static bool
answer_call(void *context, const struct store_call_payload *call)
{
	struct naming *n = context;

	n->served = call->id;
	if (descriptor_list_group_of(n->list, call->server,
				     call->server_port) != n->group)
		return true;
	buf_varint(&n->out, (uint64_t)call->id);
	buf_string(&n->out, call->method);
	buf_string(&n->out, call->payload);
	return n->out.size < CALLS_BYTES;
}

static int
answer_calls(struct naming *n, struct reader *r)
{
	uint64_t after = reader_varint(r);
	size_t start = frame_begin(&n->out, NAMING_CALLS), first;
	int rc;

	if (after > (uint64_t)n->served || n->all_served)
		return ERR_CORRUPT;
	first = n->out.size;
	rc = store_writer_visit(n->store, PROTOCOL_grpc, n->served,
				answer_call, n);
	n->all_served = n->out.size == first;
	frame_end(&n->out, start);
	return rc;
}

static int
answer_block(struct naming *n, struct reader *r)
{
	uint64_t block = reader_varint(r);
	size_t start = frame_begin(&n->out, NAMING_BLOCK);
	struct buf bytes;
	uint32_t raw_size = 0;
	int rc;

	if (block > INT64_MAX || n->all_served)
		return ERR_CORRUPT;
	buf_init(&bytes, NAMING_FRAME_LIMIT);
	rc = store_writer_read_block(n->store, block, &raw_size, &bytes);
	buf_varint(&n->out, bytes.failed ? 0 : raw_size);
	buf_bytes(&n->out, buf_view(&bytes));
	frame_end(&n->out, start);
	buf_free(&bytes);
	return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Taking. */

static int
take_block(struct naming *n, struct bytes payload)
{
	struct payload_block block;

	if (event_decode_block(payload, &block) < 0 || !block.bodies ||
	    block.block < n->next_block)
		return ERR_CORRUPT;
	n->next_block = block.block + 1;
	return store_writer_block(n->store, block.block, PAYLOAD_BODIES,
				  block.raw_size, block.compressed);
}

static int
take_named(struct naming *n, struct reader *r)
{
	uint64_t id = reader_varint(r);
	struct payload_ref refs[2];

	if (id <= (uint64_t)n->named || id > (uint64_t)n->served)
		return ERR_CORRUPT;
	for (int side = 0; side < 2; side++) {
		uint64_t size = reader_varint(r);
		uint64_t block = reader_varint(r);
		uint64_t offset = reader_varint(r);

		if (size > UINT32_MAX || offset > UINT32_MAX ||
		    (size && (block < n->first_block ||
			      block >= n->next_block)))
			return ERR_CORRUPT;
		refs[side] = (struct payload_ref){ block, (uint32_t)offset,
						   (uint32_t)size };
	}
	if (r->failed || reader_left(r))
		return ERR_CORRUPT;
	n->named = (int64_t)id;
	return store_writer_messages(n->store, PROTOCOL_grpc, (int64_t)id,
				     refs);
}

static void
take_fault(struct naming *n, struct bytes payload)
{
	char *text = text_printable(payload, FAULT_TEXT_MAX);
	char *why = alloc_format("gave up: %s", text);

	fail(n, why);
	free(why);
	free(text);
}

static int
take_frame(struct naming *n, const struct frame *frame)
{
	struct reader r = reader_make(frame->payload);

	switch (frame->type) {
	case NAMING_CALLS:
		return answer_calls(n, &r);
	case NAMING_BLOCK:
		return answer_block(n, &r);
	case EVENT_BLOCK:
		return take_block(n, frame->payload);
	case NAMING_NAMED:
		return take_named(n, &r);
	case NAMING_DONE:
		n->done = true;
		return 0;
	case EVENT_FAULT:
		take_fault(n, frame->payload);
		return 0;
	default:
		return ERR_CORRUPT;
	}
}

/* Frames that are whole, until one has to be answered. */
static int
take_frames(struct naming *n)
{
	struct frame frame;
	struct bytes rest = buf_view(&n->in);
	int rc = 0;

	while (!n->out.size && !naming_ended(n) &&
	       (rc = frame_next(&rest, FRAME_LIMIT, &frame)) == 1) {
		rc = take_frame(n, &frame);
		if (rc < 0)
			break;
	}
	if (rc == ERR_CORRUPT) {
		fail(n, "sent what it may not");
		return 0;
	}
	if (rc < 0)
		return rc;
	buf_drop(&n->in, n->in.size - rest.size);
	return 0;
}

/* Moving bytes; neither waits. */

static void
send_answer(struct naming *n)
{
	ssize_t sent = send(n->channel, n->out.data + n->sent,
			    n->out.size - n->sent, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent < 0) {
		hung_up(n);
		return;
	}
	n->sent += (size_t)sent;
	if (n->sent < n->out.size)
		return;
	buf_reset(&n->out);
	n->sent = 0;
}

static void
receive(struct naming *n)
{
	uint8_t *at = buf_reserve(&n->in, READ_BYTES);
	ssize_t got = at ? recv(n->channel, at, READ_BYTES, 0) : -1;

	if (got < 0 && at && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		hung_up(n);
		return;
	}
	n->in.size += (size_t)got;
	n->received += (uint64_t)got;
	if (n->received > n->receive_limit)
		fail(n, "sent more than its calls can give");
}

struct pollfd
naming_poll(const struct naming *n)
{
	return (struct pollfd){ .fd = n->channel,
				.events = n->out.size ? POLLOUT : POLLIN };
}

int
naming_serve(struct naming *n, short revents)
{
	if (naming_ended(n) || !revents)
		return 0;
	if (n->out.size)
		send_answer(n);
	else
		receive(n);
	return naming_ended(n) ? 0 : take_frames(n);
}

bool
naming_ended(const struct naming *n)
{
	return n->done || n->fault;
}

const char *
naming_fault(const struct naming *n)
{
	return n->fault;
}

void
naming_free(struct naming *n)
{
	siginfo_t how;

	if (!n)
		return;
	reap(n, &how);
	buf_free(&n->in);
	buf_free(&n->out);
	free(n->fault);
	free(n);
}
