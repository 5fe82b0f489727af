/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/plaintext_packet.h"

#include <string.h>

#include "capture/source/raw_record.h"

#define TCP_SIZE     20u
#define IPV4_SIZE    20u
#define IPV6_SIZE    40u
#define PROTOCOL_TCP 6
#define TCP_PSH_ACK  0x18
#define HOPS         64
#define ETHER_IPV4   0x0800
#define ETHER_IPV6   0x86dd

static void
put_be16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void
put_be32(uint8_t *to, uint32_t value)
{
	put_be16(to, value >> 16);
	put_be16(to + 2, value & 0xffff);
}

/* RFC 1071: the sum of 16-bit words, not yet folded. */
static uint64_t
sum_words(uint64_t sum, struct bytes in)
{
	for (size_t i = 0; i + 1 < in.size; i += 2)
		sum += (uint64_t)in.data[i] << 8 | in.data[i + 1];
	if (in.size & 1)
		sum += (uint64_t)in.data[in.size - 1] << 8;
	return sum;
}

static uint32_t
sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~(uint32_t)sum & 0xffff;
}

/* RFC 9293 §3.1 */
static void
make_tcp(uint8_t *tcp, const struct plaintext_event *e)
{
	memset(tcp, 0, TCP_SIZE);
	put_be16(tcp, e->outbound ? e->local_port : e->remote_port);
	put_be16(tcp + 2, e->outbound ? e->remote_port : e->local_port);
	/* As after a handshake that used up number 0. */
	put_be32(tcp + 4, (uint32_t)e->offset + 1);
	put_be32(tcp + 8, (uint32_t)e->opposite + 1);
	tcp[12] = TCP_SIZE / 4 << 4;
	tcp[13] = TCP_PSH_ACK;
	put_be16(tcp + 14, 0xffff);
}

/* RFC 791 §3.1; how many bytes. */
static size_t
make_ipv4(uint8_t *ip, struct bytes source, struct bytes target, size_t payload)
{
	memset(ip, 0, IPV4_SIZE);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint32_t)(IPV4_SIZE + payload));
	put_be16(ip + 6, 0x4000); /* never fragmented */
	ip[8] = HOPS;
	ip[9] = PROTOCOL_TCP;
	memcpy(ip + 12, source.data + 12, 4);
	memcpy(ip + 16, target.data + 12, 4);
	put_be16(ip + 10, sum_fold(sum_words(0, bytes_make(ip, IPV4_SIZE))));
	return IPV4_SIZE;
}

/* RFC 8200 §3 */
static size_t
make_ipv6(uint8_t *ip, struct bytes source, struct bytes target, size_t payload)
{
	memset(ip, 0, IPV6_SIZE);
	ip[0] = 0x60;
	put_be16(ip + 4, (uint32_t)payload);
	ip[6] = PROTOCOL_TCP;
	ip[7] = HOPS;
	memcpy(ip + 8, source.data, 16);
	memcpy(ip + 24, target.data, 16);
	return IPV6_SIZE;
}

/* Both headers; how many bytes.  `version` is of IP. */
static size_t
make_headers(uint8_t headers[IPV6_SIZE + TCP_SIZE], bool is_ipv4,
	     const struct plaintext_event *e, struct bytes data)
{
	struct bytes local = bytes_make(e->local, 16);
	struct bytes remote = bytes_make(e->remote, 16);
	struct bytes source = e->outbound ? local : remote;
	struct bytes target = e->outbound ? remote : local;
	size_t payload = TCP_SIZE + data.size, at;
	uint64_t sum = PROTOCOL_TCP + payload;

	at = is_ipv4 ? make_ipv4(headers, source, target, payload)
		     : make_ipv6(headers, source, target, payload);
	make_tcp(headers + at, e);
	sum = sum_words(sum, bytes_from(source, is_ipv4 ? 12 : 0));
	sum = sum_words(sum, bytes_from(target, is_ipv4 ? 12 : 0));
	sum = sum_words(sum, bytes_make(headers + at, TCP_SIZE));
	put_be16(headers + at + 16, sum_fold(sum_words(sum, data)));
	return at + TCP_SIZE;
}

void
plaintext_packet(struct buf *out, const struct plaintext_event *e,
		 struct bytes data, int64_t time_ns)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t padding[8] = { 0 };
	bool is_ipv4 = memcmp(e->local, mapped, sizeof(mapped)) == 0 &&
		       memcmp(e->remote, mapped, sizeof(mapped)) == 0;
	uint8_t headers[IPV6_SIZE + TCP_SIZE];
	size_t size = make_headers(headers, is_ipv4, e, data);
	struct raw_record record = {
		.time_ns = (uint64_t)time_ns,
		.cookie = e->cookie,
		.cgroup = e->netns_inode,
		.netns = e->netns,
		.captured = (uint32_t)(size + data.size),
		.length = (uint32_t)(size + data.size),
		.ifindex = RAW_PLAINTEXT | e->pid,
		.protocol = is_ipv4 ? ETHER_IPV4 : ETHER_IPV6,
		.direction = e->outbound ? RAW_EGRESS : RAW_INGRESS,
		.kind = RAW_PACKET,
	};
	size_t whole = sizeof(record) + size + data.size;

	buf_le32(out, (uint32_t)whole);
	buf_le32(out, 0);
	buf_append(out, &record, sizeof(record));
	buf_append(out, headers, size);
	buf_bytes(out, data);
	buf_append(out, padding, -whole & 7);
}
