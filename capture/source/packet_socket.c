/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/packet_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "base/alloc.h"
#include "capture/link_types.h"
#include "capture/source/raw_reader.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define AUXILIARY(what) ((uint32_t)(SKF_AD_OFF + (what)))
/* Interfaces that one filter can choose from. */
#define CHOICE_MAX 1000

_Static_assert(sizeof(struct filter_code) == sizeof(struct sock_filter),
	       "one layout");

/* A classic program that grows. */
struct program {
	struct filter_code *code;
	size_t count;
};

static void
put(struct program *p, int code, uint32_t k, uint8_t when, uint8_t otherwise)
{
	p->code[p->count++] =
		(struct filter_code){ (uint16_t)code, when, otherwise, k };
}

static bool
wants_name(const struct packet_wanted *wanted, const char *name)
{
	if (!wanted->names)
		return true;
	for (size_t i = 0; i < wanted->name_count; i++)
		if (strcmp(wanted->names[i], name) == 0)
			return true;
	return false;
}

/* Loopback shows every packet twice; the copy that comes in is kept. */
static void
put_loopback(struct program *p, uint32_t ifindex)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, AUXILIARY(SKF_AD_IFINDEX), 0, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, ifindex, 0, 3);
	put(p, BPF_LD | BPF_W | BPF_ABS, AUXILIARY(SKF_AD_PKTTYPE), 0, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1);
	put(p, BPF_RET | BPF_K, 0, 0, 0);
}

/* Goes on with packets of these interfaces only. */
static void
put_choice(struct program *p, const struct packet_socket *s)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, AUXILIARY(SKF_AD_IFINDEX), 0, 0);
	for (size_t i = 0; i < s->link_count; i++) {
		put(p, BPF_JMP | BPF_JEQ | BPF_K, s->links[i].ifindex, 0, 1);
		put(p, BPF_JMP | BPF_JA, (uint32_t)(2 * (s->link_count - i) - 1),
		    0, 0);
	}
	put(p, BPF_RET | BPF_K, 0, 0, 0);
}

/* The user's filter, or all packets, cut to the snaplen. */
static void
put_filter(struct program *p, const struct filter *f, uint32_t snaplen)
{
	if (!f) {
		put(p, BPF_RET | BPF_K, snaplen, 0, 0);
		return;
	}
	for (size_t i = 0; i < f->count; i++) {
		struct filter_code code = f->code[i];

		if (code.code == (BPF_RET | BPF_K) && code.k)
			code.k = snaplen;
		p->code[p->count++] = code;
	}
}

/*
 * Devices are told apart by their hardware type: with an Ethernet header,
 * with none, and those whose packets we do not know.
 */
static void
put_kinds(struct program *p, const struct packet_wanted *wanted)
{
	static const uint32_t raw[] = { ARPHRD_NONE, ARPHRD_RAWIP,
					ARPHRD_TUNNEL, ARPHRD_TUNNEL6,
					ARPHRD_SIT };
	const uint32_t kinds = sizeof raw / sizeof *raw;
	size_t skip;

	put(p, BPF_LD | BPF_W | BPF_ABS, AUXILIARY(SKF_AD_HATYPE), 0, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_ETHER, 2, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 1, 0);
	skip = p->count;
	put(p, BPF_JMP | BPF_JA, 0, 0, 0);
	put_filter(p, wanted->ethernet, wanted->snaplen);
	p->code[skip].k = (uint32_t)(p->count - skip - 1);
	for (uint32_t i = 0; i < kinds; i++)
		put(p, BPF_JMP | BPF_JEQ | BPF_K, raw[i],
		    (uint8_t)(kinds - i), 0);
	put(p, BPF_RET | BPF_K, 0, 0, 0);
	put_filter(p, wanted->raw, wanted->snaplen);
}

/* The only interface, or 0 when there are several. */
static const struct link *
only_link(const struct packet_socket *s, const struct packet_wanted *wanted)
{
	return wanted->names && s->link_count == 1 ? &s->links[0] : NULL;
}

static int
socket_filter(struct packet_socket *s, const struct packet_wanted *wanted,
	      struct error *e)
{
	size_t most = 64 + 2 * s->link_count +
		      (wanted->ethernet ? wanted->ethernet->count : 0) +
		      (wanted->raw ? wanted->raw->count : 0);
	struct program p = { alloc_zero(most, sizeof *p.code), 0 };
	struct sock_fprog program;
	void *code = p.code;
	int status = 0;

	for (size_t i = 0; i < s->link_count; i++)
		if (s->links[i].hardware == ARPHRD_LOOPBACK)
			put_loopback(&p, s->links[i].ifindex);
	if (wanted->names)
		put_choice(&p, s);
	put_kinds(&p, wanted);
	if (p.count > BPF_MAXINSNS) {
		free(code);
		return error_set(e, ERR_LIMIT, "the filter is too long");
	}
	program = (struct sock_fprog){ (unsigned short)p.count, code };
	if (setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		       sizeof program) < 0)
		status = error_set(e, ERR_UNSUPPORTED,
				   "the kernel does not take the filter: %s",
				   strerror(errno));
	free(code);
	return status;
}

