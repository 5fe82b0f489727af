/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "capture/keys/key_event.h"
#include "capture/keys/key_files.h"
#include "capture/keys/key_loader.h"
#include "capture/secrets.h"

#define FILES_MAX_DEFAULT  256u
#define RING_BYTES_DEFAULT (1u << 20)
#define PENDING_MAX        256u
#define LOOKS_PER_DISPATCH 64u
/* What is spent at a time on seeing why programs cannot be probed, and how long
 * before it is gone on with. */
#define ASKING_NS          (20 * CLOCK_NS_PER_MS)
#define ASKING_PAUSE_NS    (100 * CLOCK_NS_PER_MS)
#define OUTPUT_MAX         ((size_t)8 << 20)

_Static_assert(KEY_SERVER_TRAFFIC == (int)SECRET_SERVER_TRAFFIC &&
	       KEY_MASTER == (int)SECRET_MASTER &&
	       KEY_CLIENT_HANDSHAKE == (int)SECRET_CLIENT_HANDSHAKE,
	       "labels are handed on as they are");
_Static_assert(KEY_HOOK_BORINGSSL == (int)SECRET_HOOK_BORINGSSL &&
	       KEY_HOOK_GNUTLS == (int)SECRET_HOOK_GNUTLS &&
	       KEY_HOOK_GO == (int)SECRET_HOOK_GO,
	       "hooks are handed on as they are");

/* A program that was started: its libraries come little by little. */
struct key_pending {
	uint32_t pid;
	uint32_t step; /* into look_after_ns */
	int64_t due_ns;
	bool known;
};

static const int64_t look_after_ns[] = {
	0,
	20 * CLOCK_NS_PER_MS,
	200 * CLOCK_NS_PER_MS,
	1 * CLOCK_NS_PER_S,
	5 * CLOCK_NS_PER_S,
};
#define LOOKS (sizeof(look_after_ns) / sizeof(look_after_ns[0]))

struct keys {
	char *path, *proc;
	int fd; /* of the secrets file */
	struct key_loader loader;
	struct key_files *files;
	int epoll, timer;
	struct buf output;
	struct key_pending pending[PENDING_MAX];
	uint32_t pending_count;
	int64_t ticked_ns;
	int64_t offset_ns; /* from the monotonic clock to UTC */
	uint64_t written, lost;
	uint64_t waiting; /* secrets in `output` */
	uint64_t missed;  /* programs that could not be noted, as last seen */
	uint64_t full;    /* … because too many were pending */
};

static int
keys_on_secret(void *context, void *data, size_t size)
{
	struct keys *k = context;
	const struct key_event *e = data;
	struct secret s;

	if (size < sizeof(*e) || e->size > SECRET_SIZE_MAX ||
	    e->label >= SECRET_LABEL_COUNT)
		return 0;
	s = (struct secret){
		.time_ns = (int64_t)e->time_ns + k->offset_ns,
		.cookie = e->cookie,
		.pid = e->pid,
		.thread = e->thread,
		.label = e->label,
		.hook = e->hook,
		.local_port = e->local_port,
		.remote_port = e->remote_port,
		.has_random = e->has_random != 0,
		.size = e->size,
	};
	memcpy(s.local, e->local, sizeof(s.local));
	memcpy(s.remote, e->remote, sizeof(s.remote));
	memcpy(s.name, e->name, sizeof(e->name));
	memcpy(s.random, e->random, sizeof(s.random));
	memcpy(s.value, e->secret, sizeof(s.value));
	secrets_encode(&k->output, &s);
	k->waiting++;
	explicit_bzero(&s, sizeof(s));
	return 0;
}

static int
keys_on_program(void *context, void *data, size_t size)
{
	struct keys *k = context;
	const struct key_program *p = data;

	if (size < sizeof(*p))
		return 0;
	if (k->pending_count == PENDING_MAX) {
		k->full++;
		return 0;
	}
	/* A known program may yet load a library that is not. */
	k->pending[k->pending_count++] = (struct key_pending){
		.pid = p->pid,
		.step = p->known ? LOOKS - 2 : 0,
		.due_ns = clock_monotonic_ns() +
			  (p->known ? look_after_ns[LOOKS - 2] : 0),
		.known = p->known != 0,
	};
	return 0;
}

/* Wakes the caller for the next look that cannot wait for its second. */
static void
keys_set_timer(const struct keys *k)
{
	int64_t now = clock_monotonic_ns(), in;
	int64_t first = key_files_unasked(k->files) ? now + ASKING_PAUSE_NS
						    : INT64_MAX;
	struct itimerspec when = { .it_value = { 0, 0 } };

	for (uint32_t i = 0; i < k->pending_count; i++)
		if (!k->pending[i].known && k->pending[i].due_ns < first)
			first = k->pending[i].due_ns;
	if (first != INT64_MAX) {
		in = first - now;
		in = in < CLOCK_NS_PER_MS ? CLOCK_NS_PER_MS : in;
		when.it_value.tv_sec = in / CLOCK_NS_PER_S;
		when.it_value.tv_nsec = in % CLOCK_NS_PER_S;
	}
	timerfd_settime(k->timer, 0, &when, NULL);
}

/* Looks at the programs whose time has come. */
static void
keys_look(struct keys *k)
{
	int64_t now = clock_monotonic_ns();
	uint32_t kept = 0, looks = 0;

	for (uint32_t i = 0; i < k->pending_count; i++) {
		struct key_pending p = k->pending[i];

		if (p.due_ns <= now && looks < LOOKS_PER_DISPATCH) {
			key_files_look(k->files, p.pid);
			looks++;
			if (p.known || ++p.step == LOOKS)
				continue;
			p.due_ns = now + look_after_ns[p.step] -
				   look_after_ns[p.step - 1];
		}
		k->pending[kept++] = p;
	}
	k->pending_count = kept;
}

