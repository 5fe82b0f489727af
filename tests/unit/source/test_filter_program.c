/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters translated for the kernel against libpcap's own interpreter: many
 * expressions × many packets, synthetic, cut short and random, must get the
 * same answer.  The programs run by BPF_PROG_TEST_RUN.
 */
#include "capture/source/filter_program.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "capture/bpf/packet_settings.h"
#include "capture/link_types.h"
#include "capture/source/raw_filter.h"

#define SKIPPED 77
#define PACKETS 600
#define PACKET_SIZE 128
#define ETHERNET 14
/* What a verdict of the program that matching packets go to looks like. */
#define MATCHED 0
#define PASSED 1

static const char *const expressions[] = {
	"tcp", "udp", "icmp", "icmp6", "ip", "ip6", "tcp port 80",
	"udp port 53", "port 443", "host 10.0.0.1", "not host 10.0.0.1",
	"src host 10.0.0.1 and dst port 80", "net 10.0.0.0/8",
	"src net 192.168.0.0/16", "dst net fd00::/8", "host fd00::1",
	"portrange 1000-2000", "tcp portrange 1-1023", "len > 80",
	"less 60", "greater 100", "ip[0] & 0xf != 5", "ip[2:2] > 60",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[13] = 2",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - "
	"((tcp[12]&0xf0)>>2)) != 0)",
	"ip[6:2] & 0x1fff = 0", "ip proto 17", "ip6 proto 6",
	"ip multicast", "ip6 multicast",
	"(tcp or udp) and not port 22", "host 10.0.0.1 or host 10.0.0.2 or "
	"host 10.0.0.3 or net 172.16.0.0/12", "ip[8] < 64 and ip[9] = 6",
	"ip[ip[0] & 0xf] > 10", "ip[ip[1]:4] = 0x0a000001",
	"1000 / ip[8] > 10", "ip[4:2] % 7 = 3", "ip[4:2] * ip[8] > 70000",
	"1 << ip[8] = 0", "0xffffffff >> ip[9] > 100", "ip[0] ^ ip[1] = 0x45",
	"-ip[8] > 4000000000", "ip[16:4] >= 0x80000000",
	"udp[4:2] = 8", "tcp[0:2] < tcp[2:2]", "icmp[icmptype] = icmp-echo",
	"len - ip[2:2] = 0", "ip[65535] = 0", "ip[100:4] != 0", "sctp",
	"port 53 or port 80 or port 443 or port 8080 or port 6379",
};

static int totals = -1;
static int matched[2] = { -1, -1 };
static bool testable = true;

/* Ours, so that a failure can be had again. */
static uint32_t
random_next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* IPv4 or IPv6 with TCP, UDP or ICMP, or what looks nearly like it. */
static size_t
make_packet(uint32_t *seed, uint8_t *p)
{
	static const uint8_t protocols[] = { 6, 17, 1, 58, 132, 0, 44 };
	static const uint16_t ports[] = { 80, 53, 443, 1000, 2000, 22, 6379 };
	size_t size = 20 + random_next(seed) % (PACKET_SIZE - 20), l4;
	bool v6 = random_next(seed) % 3 == 0;

	/* The kernel runs nothing on an IPv6 header that is cut short. */
	if (size < 40)
		v6 = false;
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)random_next(seed);
	p[0] &= 0x5f;
	if (random_next(seed) % 10 == 0)
		return size;
	p[0] = v6 ? 0x60 : 0x45;
	if (!v6 && random_next(seed) % 5 == 0)
		p[0] = (uint8_t)(0x40 | random_next(seed) % 16);
	l4 = v6 ? 40 : 20;
	p[v6 ? 6 : 9] = protocols[random_next(seed) % sizeof protocols];
	if (v6 && size > 40) {
		memset(p + 8, 0, 32);
		p[8] = p[24] = 0xfd;
		p[23] = (uint8_t)(random_next(seed) % 3);
		p[39] = (uint8_t)(random_next(seed) % 3);
	} else if (!v6) {
		p[2] = 0;
		p[3] = (uint8_t)size;
		if (random_next(seed) % 4)
			p[6] = p[7] = 0;
		memcpy(p + 12, "\x0a\0\0\1", 4);
		p[15] = (uint8_t)(random_next(seed) % 4);
		p[16] = random_next(seed) % 2 ? 10 : 192;
		p[17] = 168;
	}
	for (size_t i = 0; i < 4 && l4 + i + 2 <= size; i += 2) {
		uint16_t port = ports[random_next(seed) % 7];

		p[l4 + i] = (uint8_t)(port >> 8);
		p[l4 + i + 1] = (uint8_t)port;
	}
	return size;
}

/* A program that only says that it was reached. */
static int
load_matched(enum bpf_prog_type type)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = MATCHED },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(type, "matched", "GPL", code, 2, NULL);
}

static int
setup(void **state)
{
	(void)state;
	totals = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "totals", 4, 8,
				PACKET_TOTALS, NULL);
	matched[0] = load_matched(BPF_PROG_TYPE_CGROUP_SKB);
	matched[1] = load_matched(BPF_PROG_TYPE_SCHED_CLS);
	if (totals < 0 || matched[0] < 0 || matched[1] < 0) {
		printf("SKIPPED: BPF programs cannot be loaded here: %s\n",
		       strerror(errno));
		testable = false;
	}
	return 0;
}

