/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TLS secrets as the libraries derive them, and programs as they start.
 *
 * Labels are matched here, so that a handshake of TLS 1.3 costs four records
 * and one of TLS 1.2 a single one; nobody is woken for them until half of the
 * ring is full.  Arguments are read by the System V and Go ABIs of x86-64.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "capture/keys/key_event.h"

char LICENSE[] SEC("license") = "GPL";

#define FAMILY_IPV4  2
#define FAMILY_IPV6  10
#define PROTOCOL_TCP 6
#define PARAMETERS_MAX 8
#define WAKE_AFTER_NS 20000000ull

/* What is used of the kernel's structures; CO-RE finds it by name. */
struct in6_addr {
	union {
		__u32 u6_addr32[4];
	} in6_u;
} __attribute__((preserve_access_index));

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} __attribute__((preserve_access_index));

struct super_block {
	__u32 s_dev;
} __attribute__((preserve_access_index));

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
} __attribute__((preserve_access_index));

struct file {
	struct inode *f_inode;
} __attribute__((preserve_access_index));

struct linux_binprm {
	struct file *file;
} __attribute__((preserve_access_index));

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

/* A thread: its last TCP socket, and where it is in a derivation. */
struct thread {
	__u64 cookie;
	__u64 output;     /* of the HKDF that is running, or was last */
	__u16 local_port, remote_port;
	__u8 local[16], remote[16];
	__u8 pending;     /* 1 + label whose secret comes next, by OpenSSL */
	__u8 expanding;   /* 1 + label that HKDF derives */
	__u8 output_size;
	__u8 seeds;       /* of the PRF of OpenSSL 1.1.1 that is set up */
	__u64 input;      /* secret of its derivation that is set up */
	__u8 input_size;
	__u8 pad[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} secrets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16384);
} programs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct key_file);
	__type(value, __u8);
} known_files SEC(".maps");

const volatile __u64 wake_bytes = 1 << 19;
__u64 lost_secrets;
__u64 lost_programs;
__u64 woken_ns;

static __always_inline struct thread *
thread_get(__u64 flags)
{
	return bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0,
				    flags);
}

static __always_inline void
map_ipv4(__u8 out[16], __be32 address)
{
	__builtin_memset(out, 0, 16);
	out[10] = out[11] = 0xff;
	__builtin_memcpy(out + 12, &address, 4);
}

static __always_inline void
copy_ipv6(__u8 out[16], const struct in6_addr *in)
{
	__u32 *to = (__u32 *)out;

	to[0] = in->in6_u.u6_addr32[0];
	to[1] = in->in6_u.u6_addr32[1];
	to[2] = in->in6_u.u6_addr32[2];
	to[3] = in->in6_u.u6_addr32[3];
}

/* Remembers which TCP socket the thread used last. */
static __always_inline int
socket_used(struct sock *sk)
{
	struct thread *t;
	unsigned short family;
	__u64 cookie;

	if (!sk || sk->sk_protocol != PROTOCOL_TCP)
		return 0;
	family = sk->__sk_common.skc_family;
	cookie = bpf_get_socket_cookie(sk);
	t = thread_get(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t || t->cookie == cookie)
		return 0;
	t->cookie = cookie;
	t->local_port = sk->__sk_common.skc_num;
	t->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (family == FAMILY_IPV4) {
		map_ipv4(t->local, sk->__sk_common.skc_rcv_saddr);
		map_ipv4(t->remote, sk->__sk_common.skc_daddr);
	} else if (family == FAMILY_IPV6) {
		copy_ipv6(t->local, &sk->__sk_common.skc_v6_rcv_saddr);
		copy_ipv6(t->remote, &sk->__sk_common.skc_v6_daddr);
	}
	return 0;
}

SEC("tp_btf/sock_send_length")
int
socket_sent(__u64 *ctx)
{
	return socket_used((struct sock *)ctx[0]);
}

SEC("tp_btf/sock_recv_length")
int
socket_received(__u64 *ctx)
{
	return socket_used((struct sock *)ctx[0]);
}

