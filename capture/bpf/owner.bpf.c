/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which process uses which socket, told once for each pair.
 *
 * Only three moments run in the context of the process that a socket belongs
 * to: when it connects, when it begins to listen, and when it is read from or
 * written to.  All other state changes happen wherever the packet came in, so
 * the process that is current there is a stranger.  An accepted socket inherits
 * its listener's owner (BPF_F_CLONE) and is told at the first read or write by
 * whoever accepted it.
 *
 * Nothing here wakes the reader unless the ring is half full.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "capture/bpf/owner_event.h"
#include "capture/bpf/owner_kernel.bpf.h"

/* BPF_PROG names the raw context, which is not looked at. */
#pragma clang diagnostic ignored "-Wunused-parameter"

char LICENSE[] SEC("license") = "GPL";

#define OWNERS 4 /* of one socket that are told; more take turns unseen */

enum owner_how {
	HOW_CONNECT = 1,
	HOW_LISTEN,
	HOW_ACCEPT,
	HOW_USE,
};

struct socket_owner {
	__u64 since_ns;
	__u64 start_ns;
	__u32 pid;
	__u32 thread;
	__u32 told[OWNERS];
	__u32 count; /* of told */
	__u32 how;   /* enum owner_how */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket_owner);
} socket_owners SEC(".maps");

/* Processes that have been told, by pid: when they started. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} told_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

const volatile __u64 wake_bytes = 1 << 19;

__u64 lost_events;

static __always_inline __u64
wakeup(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= wake_bytes
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

static __always_inline void
lost(void)
{
	__sync_fetch_and_add(&lost_events, 1);
}

/* Appends a string to the path; false when there is no more room. */
static __always_inline bool
path_append(struct owner_process *p, const unsigned char *name)
{
	__u32 at = p->path_size;
	long n;

	/* Half of the array stays free for the longest component. */
	if (at >= OWNER_PATH_SIZE - 256)
		return false;
	n = bpf_probe_read_kernel_str(&p->path[at & 255], 256, name);
	if (n <= 0)
		return false;
	p->path_size = at + (__u32)n;
	return true;
}

static __always_inline struct mount *
mount_of(struct vfsmount *inner)
{
	return (struct mount *)((char *)inner -
				bpf_core_field_offset(struct mount, mnt));
}

/* The executable from the file up to the root of its mount namespace. */
static __always_inline void
read_path(struct owner_process *p, struct task_struct *task)
{
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	struct dentry *dentry, *parent;
	struct mount *mount, *above;

	p->path_size = 0;
	if (!file)
		return;
	dentry = BPF_CORE_READ(file, f_path.dentry);
	mount = mount_of(BPF_CORE_READ(file, f_path.mnt));
	for (int i = 0; i < (int)OWNER_PATH_DEPTH; i++) {
		parent = BPF_CORE_READ(dentry, d_parent);
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root) ||
		    dentry == parent) {
			above = BPF_CORE_READ(mount, mnt_parent);
			if (above == mount)
				return;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (!path_append(p, BPF_CORE_READ(dentry, d_name.name)))
			break;
		dentry = parent;
	}
	p->path_size = 0; /* cut: worse than none */
}

static __always_inline struct kernfs_node *
kernfs_parent(struct kernfs_node *node)
{
	struct kernfs_node___parent *before = (void *)node;

	if (bpf_core_field_exists(node->__parent))
		return BPF_CORE_READ(node, __parent);
	return BPF_CORE_READ(before, parent);
}

/* Where the unified hierarchy is not used, that of the memory controller. */
static __always_inline struct kernfs_node *
memory_cgroup(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *state = NULL;
	int index;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return NULL;
	index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	bpf_probe_read_kernel(&state, sizeof(state),
			      (char *)set +
				      bpf_core_field_offset(struct css_set,
							    subsys) +
				      8 * index);
	return BPF_CORE_READ(state, cgroup, kn);
}

static __always_inline void
read_cgroup(struct owner_process *p, struct task_struct *task)
{
	struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	struct kernfs_node *parent;

	p->cgroup = BPF_CORE_READ(node, id);
	parent = kernfs_parent(node);
	if (!parent) {
		node = memory_cgroup(task);
		if (!node)
			return;
		parent = kernfs_parent(node);
	}
	bpf_probe_read_kernel_str(p->cgroup_name, sizeof(p->cgroup_name),
				  BPF_CORE_READ(node, name));
	if (parent)
		bpf_probe_read_kernel_str(p->cgroup_parent,
					  sizeof(p->cgroup_parent),
					  BPF_CORE_READ(parent, name));
}

