/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plaintext of chosen processes, where they give it to OpenSSL and get it.
 *
 * A call is taken when it returns, for only then is it known how much of the
 * data counts.  Which socket it is about: the one that the thread used during
 * the call; else the one that this SSL object had before; else the thread's
 * last.  Programs that hand records to the library by themselves (Node) read
 * the socket just before they ask for its plaintext, which is remembered.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "capture/bpf/owner_kernel.bpf.h"
#include "capture/keys/plaintext_event.h"

char LICENSE[] SEC("license") = "GPL";

#define CHUNK_SMALL 512u

struct place {
	__u64 cookie, netns;
	__u32 inode;
	__u16 local_port, remote_port;
	__u8 local[16], remote[16];
};

/* A thread: its last TCP socket, and the call that is running. */
struct thread {
	struct place place;
	__u64 uses;     /* of sockets, by this thread */
	__u64 uses_seen; /* when the last call began or ended */
	__u64 ssl, data, count; /* of the call; count: where it is put */
	__u8 received;  /* the last use was a receive */
	__u8 running;
	__u8 outbound;
	__u8 pad[5];
};

struct session_key {
	__u64 ssl;
	__u32 pid, pad;
};

struct session {
	struct place place;
	__u64 offsets[2]; /* read, written */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} plaintext_threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct session_key);
	__type(value, struct session);
} sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} plaintext SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct session);
} empty SEC(".maps");

const volatile __u64 wake_bytes = 1 << 20;
__u64 calls;
__u64 lost_bytes;    /* the ring was full, or memory could not be read */
__u64 cut_bytes;     /* beyond PLAINTEXT_CHUNKS */
__u64 unknown_bytes; /* of which socket it is not known */

static __always_inline struct thread *
thread_get(__u64 flags)
{
	return bpf_task_storage_get(&plaintext_threads,
				    bpf_get_current_task_btf(), 0, flags);
}

static __always_inline void
place_of(struct place *p, struct sock *sk)
{
	const struct sock_common *c = &sk->__sk_common;
	__be32 local, remote;

	p->local_port = c->skc_num;
	p->remote_port = bpf_ntohs(c->skc_dport);
	p->netns = c->skc_net.net->net_cookie;
	p->inode = c->skc_net.net->ns.inum;
	__builtin_memset(p->local, 0, 16);
	__builtin_memset(p->remote, 0, 16);
	if (c->skc_family == AF_INET) {
		local = c->skc_rcv_saddr;
		remote = c->skc_daddr;
		p->local[10] = p->local[11] = 0xff;
		p->remote[10] = p->remote[11] = 0xff;
		__builtin_memcpy(p->local + 12, &local, 4);
		__builtin_memcpy(p->remote + 12, &remote, 4);
		return;
	}
	bpf_probe_read_kernel(p->local, 16, &c->skc_v6_rcv_saddr);
	bpf_probe_read_kernel(p->remote, 16, &c->skc_v6_daddr);
}