/* The kernel's verdict on a frame, or -1. */
static int
run_program(int program, const uint8_t *frame, size_t size)
{
	uint8_t out[ETHERNET + PACKET_SIZE];
	struct bpf_test_run_opts options;

	memset(&options, 0, sizeof options);
	options.sz = sizeof options;
	options.data_in = frame;
	options.data_size_in = (__u32)size;
	options.data_out = out;
	options.data_size_out = sizeof out;
	options.repeat = 1;
	if (bpf_prog_test_run_opts(program, &options) < 0)
		return -errno;
	return (int)options.retval;
}

static void
compare(const char *expression, bool ethernet)
{
	struct filter_target target = {
		.type = ethernet ? BPF_PROG_TYPE_SCHED_CLS :
				   BPF_PROG_TYPE_CGROUP_SKB,
		.attach = 0, .pass = PASSED, .capture = matched[ethernet],
		.totals = totals,
	};
	uint16_t link_type = ethernet ? LINK_TYPE_ETHERNET : LINK_TYPE_RAW;
	uint8_t frame[ETHERNET + PACKET_SIZE] = { 2, 0, 0, 0, 0, 1, 2 };
	int program = -1, array = -1, hits = 0;
	uint32_t seed = 7, skip = ethernet ? 0 : ETHERNET;
	struct raw_filter *truth = NULL;
	struct error e = { 0 };
	struct filter f;

	assert_int_equal(raw_filter_new(expression, &truth, &e), 0);
	assert_int_equal(filter_compile(expression, link_type, &f, &e), 0);
	if (filter_load(&f, &target, &program, &array, &e) < 0)
		fail_msg("%s: %s", expression, e.text);
	for (int i = 0; i < PACKETS; i++) {
		size_t size = make_packet(&seed, frame + ETHERNET);
		bool expected;
		int got;

		memcpy(frame + 12,
		       frame[ETHERNET] >> 4 == 6 ? "\x86\xdd" : "\x08\x00", 2);
		if (i % 50 == 0)
			frame[13] = 6; /* ARP, or nothing known */
		size += ETHERNET;
		expected = raw_filter_matches(truth, link_type, frame + skip,
					      (uint32_t)size - skip,
					      (uint32_t)size - skip);
		got = run_program(program, frame, size);
		if (got != (expected ? MATCHED : PASSED))
			fail_msg("%s (%s), packet %d: the kernel says %d, "
				 "libpcap %d (%zu bytes)", expression,
				 ethernet ? "Ethernet" : "IP", i, got,
				 expected, size);
		hits += expected;
	}
	printf("%3d of %d %s: %s\n", hits, PACKETS,
	       ethernet ? "frames" : "packets", expression);
	close(program);
	close(array);
	filter_free(&f);
	raw_filter_free(truth);
}

static void
test_same_answers(void **state)
{
	(void)state;
	if (!testable)
		skip();
	for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
		compare(expressions[i], false);
		compare(expressions[i], true);
	}
}

/* Expressions on what a cgroup does not see have no program, not a wrong one. */
static void
test_no_meaning(void **state)
{
	struct error e = { 0 };
	struct filter f;

	(void)state;
	assert_int_equal(filter_compile("ether host 2:0:0:0:0:1",
					LINK_TYPE_RAW, &f, &e), ERR_INVALID);
	filter_free(&f);
	assert_int_equal(filter_compile("tcp prot 80", LINK_TYPE_RAW, &f, &e),
			 ERR_INVALID);
	assert_non_null(strstr(e.text, "tcp prot 80"));
	filter_free(&f);
	assert_true(filter_needs_tags("vlan 5 and tcp"));
	assert_true(filter_needs_tags("tcp and (vlan)"));
	assert_false(filter_needs_tags("host myvlan or host vlan2"));
}

/* Code that libpcap would not make: the translation refuses or stays safe. */
static void
test_refusals(void **state)
{
	struct filter_code beside[] = { { 0x28, 0, 0, 0xfffff000 },
					{ 6, 0, 0, 1 } };
	struct filter_code outside[] = { { 0x15, 200, 0, 1 }, { 6, 0, 0, 1 } };
	struct filter_target target = { .type = BPF_PROG_TYPE_CGROUP_SKB,
					.pass = PASSED, .totals = 3 };
	struct bpf_insn *code;
	struct error e = { 0 };
	struct filter loop;
	size_t count;

	(void)state;
	assert_int_equal(filter_translate(&(struct filter){ beside, 2 },
					  &target, 4, &code, &count, &e),
			 ERR_UNSUPPORTED);
	assert_int_equal(filter_translate(&(struct filter){ outside, 2 },
					  &target, 4, &code, &count, &e),
			 ERR_UNSUPPORTED);
	/* libpcap walks a chain of headers in a loop. */
	assert_int_equal(filter_compile("ip6 protochain 6", LINK_TYPE_RAW,
					&loop, &e), 0);
	assert_int_equal(filter_translate(&loop, &target, 4, &code, &count,
					  &e), ERR_UNSUPPORTED);
	filter_free(&loop);
}

static int
teardown(void **state)
{
	(void)state;
	close(totals);
	close(matched[0]);
	close(matched[1]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_answers),
		cmocka_unit_test(test_no_meaning),
		cmocka_unit_test(test_refusals),
	};
	int failed = cmocka_run_group_tests(tests, setup, teardown);

	return failed ? failed : testable ? 0 : SKIPPED;
}