static bool
keys_is_due(const struct keys *k)
{
	int64_t now = clock_monotonic_ns();

	for (uint32_t i = 0; i < k->pending_count; i++)
		if (k->pending[i].due_ns <= now)
			return true;
	return false;
}

/* Why programs are not covered, as long as nothing is to be probed. */
static void
keys_ask(struct keys *k)
{
	int64_t end = clock_monotonic_ns() + ASKING_NS;

	while (key_files_unasked(k->files) && !keys_is_due(k) &&
	       clock_monotonic_ns() < end)
		key_files_ask(k->files);
}

/* Appends what has come to the file. */
static int
keys_write(struct keys *k, struct error *e)
{
	int status;

	if (k->output.size == 0)
		return 0;
	status = k->output.failed ? ERR_LIMIT
				  : secrets_append(k->fd,
						   buf_view(&k->output));
	if (status < 0)
		k->lost += k->waiting;
	else
		k->written += k->waiting;
	k->waiting = 0;
	explicit_bzero(k->output.data, k->output.size);
	buf_reset(&k->output);
	return status < 0 ? error_set(e, status, "cannot write %s: %s",
				      k->path, err_text(status))
			  : 0;
}

static void
keys_tick(struct keys *k)
{
	uint64_t missed = k->full + key_loader_missed(&k->loader);

	if (missed != k->missed)
		key_files_missed(k->files);
	k->missed = missed;
	key_files_tick(k->files);
}

int
keys_dispatch(struct keys *k, struct error *e)
{
	int64_t now = clock_monotonic_ns();
	uint64_t expirations;
	int status;

	k->offset_ns = clock_wall_ns() - now;
	if (read(k->timer, &expirations, sizeof(expirations)) < 0)
		expirations = 0; /* it was not the timer */
	key_loader_consume(&k->loader);
	status = keys_write(k, e);
	keys_look(k);
	if (now - k->ticked_ns >= CLOCK_NS_PER_S) {
		k->ticked_ns = now;
		keys_tick(k);
	}
	keys_ask(k);
	keys_set_timer(k);
	return status;
}

int
keys_descriptor(const struct keys *k)
{
	return k->epoll;
}

static int
keys_watch(struct keys *k, struct error *e)
{
	struct epoll_event event = { .events = EPOLLIN };

	k->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->timer < 0 || k->epoll < 0 ||
	    epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->timer, &event) < 0 ||
	    epoll_ctl(k->epoll, EPOLL_CTL_ADD,
		      key_loader_descriptor(&k->loader), &event) < 0)
		return error_set_errno(e, errno, "cannot watch for secrets");
	return 0;
}

static int
keys_start(struct keys *k, const struct keys_options *options,
	   struct error *e)
{
	struct key_loader_settings settings = {
		.ring_bytes = options->ring_bytes ? options->ring_bytes
						  : RING_BYTES_DEFAULT,
		.context = k,
		.on_secret = keys_on_secret,
		.on_program = keys_on_program,
	};
	struct key_files_settings files = {
		.proc = k->proc,
		.files_max = options->files_max ? options->files_max
						: FILES_MAX_DEFAULT,
	};
	int status = key_loader_open(&k->loader, &settings, e);

	if (status == 0)
		status = keys_watch(k, e);
	if (status < 0)
		return status;
	k->fd = secrets_open(options->path, e);
	if (k->fd < 0)
		return k->fd;
	files.method = k->loader.method;
	files.known_files = k->loader.known_files;
	memcpy(files.programs, k->loader.programs, sizeof(files.programs));
	k->files = key_files_new(&files);
	key_files_add_system(k->files);
	key_files_look_all(k->files);
	return 0;
}

int
keys_open(const struct keys_options *options, struct keys **out,
	  struct error *e)
{
	struct keys *k = alloc_zero(1, sizeof(*k));
	int status;

	k->fd = k->epoll = k->timer = -1;
	k->path = alloc_string(options->path);
	k->proc = alloc_string(options->proc ? options->proc : "/proc");
	buf_init(&k->output, OUTPUT_MAX);
	status = keys_start(k, options, e);
	if (status < 0) {
		keys_close(k);
		k = NULL;
	}
	*out = k;
	return status;
}

json_t *
keys_describe(const struct keys *k)
{
	json_t *object = json_pack(
		"{s:s,s:I,s:I}", "mechanism",
		k->loader.method == PROBE_MULTI ? "uprobe_multi"
						: "perf_uprobe",
		"secrets", (json_int_t)k->written, "lost",
		(json_int_t)k->lost +
			(json_int_t)key_loader_lost(&k->loader));

	key_files_describe(k->files, object);
	json_object_set(object, "degraded", k->loader.degraded);
	return object;
}

int
keys_forget(struct keys *k, int64_t before_ns, struct error *e)
{
	int status = secrets_forget(k->path, before_ns, e), fd;

	if (status < 0)
		return status;
	fd = secrets_open(k->path, e);
	if (fd < 0)
		return fd;
	close(k->fd);
	k->fd = fd;
	return 0;
}

void
keys_close(struct keys *k)
{
	if (!k)
		return;
	key_files_free(k->files);
	if (k->fd >= 0) {
		k->offset_ns = clock_wall_ns() - clock_monotonic_ns();
		key_loader_consume(&k->loader);
		keys_write(k, NULL);
		close(k->fd);
	}
	key_loader_close(&k->loader);
	if (k->epoll >= 0)
		close(k->epoll);
	if (k->timer >= 0)
		close(k->timer);
	buf_free(&k->output);
	free(k->path);
	free(k->proc);
	free(k);
}
