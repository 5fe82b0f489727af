/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/plaintext_packet.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/source/raw_reader.h"
#include "capture/source/raw_record.h"

static struct plaintext_event
event_of(const char *local, const char *remote, bool outbound)
{
	struct plaintext_event e = { .cookie = 77,
				     .netns = 88,
				     .netns_inode = 99,
				     .offset = 1000,
				     .opposite = 50,
				     .pid = 4711,
				     .local_port = 443,
				     .remote_port = 50000,
				     .outbound = outbound };

	assert_int_equal(inet_pton(AF_INET6, local, e.local), 1);
	assert_int_equal(inet_pton(AF_INET6, remote, e.remote), 1);
	return e;
}

/* RFC 1071 §1 (3): with its checksum in it, a sum is all ones. */
static uint32_t
sum_of(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
check_tcp(const uint8_t *at, size_t size, const struct plaintext_event *e)
{
	struct tcphdr tcp;

	assert_true(size >= sizeof(tcp));
	memcpy(&tcp, at, sizeof(tcp));
	assert_int_equal(ntohs(tcp.th_sport), e->outbound ? 443 : 50000);
	assert_int_equal(ntohs(tcp.th_dport), e->outbound ? 50000 : 443);
	assert_int_equal(ntohl(tcp.th_seq), (uint32_t)e->offset + 1);
	assert_int_equal(ntohl(tcp.th_ack), (uint32_t)e->opposite + 1);
	assert_int_equal(tcp.th_off, 5);
	assert_int_equal(tcp.th_flags, TH_PUSH | TH_ACK);
}

static void
check_ipv4(const struct raw_packet *p, const struct plaintext_event *e)
{
	struct iphdr ip;
	uint32_t pseudo;
	size_t size;

	memcpy(&ip, p->data, sizeof(ip));
	size = p->captured - sizeof(ip);
	assert_int_equal(p->protocol, 0x0800);
	assert_int_equal(ip.version, 4);
	assert_int_equal(ntohs(ip.tot_len), p->captured);
	assert_int_equal(ip.protocol, IPPROTO_TCP);
	assert_memory_equal(&ip.saddr, (e->outbound ? e->local : e->remote) +
					       12, 4);
	assert_memory_equal(&ip.daddr, (e->outbound ? e->remote : e->local) +
					       12, 4);
	assert_int_equal(sum_of(0, p->data, sizeof(ip)), 0xffff);
	/* RFC 9293 §3.1: addresses, protocol and length come first. */
	pseudo = sum_of(IPPROTO_TCP + (uint32_t)size, p->data + 12, 8);
	assert_int_equal(sum_of(pseudo, p->data + sizeof(ip), size), 0xffff);
	check_tcp(p->data + sizeof(ip), size, e);
}

static void
check_ipv6(const struct raw_packet *p, const struct plaintext_event *e)
{
	struct ip6_hdr ip;
	uint32_t pseudo;
	size_t size;

	memcpy(&ip, p->data, sizeof(ip));
	size = p->captured - sizeof(ip);
	assert_int_equal(p->protocol, 0x86dd);
	assert_int_equal(p->data[0] >> 4, 6);
	assert_int_equal(ntohs(ip.ip6_plen), size);
	assert_int_equal(ip.ip6_nxt, IPPROTO_TCP);
	assert_memory_equal(&ip.ip6_src, e->outbound ? e->local : e->remote,
			    16);
	assert_memory_equal(&ip.ip6_dst, e->outbound ? e->remote : e->local,
			    16);
	/* RFC 8200 §8.1 */
	pseudo = sum_of(IPPROTO_TCP + (uint32_t)size, p->data + 8, 32);
	assert_int_equal(sum_of(pseudo, p->data + sizeof(ip), size), 0xffff);
	check_tcp(p->data + sizeof(ip), size, e);
}

/* Makes packets of 0 to 9 bytes and of a whole chunk, and reads them. */
static void
check_all(const char *local, const char *remote, bool ipv4)
{
	uint8_t data[PLAINTEXT_CHUNK];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1);
	for (size_t turn = 0; turn < 22; turn++) {
		struct plaintext_event e = event_of(local, remote, turn % 2);
		size_t size = turn < 20 ? turn / 2 : sizeof(data);
		struct raw_reader reader;
		struct raw_packet p;
		struct buf out;

		e.offset += UINT64_C(0xffffffff) * (turn % 3);
		buf_init(&out, 1 << 20);
		plaintext_packet(&out, &e, bytes_make(data, size), 123456789);
		assert_int_equal(out.size % 8, 0);
		raw_reader_init(&reader, RAW_FORMAT_RECORDS, buf_view(&out));
		assert_int_equal(raw_reader_next(&reader, &p), 1);
		assert_int_equal(p.time_ns, 123456789);
		assert_int_equal(p.cookie, 77);
		assert_int_equal(p.netns, 88);
		assert_int_equal(p.cgroup, 99);
		assert_int_equal(p.ifindex, RAW_PLAINTEXT | 4711);
		assert_int_equal(p.direction, e.outbound ? RAW_EGRESS
							 : RAW_INGRESS);
		assert_int_equal(p.captured, p.length);
		assert_memory_equal(p.data + p.captured - size, data, size);
		if (ipv4)
			check_ipv4(&p, &e);
		else
			check_ipv6(&p, &e);
		assert_int_equal(raw_reader_next(&reader, &p), 0);
		raw_reader_free(&reader);
		buf_free(&out);
	}
}

static void
ipv4(void **state)
{
	(void)state;
	check_all("::ffff:10.1.2.3", "::ffff:192.0.2.255", true);
}

static void
ipv6(void **state)
{
	(void)state;
	check_all("2001:db8::1", "fe80::ffff:ffff:ffff:fffe", false);
	/* One end only is mapped: not IPv4. */
	check_all("::ffff:10.1.2.3", "2001:db8::1", false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