static int
socket_bind(struct packet_socket *s, const struct packet_wanted *wanted,
	    struct error *e)
{
	const struct link *only = only_link(s, wanted);
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = only ? (int)only->ifindex : 0,
	};
	const void *where = &address;
	int ignore = only && only->hardware == ARPHRD_LOOPBACK;

	/* Not even a copy is made of what goes out over loopback. */
	(void)setsockopt(s->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore,
			 sizeof ignore);
	if (bind(s->fd, where, sizeof address) < 0)
		return error_set_errno(e, errno, "binding a packet socket");
	return 0;
}

/* Reads which interfaces there are; true when that has changed. */
static bool
socket_links(struct packet_socket *s, const struct packet_wanted *wanted)
{
	struct link *links;
	size_t count, kept = 0;
	bool changed;

	if (namespace_links(&links, &count, NULL) < 0)
		return false;
	for (size_t i = 0; i < count && kept < CHOICE_MAX; i++)
		if (wants_name(wanted, links[i].name))
			links[kept++] = links[i];
	changed = kept != s->link_count;
	for (size_t i = 0; i < kept && !changed; i++)
		changed = links[i].ifindex != s->links[i].ifindex;
	free(s->links);
	s->links = links;
	s->link_count = kept;
	return changed;
}

static int
socket_ring(struct packet_socket *s, size_t ring_bytes, struct error *e)
{
	const int version = TPACKET_V3;
	struct tpacket_req3 ring = {
		.tp_block_size = PACKET_BLOCK_BYTES,
		.tp_block_nr = (unsigned)(ring_bytes / PACKET_BLOCK_BYTES),
		.tp_frame_size = 2048,
		.tp_retire_blk_tov = PACKET_BLOCK_MS,
		.tp_sizeof_priv = sizeof(struct raw_block_note),
	};

	if (ring.tp_block_nr < 2)
		ring.tp_block_nr = 2;
	ring.tp_frame_nr =
		ring.tp_block_size / ring.tp_frame_size * ring.tp_block_nr;
	if (setsockopt(s->fd, SOL_PACKET, PACKET_VERSION, &version,
		       sizeof version) < 0 ||
	    setsockopt(s->fd, SOL_PACKET, PACKET_RX_RING, &ring,
		       sizeof ring) < 0)
		return error_set_errno(e, errno, "making a packet ring");
	s->count = ring.tp_block_nr;
	s->size = (size_t)ring.tp_block_size * ring.tp_block_nr;
	s->blocks = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 s->fd, 0);
	if (s->blocks == MAP_FAILED) {
		s->blocks = NULL;
		return error_set_errno(e, errno, "mapping a packet ring");
	}
	return 0;
}

int
packet_socket_open(struct packet_socket *s, const struct packet_wanted *wanted,
		   size_t ring_bytes, struct error *e)
{
	int status;

	memset(s, 0, sizeof *s);
	/* Protocol 0: nothing arrives before all is set up. */
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return error_set_errno(e, errno,
				       "opening a packet socket (it needs "
				       "CAP_NET_RAW)");
	s->netns = namespace_cookie();
	s->netns_inode = namespace_inode();
	socket_links(s, wanted);
	status = socket_ring(s, ring_bytes, e);
	if (status == 0)
		status = socket_filter(s, wanted, e);
	if (status == 0)
		status = socket_bind(s, wanted, e);
	return status;
}

void
packet_socket_close(struct packet_socket *s)
{
	if (s->blocks)
		munmap(s->blocks, s->size);
	if (s->fd >= 0)
		close(s->fd);
	free(s->links);
	memset(s, 0, sizeof *s);
	s->fd = -1;
}

int
packet_socket_refresh(struct packet_socket *s,
		      const struct packet_wanted *wanted, struct error *e)
{
	int status;

	if (!socket_links(s, wanted))
		return 0;
	status = socket_filter(s, wanted, e);
	return status < 0 ? status : socket_bind(s, wanted, e);
}

static struct tpacket_block_desc *
socket_block(const struct packet_socket *s)
{
	void *at = s->blocks + s->next * PACKET_BLOCK_BYTES;

	return at;
}

static _Atomic uint32_t *
block_status(struct tpacket_block_desc *block)
{
	void *word = &block->hdr.bh1.block_status;

	return word;
}

uint8_t *
packet_socket_peek(struct packet_socket *s, size_t *used)
{
	const struct raw_block_note note = { RAW_BLOCK_NOTE, 0, s->netns };
	struct tpacket_block_desc *block = socket_block(s);
	uint8_t *start = s->blocks + s->next * PACKET_BLOCK_BYTES;

	if (!(atomic_load_explicit(block_status(block), memory_order_acquire) &
	      TP_STATUS_USER))
		return NULL;
	memcpy(start + block->offset_to_priv, &note, sizeof note);
	*used = block->hdr.bh1.blk_len;
	return start;
}

uint32_t
packet_socket_release(struct packet_socket *s)
{
	struct tpacket_block_desc *block = socket_block(s);
	uint32_t packets = block->hdr.bh1.num_pkts;

	atomic_store_explicit(block_status(block), TP_STATUS_KERNEL,
			      memory_order_release);
	s->next = (s->next + 1) % s->count;
	return packets;
}

void
packet_socket_count(struct packet_socket *s)
{
	struct tpacket_stats_v3 stats;
	socklen_t size = sizeof stats;

	/* Reading sets them back to zero; tp_packets counts drops too. */
	if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
		return;
	s->packets += stats.tp_packets;
	s->drops += stats.tp_drops;
}