/* Room for a secret, filled with all but the secret. */
static __always_inline struct key_event *
event_begin(__u8 hook, __u8 label)
{
	struct key_event *e = bpf_ringbuf_reserve(&secrets, sizeof(*e), 0);
	__u64 id = bpf_get_current_pid_tgid();
	struct thread *t;

	if (!e) {
		__sync_fetch_and_add(&lost_secrets, 1);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = bpf_ktime_get_ns();
	e->pid = id >> 32;
	e->thread = (__u32)id;
	e->hook = hook;
	e->label = label;
	bpf_get_current_comm(e->name, sizeof(e->name));
	t = thread_get(0);
	if (t) {
		e->cookie = t->cookie;
		e->local_port = t->local_port;
		e->remote_port = t->remote_port;
		__builtin_memcpy(e->local, t->local, 16);
		__builtin_memcpy(e->remote, t->remote, 16);
	}
	return e;
}

static __always_inline void
event_submit(struct key_event *e)
{
	__u64 waiting = bpf_ringbuf_query(&secrets, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(e, waiting > wake_bytes ? BPF_RB_FORCE_WAKEUP
						   : BPF_RB_NO_WAKEUP);
}

/* Reads the secret and sends it, or gives the room back. */
static __always_inline void
event_send(struct key_event *e, __u64 from, __u64 size)
{
	asm volatile("" : "+r"(size));
	if (size == 0 || size > KEY_SECRET_MAX ||
	    bpf_probe_read_user(e->secret, size, (void *)from)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return;
	}
	e->size = size;
	event_submit(e);
}

/*
 * The labels of RFC 8446 §7.1, by their characters: "c hs traffic" and the
 * like, 12 of them, "c e traffic" 11.  1 + enum key_label, or 0.
 */
static __always_inline __u8
label_of(const char w[12], __u32 size)
{
	_Bool client = w[0] == 'c';

	if ((!client && w[0] != 's') || w[1] != ' ')
		return 0;
	if (size == 11 && client && w[2] == 'e' && w[3] == ' ' &&
	    w[4] == 't' && w[10] == 'c')
		return 1 + KEY_CLIENT_EARLY;
	if (size != 12 || w[4] != ' ' || w[5] != 't' || w[11] != 'c')
		return 0;
	if (w[2] == 'h' && w[3] == 's')
		return 1 + (client ? KEY_CLIENT_HANDSHAKE
				   : KEY_SERVER_HANDSHAKE);
	if (w[2] == 'a' && w[3] == 'p')
		return 1 + (client ? KEY_CLIENT_TRAFFIC : KEY_SERVER_TRAFFIC);
	return 0;
}

/* The label of an HkdfLabel, of which 21 bytes were read. */
static __always_inline __u8
info_label(const char info[24])
{
	__u8 size = info[2];

	if (size < 6 || info[3] != 't' || info[4] != 'l' || info[5] != 's')
		return 0;
	return label_of(info + 9, size - 6);
}

/* Whether it begins as "key expansion" of TLS 1.2 does (RFC 5246 §6.3). */
static __always_inline _Bool
is_key_text(__u64 at)
{
	char text[4] = { 0 };

	bpf_probe_read_user(text, 4, (void *)at);
	return text[0] == 'k' && text[1] == 'e' && text[2] == 'y';
}

/* OSSL_PARAM(3): a public structure. */
struct parameter {
	__u64 key;
	__u32 type;
	__u32 pad;
	__u64 data;
	__u64 size;
	__u64 returned;
};

struct value {
	__u64 data, size;
};

/* What EVP_KDF_derive is given, as far as it matters. */
struct derivation {
	struct value label, key, secret, seeds[3];
	__u32 seed_count;
};

#define NAME_LABEL  0x00006c6562616cull /* "label", little endian */
#define NAME_KEY    0x0000000079656bull
#define NAME_SECRET 0x00746572636573ull
#define NAME_SEED   0x00000064656573ull

static __always_inline void
derivation_add(struct derivation *d, const struct parameter *p)
{
	struct value value = { p->data, p->size };
	__u64 name = 0;

	bpf_probe_read_user(&name, sizeof(name), (void *)p->key);
	if ((name & 0xffffffffffffull) == NAME_LABEL) {
		d->label = value;
	} else if ((name & 0xffffffffull) == NAME_KEY) {
		d->key = value;
	} else if ((name & 0xffffffffffffffull) == NAME_SECRET) {
		d->secret = value;
	} else if ((name & 0xffffffffffull) == NAME_SEED) {
		if (d->seed_count == 0)
			d->seeds[0] = value;
		else if (d->seed_count == 1)
			d->seeds[1] = value;
		else if (d->seed_count == 2)
			d->seeds[2] = value;
		d->seed_count++;
	}
}

/* TLS 1.2 (RFC 5246 §6.3): the master secret expands to keys, with both
 * randoms as seed. */
static __always_inline int
derive_keys_12(const struct derivation *d)
{
	struct key_event *e;

	if (d->seeds[0].size != 13 || d->secret.size != 48 ||
	    d->seeds[2].size != KEY_RANDOM_SIZE ||
	    !is_key_text(d->seeds[0].data))
		return 0;
	e = event_begin(KEY_HOOK_OPENSSL, KEY_MASTER);
	if (!e)
		return 0;
	e->has_random = 1;
	bpf_probe_read_user(e->random, KEY_RANDOM_SIZE,
			    (void *)d->seeds[2].data);
	event_send(e, d->secret.data, 48);
	return 0;
}

/*
 * TLS 1.3: a traffic secret is derived, then a key from it.  The second call
 * has as input what the first one made, so that no return has to be probed.
 */
static __always_inline int
derive_keys_13(const struct derivation *d)
{
	char text[12] = { 0 };
	struct key_event *e;
	struct thread *t;
	__u8 label;

	if (d->label.size == 3) {
		bpf_probe_read_user(text, 3, (void *)d->label.data);
		t = thread_get(0);
		if (text[0] != 'k' || !t || !t->pending)
			return 0;
		label = t->pending - 1;
		t->pending = 0;
		if (d->key.size != 32 && d->key.size != 48)
			return 0;
		e = event_begin(KEY_HOOK_OPENSSL, label);
		if (e)
			event_send(e, d->key.data, d->key.size);
		return 0;
	}
	if (d->label.size == 12)
		bpf_probe_read_user(text, 12, (void *)d->label.data);
	else if (d->label.size == 11)
		bpf_probe_read_user(text, 11, (void *)d->label.data);
	label = label_of(text, d->label.size);
	if (!label)
		return 0;
	t = thread_get(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t)
		t->pending = label;
	return 0;
}

/* int EVP_KDF_derive(EVP_KDF_CTX *, unsigned char *, size_t,
 *                    const OSSL_PARAM *); OpenSSL 3 */
SEC("uprobe")
int
key_openssl(struct pt_regs *ctx)
{
	__u64 at = PT_REGS_PARM4(ctx);
	struct derivation d = {};
	struct parameter p;

#pragma unroll
	for (int i = 0; i < PARAMETERS_MAX; i++) {
		if (bpf_probe_read_user(&p, sizeof(p), (void *)at) || !p.key)
			break;
		derivation_add(&d, &p);
		at += sizeof(p);
	}
	if (d.label.data)
		return derive_keys_13(&d);
	if (d.seed_count >= 3)
		return derive_keys_12(&d);
	return 0;
}

/* Commands of EVP_PKEY_CTX_ctrl (openssl/kdf.h and evp.h of 1.1.1). */
#define OP_DERIVE          0x400
#define CONTROL_PRF_SECRET 0x1001
#define CONTROL_PRF_SEED   0x1002
#define CONTROL_HKDF_KEY   0x1005
#define CONTROL_HKDF_INFO  0x1006

/* The seeds of a key expansion are its label, the server's random, then the
 * client's. */
static __always_inline int
control_seed(struct thread *t, __u64 size, __u64 data)
{
	__u8 number = t->seeds;
	struct key_event *e;

	if (!number || t->input_size != 48)
		return 0;
	t->seeds = number + 1;
	if (number == 1) {
		if (size != 13 || !is_key_text(data))
			t->seeds = 0;
		return 0;
	}
	if (size != KEY_RANDOM_SIZE)
		t->seeds = 0;
	if (number != 3 || !t->seeds)
		return 0;
	t->seeds = 0;
	e = event_begin(KEY_HOOK_OPENSSL, KEY_MASTER);
	if (!e)
		return 0;
	e->has_random = 1;
	bpf_probe_read_user(e->random, KEY_RANDOM_SIZE, (void *)data);
	event_send(e, t->input, 48);
	return 0;
}

/* As derive_keys_13: a label, then "key" with what that label made. */
static __always_inline int
control_info(struct thread *t, __u64 data)
{
	char info[24] = { 0 };
	struct key_event *e;
	__u8 label;

	/* Of "key" there are 13 bytes. */
	bpf_probe_read_user(info, 13, (void *)data);
	if (info[3] != 't' || info[4] != 'l' || info[5] != 's' || info[2] < 9)
		return 0;
	if (info[2] == 9) {
		label = t->pending;
		t->pending = 0;
		if (info[9] != 'k' || info[10] != 'e' || !label ||
		    (t->input_size != 32 && t->input_size != 48))
			return 0;
		e = event_begin(KEY_HOOK_OPENSSL, label - 1);
		if (e)
			event_send(e, t->input, t->input_size);
		return 0;
	}
	bpf_probe_read_user(info, 21, (void *)data);
	label = label_of(info + 9, (__u32)info[2] - 6);
	if (label)
		t->pending = label;
	return 0;
}

/* int EVP_PKEY_CTX_ctrl(EVP_PKEY_CTX *, int keytype, int optype, int cmd,
 *	int size, void *data), with which OpenSSL 1.1.1 sets up a derivation */
SEC("uprobe")
int
key_openssl_1(struct pt_regs *ctx)
{
	__u32 command = (__u32)PT_REGS_PARM4(ctx);
	__u64 size = (__u32)PT_REGS_PARM5(ctx), data = ctx->r9;
	struct thread *t;

	if ((int)PT_REGS_PARM2(ctx) != -1 ||
	    (__u32)PT_REGS_PARM3(ctx) != OP_DERIVE)
		return 0;
	t = thread_get(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	if (command == CONTROL_PRF_SECRET || command == CONTROL_HKDF_KEY) {
		t->input = data;
		t->input_size = size <= KEY_SECRET_MAX ? size : 0;
		t->seeds = command == CONTROL_PRF_SECRET;
		return 0;
	}
	if (command == CONTROL_PRF_SEED)
		return control_seed(t, size, data);
	if (command == CONTROL_HKDF_INFO)
		return control_info(t, data);
	return 0;
}

/*
 * func (c *Config) writeKeyLog(label string, clientRandom, secret []byte)
 * of crypto/tls, called for every secret whether there is a log or not.
 * ABIInternal: BX, CX label; DI, SI, R8 client random; R9, R10, R11 secret.
 */
SEC("uprobe")
int
key_go(struct pt_regs *ctx)
{
	__u64 size = ctx->rcx;
	struct key_event *e;
	char first = 0;
	__u8 label;

	bpf_probe_read_user(&first, 1, (void *)ctx->rbx);
	if (size == 13 && first == 'C')
		label = KEY_MASTER;
	else if (size == 27 && first == 'C')
		label = KEY_CLIENT_EARLY;
	else if (size == 31)
		label = first == 'C' ? KEY_CLIENT_HANDSHAKE
				     : KEY_SERVER_HANDSHAKE;
	else if (size == 23)
		label = first == 'C' ? KEY_CLIENT_TRAFFIC : KEY_SERVER_TRAFFIC;
	else
		return 0;
	if (ctx->rsi != KEY_RANDOM_SIZE)
		return 0;
	e = event_begin(KEY_HOOK_GO, label);
	if (!e)
		return 0;
	e->has_random = 1;
	bpf_probe_read_user(e->random, KEY_RANDOM_SIZE, (void *)ctx->rdi);
	event_send(e, ctx->r9, ctx->r10);
	return 0;
}

/* What a label made. */
static __always_inline void
expanded_send(struct thread *t, __u8 hook)
{
	__u8 label = t->expanding - 1;
	struct key_event *e;

	t->expanding = 0;
	e = event_begin(hook, label);
	if (e)
		event_send(e, t->output, t->output_size);
}

/*
 * void nettle_hkdf_expand(void *mac_ctx, update, digest, size_t digest_size,
 *	size_t info_size, const uint8_t *info, size_t length, uint8_t *dst)
 * info is the HkdfLabel of RFC 8446 §7.1; GnuTLS derives with it.
 */
SEC("uprobe")
int
key_hkdf(struct pt_regs *ctx)
{
	__u64 stack[2] = { 0 };
	char info[24] = { 0 };
	struct thread *t;
	__u8 label;

	if (PT_REGS_PARM5(ctx) < 22 ||
	    bpf_probe_read_user(info, 21, (void *)ctx->r9))
		return 0;
	label = info_label(info);
	if (!label || bpf_probe_read_user(stack, sizeof(stack),
					  (void *)(PT_REGS_SP(ctx) + 8)))
		return 0;
	if (stack[0] == 0 || stack[0] > KEY_SECRET_MAX)
		return 0;
	t = thread_get(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	t->expanding = label;
	t->output = stack[1];
	t->output_size = stack[0];
	return 0;
}

SEC("uretprobe")
int
key_hkdf_return(struct pt_regs *ctx)
{
	struct thread *t = thread_get(0);

	(void)ctx;
	if (t && t->expanding)
		expanded_send(t, KEY_HOOK_GNUTLS);
	return 0;
}

/*
 * int _gnutls_prf_raw(mac, size_t master_size, const void *master,
 *	size_t label_size, const char *label, size_t seed_size,
 *	const uint8_t *seed, size_t outsize, char *out)
 * For keys the seed is the server's random, then the client's.
 */
SEC("uprobe")
int
key_prf(struct pt_regs *ctx)
{
	struct key_event *e;
	__u64 seed = 0;

	if (PT_REGS_PARM2(ctx) != 48 || PT_REGS_PARM4(ctx) != 13 ||
	    ctx->r9 != 2 * KEY_RANDOM_SIZE ||
	    !is_key_text(PT_REGS_PARM5(ctx)))
		return 0;
	bpf_probe_read_user(&seed, sizeof(seed), (void *)(PT_REGS_SP(ctx) + 8));
	e = event_begin(KEY_HOOK_GNUTLS, KEY_MASTER);
	if (!e)
		return 0;
	e->has_random = 1;
	bpf_probe_read_user(e->random, KEY_RANDOM_SIZE,
			    (void *)(seed + KEY_RANDOM_SIZE));
	event_send(e, PT_REGS_PARM3(ctx), 48);
	return 0;
}

/*
 * int HKDF_expand(uint8_t *out, size_t size, const EVP_MD *,
 *	const uint8_t *key, size_t key_size, const uint8_t *info,
 *	size_t info_size) of BoringSSL; info is an HkdfLabel
 *
 * The secrets of both sides are derived one after the other, keys from them
 * later: what a label made is read when the thread derives something next,
 * which is at once, so that no return has to be probed.
 */
SEC("uprobe")
int
key_boringssl(struct pt_regs *ctx)
{
	struct thread *t = thread_get(0);
	__u64 size = PT_REGS_PARM2(ctx);
	char info[24] = { 0 };
	__u8 label;

	if (t && t->expanding)
		expanded_send(t, KEY_HOOK_BORINGSSL);
	if ((size != 32 && size != 48) ||
	    bpf_probe_read_user(info, 21, (void *)ctx->r9))
		return 0;
	label = info_label(info);
	if (!label)
		return 0;
	t = thread_get(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	t->expanding = label;
	t->output = PT_REGS_PARM1(ctx);
	t->output_size = size;
	return 0;
}

/*
 * int CRYPTO_tls1_prf(const EVP_MD *, uint8_t *out, size_t size,
 *	const uint8_t *secret, size_t secret_size, const char *label,
 *	size_t label_size, const uint8_t *seed1, size_t seed1_size,
 *	const uint8_t *seed2, size_t seed2_size) of BoringSSL
 * For keys the seeds are the server's random and the client's.
 */
SEC("uprobe")
int
key_boringssl_prf(struct pt_regs *ctx)
{
	__u64 stack[5] = { 0 }; /* from label_size on */
	struct key_event *e;

	if (PT_REGS_PARM5(ctx) != 48 ||
	    bpf_probe_read_user(stack, sizeof(stack),
				(void *)(PT_REGS_SP(ctx) + 8)))
		return 0;
	if (stack[0] != 13 || stack[2] != KEY_RANDOM_SIZE ||
	    stack[4] != KEY_RANDOM_SIZE || !is_key_text(ctx->r9))
		return 0;
	e = event_begin(KEY_HOOK_BORINGSSL, KEY_MASTER);
	if (!e)
		return 0;
	e->has_random = 1;
	bpf_probe_read_user(e->random, KEY_RANDOM_SIZE, (void *)stack[3]);
	event_send(e, PT_REGS_PARM4(ctx), 48);
	return 0;
}

/* A program that is not known yet wakes the recorder, at most so often.
 * Arguments: the task, its thread's number before, the linux_binprm. */
SEC("tp_btf/sched_process_exec")
int
program_started(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct linux_binprm *bprm = (struct linux_binprm *)ctx[2];
	struct inode *inode = bprm->file->f_inode;
	struct key_file file = { .inode = inode->i_ino,
				 .device = inode->i_sb->s_dev };
	__u64 now = bpf_ktime_get_ns();
	struct key_program *p;
	_Bool wake;

	p = bpf_ringbuf_reserve(&programs, sizeof(*p), 0);
	if (!p) {
		__sync_fetch_and_add(&lost_programs, 1);
		return 0;
	}
	p->pid = task->tgid;
	p->known = bpf_map_lookup_elem(&known_files, &file) != 0;
	wake = !p->known && now - woken_ns > WAKE_AFTER_NS;
	if (wake)
		woken_ns = now;
	bpf_ringbuf_submit(p, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}