/* Of every thread: one that reads a socket may call the library only then. */
static __always_inline int
socket_used(struct sock *sk, _Bool received)
{
	struct thread *t;
	__u64 cookie;

	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	t = thread_get(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	t->uses++;
	t->received = received;
	cookie = bpf_get_socket_cookie(sk);
	if (t->place.cookie == cookie)
		return 0;
	t->place.cookie = cookie;
	place_of(&t->place, sk);
	return 0;
}

SEC("tp_btf/sock_send_length")
int
plaintext_sent(__u64 *ctx)
{
	return socket_used((struct sock *)ctx[0], 0);
}

SEC("tp_btf/sock_recv_length")
int
plaintext_received(__u64 *ctx)
{
	return socket_used((struct sock *)ctx[0], 1);
}

static __always_inline int
call_begin(struct pt_regs *ctx, _Bool outbound, __u64 count)
{
	struct thread *t = thread_get(BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return 0;
	t->ssl = PT_REGS_PARM1(ctx);
	t->data = PT_REGS_PARM2(ctx);
	t->count = count;
	t->outbound = outbound;
	/* A receive just before it is this session's. */
	t->running = 1 + (t->received && t->uses != t->uses_seen);
	t->uses_seen = t->uses;
	return 0;
}

/* int SSL_write(SSL *, const void *, int), int SSL_read(SSL *, void *, int) */
SEC("uprobe")
int
plaintext_write(struct pt_regs *ctx)
{
	return call_begin(ctx, 1, 0);
}

SEC("uprobe")
int
plaintext_read(struct pt_regs *ctx)
{
	return call_begin(ctx, 0, 0);
}

/* int SSL_write_ex(SSL *, const void *, size_t, size_t *written), and
 * SSL_read_ex alike */
SEC("uprobe")
int
plaintext_write_ex(struct pt_regs *ctx)
{
	return call_begin(ctx, 1, PT_REGS_PARM4(ctx));
}

SEC("uprobe")
int
plaintext_read_ex(struct pt_regs *ctx)
{
	return call_begin(ctx, 0, PT_REGS_PARM4(ctx));
}

static __always_inline struct session *
session_of(struct thread *t)
{
	struct session_key key = {
		.ssl = t->ssl,
		.pid = bpf_get_current_pid_tgid() >> 32,
	};
	struct session *s = bpf_map_lookup_elem(&sessions, &key);
	_Bool used = t->uses != t->uses_seen;
	_Bool fresh = !t->outbound && t->running == 2;
	__u32 zero = 0;

	if (!s) {
		struct session *none = bpf_map_lookup_elem(&empty, &zero);

		if (!none)
			return 0;
		bpf_map_update_elem(&sessions, &key, none, BPF_ANY);
		s = bpf_map_lookup_elem(&sessions, &key);
	}
	if (s && (used || fresh || !s->place.cookie))
		s->place = t->place;
	return s;
}

/* One chunk: true when it went. */
static __always_inline _Bool
chunk_send(const struct session *s, const struct thread *t, __u64 from,
	   __u64 size, __u64 offset)
{
	struct plaintext_event *e;
	__u64 waiting;

	asm volatile("" : "+r"(size));
	if (size == 0 || size > PLAINTEXT_CHUNK)
		return 0;
	e = size > CHUNK_SMALL
		    ? bpf_ringbuf_reserve(&plaintext,
					  sizeof(*e) + PLAINTEXT_CHUNK, 0)
		    : bpf_ringbuf_reserve(&plaintext, sizeof(*e) + CHUNK_SMALL,
					  0);
	if (!e)
		return 0;
	e->time_ns = bpf_ktime_get_ns();
	e->cookie = s->place.cookie;
	e->netns = s->place.netns;
	e->netns_inode = s->place.inode;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->size = size;
	e->offset = offset;
	e->opposite = s->offsets[!t->outbound];
	e->local_port = s->place.local_port;
	e->remote_port = s->place.remote_port;
	__builtin_memcpy(e->local, s->place.local, 16);
	__builtin_memcpy(e->remote, s->place.remote, 16);
	e->outbound = t->outbound;
	__builtin_memset(e->pad, 0, sizeof(e->pad));
	if (bpf_probe_read_user(e + 1, size, (void *)from)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	waiting = bpf_ringbuf_query(&plaintext, BPF_RB_AVAIL_DATA);
	bpf_ringbuf_submit(e, waiting > wake_bytes ? BPF_RB_FORCE_WAKEUP
						   : BPF_RB_NO_WAKEUP);
	return 1;
}

/* Data of a call, on its way out in chunks. */
struct transfer {
	struct session *session;
	const struct thread *thread;
	__u64 from, size, offset, done;
};

static long
transfer_step(__u32 index, struct transfer *x)
{
	__u64 part = x->size - x->done;

	(void)index;
	if (x->done >= x->size)
		return 1;
	if (part > PLAINTEXT_CHUNK)
		part = PLAINTEXT_CHUNK;
	/* What does not go leaves a hole in the stream. */
	if (!chunk_send(x->session, x->thread, x->from + x->done, part,
			x->offset + x->done))
		__sync_fetch_and_add(&lost_bytes, part);
	x->done += part;
	return 0;
}

static __always_inline void
data_send(struct session *s, const struct thread *t, __u64 size)
{
	struct transfer x = {
		.session = s,
		.thread = t,
		.from = t->data,
		.size = size,
		.offset = t->outbound ? s->offsets[1] : s->offsets[0],
	};

	bpf_loop(PLAINTEXT_CHUNKS, transfer_step, &x, 0);
	if (x.done < size)
		__sync_fetch_and_add(&cut_bytes, size - x.done);
}

SEC("uretprobe")
int
plaintext_return(struct pt_regs *ctx)
{
	int result = (int)PT_REGS_RC(ctx);
	struct thread *t = thread_get(0);
	struct session *s;
	__u64 size = 0;

	if (!t || !t->running)
		return 0;
	if (result > 0 && t->count)
		bpf_probe_read_user(&size, sizeof(size), (void *)t->count);
	else if (result > 0)
		size = (__u64)result;
	s = session_of(t);
	if (s && size) {
		__sync_fetch_and_add(&calls, 1);
		if (s->place.cookie)
			data_send(s, t, size);
		else
			__sync_fetch_and_add(&unknown_bytes, size);
		s->offsets[t->outbound & 1] += size;
	}
	t->running = 0;
	t->uses_seen = t->uses;
	return 0;
}