static __always_inline bool
tell_process(struct task_struct *task, __u32 kind)
{
	struct owner_process *p =
		bpf_ringbuf_reserve(&events, sizeof(*p), 0);
	struct task_struct *leader;

	if (!p) {
		lost();
		return false;
	}
	leader = BPF_CORE_READ(task, group_leader);
	p->head.time_ns = bpf_ktime_get_ns();
	p->head.start_ns = BPF_CORE_READ(leader, start_boottime);
	p->head.kind = kind;
	p->head.pid = (__u32)BPF_CORE_READ(task, tgid);
	p->cgroup = 0;
	p->parent = (__u32)BPF_CORE_READ(leader, real_parent, tgid);
	p->uid = BPF_CORE_READ(task, cred, uid.val);
	p->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	bpf_probe_read_kernel_str(p->name, sizeof(p->name), leader->comm);
	p->cgroup_name[0] = '\0';
	p->cgroup_parent[0] = '\0';
	read_cgroup(p, task);
	read_path(p, task);
	bpf_ringbuf_submit(p, wakeup());
	return true;
}

/* Tells of the current process unless it has been told of; its start. */
static __always_inline __u64
introduce(__u32 pid)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, group_leader, start_boottime);
	__u64 *told = bpf_map_lookup_elem(&told_processes, &pid);

	if (told && *told == start)
		return start;
	if (tell_process(task, OWNER_PROCESS))
		bpf_map_update_elem(&told_processes, &pid, &start, BPF_ANY);
	return start;
}

static __always_inline void
read_ends(struct owner_socket *s, struct sock *sk)
{
	struct inet_sock *inet = (void *)sk;
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);

	s->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	s->ip_protocol = (__u8)BPF_CORE_READ(sk, sk_protocol);
	/* skc_num is 0 already when a connection has failed. */
	s->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	s->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	s->netns = BPF_CORE_READ(net, ns.inum);
	s->netns_cookie = bpf_core_field_exists(net->net_cookie)
				  ? BPF_CORE_READ(net, net_cookie)
				  : 0;
	__builtin_memset(s->local, 0, sizeof(s->local));
	__builtin_memset(s->remote, 0, sizeof(s->remote));
	if (s->family == AF_INET6) {
		BPF_CORE_READ_INTO(&s->local, sk,
				   __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&s->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		BPF_CORE_READ_INTO((__u32 *)s->local, sk,
				   __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)s->remote, sk,
				   __sk_common.skc_daddr);
	}
}

/* Tells of a socket and the owner that is stored with it. */
static __always_inline bool
tell_socket(struct sock *sk, const struct socket_owner *owner, __u8 state)
{
	struct owner_socket *s =
		bpf_ringbuf_reserve(&events, sizeof(*s), 0);

	if (!s) {
		lost();
		return false;
	}
	s->head.time_ns = bpf_ktime_get_ns();
	s->head.start_ns = owner->start_ns;
	s->head.kind = OWNER_SOCKET;
	s->head.pid = owner->pid;
	s->cookie = bpf_get_socket_cookie(sk);
	s->since_ns = owner->since_ns;
	s->inode = 0;
	s->thread = owner->thread;
	s->state = state;
	read_ends(s, sk);
	bpf_ringbuf_submit(s, wakeup());
	return true;
}

static __always_inline void
tell_closed(__u64 cookie)
{
	struct owner_socket *s =
		bpf_ringbuf_reserve(&events, sizeof(*s), 0);

	if (!s) {
		lost();
		return;
	}
	__builtin_memset(s, 0, sizeof(*s));
	s->head.time_ns = bpf_ktime_get_ns();
	s->head.kind = OWNER_CLOSED;
	s->cookie = cookie;
	bpf_ringbuf_submit(s, wakeup());
}

/* The current process becomes the owner. */
static __always_inline void
own(struct socket_owner *owner, __u32 how)
{
	__u64 id = bpf_get_current_pid_tgid();

	owner->pid = (__u32)(id >> 32);
	owner->thread = (__u32)id;
	owner->start_ns = introduce(owner->pid);
	owner->how = how;
}

/* It has begun to connect or to listen. */
static __always_inline void
begin(struct sock *sk, __u32 how, __u8 state)
{
	struct socket_owner *owner = bpf_sk_storage_get(
		&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!owner) {
		lost();
		return;
	}
	own(owner, how);
	owner->since_ns = bpf_ktime_get_ns();
	owner->count = 0;
	if (tell_socket(sk, owner, state)) {
		owner->told[0] = owner->pid;
		owner->count = 1;
	}
}

static __always_inline void
accepted(struct sock *sk)
{
	struct socket_owner *owner = bpf_sk_storage_get(
		&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!owner)
		return;
	owner->how = HOW_ACCEPT;
	owner->count = 0;
	owner->since_ns = bpf_ktime_get_ns();
}

SEC("tp_btf/inet_sock_set_state")
int
BPF_PROG(socket_state, struct sock *sk, int before, int after)
{
	struct socket_owner *owner;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (after == STATE_SYN_SENT || after == STATE_LISTEN) {
		begin(sk, after == STATE_LISTEN ? HOW_LISTEN : HOW_CONNECT,
		      (__u8)after);
		return 0;
	}
	if (before == STATE_SYN_RECV && after == STATE_ESTABLISHED) {
		accepted(sk);
		return 0;
	}
	if (before != STATE_SYN_SENT && after != STATE_CLOSE)
		return 0;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, 0);
	/* Only now the local end is known. */
	if (before == STATE_SYN_SENT && owner)
		tell_socket(sk, owner, (__u8)after);
	if (after == STATE_CLOSE &&
	    (owner ? owner->count != 0
		   : sk->__sk_common.skc_cookie.counter != 0))
		tell_closed(bpf_get_socket_cookie(sk));
	return 0;
}

static __always_inline bool
was_told(const struct socket_owner *owner, __u32 pid)
{
	for (int i = 0; i < OWNERS; i++)
		if ((__u32)i < owner->count && owner->told[i] == pid)
			return true;
	return false;
}

/* The current process reads or writes. */
static __always_inline int
use(struct sock *sk)
{
	__u32 pid = (__u32)(bpf_get_current_pid_tgid() >> 32);
	struct socket_owner *owner;
	__u16 family, protocol;

	if (!sk || pid == 0)
		return 0;
	family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	protocol = sk->sk_protocol;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return 0;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0,
				   BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner)
		return 0;
	/* A listener is not read from: this is a copy of its storage. */
	if (owner->how == HOW_LISTEN)
		owner->count = 0;
	else if (was_told(owner, pid) || owner->count >= OWNERS)
		return 0;
	if (owner->count > 0 || owner->how == 0 || owner->how == HOW_LISTEN)
		owner->since_ns = bpf_ktime_get_ns();
	own(owner, HOW_USE);
	if (tell_socket(sk, owner, sk->__sk_common.skc_state)) {
		owner->told[owner->count & (OWNERS - 1)] = pid;
		owner->count++;
	}
	return 0;
}

SEC("tp_btf/sock_send_length")
int
BPF_PROG(socket_send, struct sock *sk)
{
	return use(sk);
}

SEC("tp_btf/sock_recv_length")
int
BPF_PROG(socket_receive, struct sock *sk)
{
	return use(sk);
}

/* For kernels without the two above: TCP only, when it has read. */
SEC("tp_btf/tcp_rcv_space_adjust")
int
BPF_PROG(socket_received, struct sock *sk)
{
	return use(sk);
}

/* The end of a UDP socket is no change of state. */
SEC("cgroup/sock_release")
int
socket_release(struct bpf_sock *sk)
{
	struct socket_owner *owner;

	if (sk->protocol != IPPROTO_UDP ||
	    (sk->family != AF_INET && sk->family != AF_INET6))
		return 1;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, 0);
	if (owner && owner->count)
		tell_closed(bpf_get_socket_cookie(sk));
	return 1;
}

SEC("tp_btf/sched_process_exec")
int
BPF_PROG(process_exec, struct task_struct *task)
{
	__u32 pid = (__u32)task->tgid;

	if (bpf_map_lookup_elem(&told_processes, &pid))
		tell_process(task, OWNER_EXEC);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int
BPF_PROG(process_exit, struct task_struct *task)
{
	__u32 pid = (__u32)task->tgid;
	struct owner_head *head;
	__u64 *told = bpf_map_lookup_elem(&told_processes, &pid);

	if (!told || BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	head = bpf_ringbuf_reserve(&events, sizeof(*head), 0);
	if (!head) {
		lost();
		return 0;
	}
	head->time_ns = bpf_ktime_get_ns();
	head->start_ns = *told;
	head->kind = OWNER_EXIT;
	head->pid = pid;
	bpf_ringbuf_submit(head, wakeup());
	bpf_map_delete_elem(&told_processes, &pid);
	return 0;
}

/* What is open already: every file of every process. */
SEC("iter/task_file")
int
open_sockets(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct owner_socket s = { .head.kind = OWNER_SOCKET };
	struct socket *socket;
	struct sock *sk;
	__u32 pid;

	if (!file || !task)
		return 0;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (!sk)
		return 0;
	read_ends(&s, sk);
	if ((s.family != AF_INET && s.family != AF_INET6) ||
	    (s.ip_protocol != IPPROTO_TCP && s.ip_protocol != IPPROTO_UDP))
		return 0;
	s.head.time_ns = bpf_ktime_get_ns();
	s.head.pid = (__u32)task->tgid;
	s.head.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	s.cookie = bpf_get_socket_cookie(sk);
	s.inode = BPF_CORE_READ(file, f_inode, i_ino);
	s.state = BPF_CORE_READ(sk, __sk_common.skc_state);
	bpf_seq_write(context->meta->seq, &s, sizeof(s));
	/* Its end is to be told. */
	pid = s.head.pid;
	bpf_map_update_elem(&told_processes, &pid, &s.head.start_ns, BPF_ANY);
	return 0;
}
