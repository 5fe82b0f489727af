/* SPDX-License-Identifier: Apache-2.0 */
/* What works on this node, each thing tried by itself and left as it was. */
#include "capture/source/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/capability.h>

#include "capture/source/kernel.h"
#include "capture/source/packet_program.h"
#include "capture/source/packet_socket.h"
#include "capture/source/raw_record.h"

#define PROBE_RING (64u << 10)
#define PROBE_SOCKET_RING (2u * PACKET_BLOCK_BYTES)
/* Verdicts that let a packet pass. */
#define CGROUP_PASS 1
#define INTERFACE_PASS (-1)

static void
check_add(json_t *checks, const char *name, bool good, const char *detail,
	  const char *fix)
{
	json_array_append_new(checks,
			      json_pack("{s:s, s:b, s:s, s:s}", "check", name,
					"ok", (int)good, "detail", detail,
					"fix", good ? "" : fix));
}

/* A program that only lets packets pass; a descriptor or -errno. */
static int
probe_program(enum bpf_prog_type type, enum bpf_attach_type attach,
	      int verdict)
{
	struct bpf_prog_load_opts options;
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program;

	memset(&options, 0, sizeof options); /* padding too: libbpf looks */
	options.sz = sizeof options;
	options.expected_attach_type = attach;
	program = bpf_prog_load(type, "probe", "GPL", code, 2, &options);
	return program < 0 ? -errno : program;
}

static bool
probe_bpf(json_t *checks)
{
	int program = probe_program(BPF_PROG_TYPE_CGROUP_SKB,
				    BPF_CGROUP_INET_INGRESS, CGROUP_PASS);
	struct error e = { 0 };
	int ring;

	if (program < 0) {
		kernel_explain(&e, -program, "", "a BPF program");
		check_add(checks, "bpf", false, e.text,
			  "run as root or with CAP_BPF and CAP_NET_ADMIN, "
			  "outside a sandbox that forbids bpf(2); AF_PACKET "
			  "is used until then");
		return false;
	}
	close(program);
	check_add(checks, "bpf", true, "BPF programs can be loaded", "");
	ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "probe", 0, 0, PROBE_RING,
			      NULL);
	check_add(checks, "ring buffer", ring >= 0,
		  ring >= 0 ? "BPF_MAP_TYPE_RINGBUF is there" :
			      "BPF_MAP_TYPE_RINGBUF is missing",
		  "Linux 5.8 or later; AF_PACKET is used until then");
	if (ring >= 0)
		close(ring);
	return ring >= 0;
}

/* The real programs, loaded and not attached. */
static void
probe_programs(json_t *checks, bool interface)
{
	struct packet_program_options options = { .interface = interface,
						  .ring_bytes = PROBE_RING,
						  .netns = interface };
	const char *name = interface ? "interface programs" :
				       "cgroup programs";
	json_t *degraded = json_array();
	struct packet_program p;
	struct error e = { 0 };
	int status = packet_program_load(&options, NULL, degraded, &p, &e);
	const json_t *each;
	size_t i;

	check_add(checks, name, status == 0,
		  status == 0 ? "the kernel takes them" : e.text,
		  "AF_PACKET is used until then");
	json_array_foreach(degraded, i, each) {
		check_add(checks,
			  json_string_value(json_object_get(each, "feature")),
			  false,
			  json_string_value(json_object_get(each, "why")),
			  "nothing must be done; a newer kernel has it");
	}
	json_decref(degraded);
	packet_program_close(&p);
}

static void
probe_cgroup(json_t *checks)
{
	struct error e = { 0 };
	char *path = NULL;
	bool whole = false;
	int fd = kernel_cgroup_root(&path, &whole, &e);
	int program, link = -1;

	check_add(checks, "cgroup2 root", fd >= 0 && whole,
		  fd < 0  ? e.text :
		  !whole ? "only a part of the tree is to be seen from here "
			   "(a cgroup namespace)" :
			   path,
		  "run in the host's cgroup namespace, with cgroup2 mounted; "
		  "or capture by interface");
	program = probe_program(BPF_PROG_TYPE_CGROUP_SKB,
				BPF_CGROUP_INET_INGRESS, CGROUP_PASS);
	if (fd >= 0 && program >= 0) {
		link = bpf_link_create(program, fd, BPF_CGROUP_INET_INGRESS,
				       NULL);
		if (link < 0)
			kernel_explain(&e, errno, "",
				       "a program on the cgroup");
		check_add(checks, "attaching to cgroups", link >= 0,
			  link >= 0 ? "beside the programs of others" : e.text,
			  "give CAP_NET_ADMIN; a program that was attached "
			  "exclusively by another tool has to go");
	}
	if (link >= 0)
		close(link);
	if (program >= 0)
		close(program);
	if (fd >= 0)
		close(fd);
	free(path);
}

static void
probe_tcx(json_t *checks)
{
	int program = probe_program(BPF_PROG_TYPE_SCHED_CLS, 0,
				    INTERFACE_PASS);
	int lo = (int)if_nametoindex("lo"), link = -1;

	if (program >= 0 && lo > 0)
		link = bpf_link_create(
			program, lo,
			(enum bpf_attach_type)KERNEL_TCX_EGRESS, NULL);
	check_add(checks, "TCX", link >= 0,
		  link >= 0 ? "programs on interfaces end with their process" :
			      "not there: clsact is used for capture by "
			      "interface",
		  "nothing must be done; Linux 6.6 and later have it");
	if (link >= 0)
		close(link);
	if (program >= 0)
		close(program);
}

static void
probe_af_packet(json_t *checks)
{
	const struct packet_wanted wanted = { .snaplen = RAW_PACKET_MAX };
	struct packet_socket s;
	struct error e = { 0 };
	int status = packet_socket_open(&s, &wanted, PROBE_SOCKET_RING, &e);

	check_add(checks, "AF_PACKET", status == 0,
		  status == 0 ? "TPACKET_V3 works" : e.text,
		  "run as root or give CAP_NET_RAW");
	packet_socket_close(&s);
}

static void
probe_capabilities(json_t *checks)
{
	bool all = kernel_capable(CAP_SYS_ADMIN);

	check_add(checks, "other network namespaces", all,
		  all ? "can be entered" :
			"without CAP_SYS_ADMIN interfaces of other namespaces "
			"have no names, and cannot be captured by name",
		  "give CAP_SYS_ADMIN, or do without");
}

json_t *
source_probe(void)
{
	json_t *checks = json_array();

	if (probe_bpf(checks)) {
		probe_programs(checks, false);
		probe_cgroup(checks);
		probe_programs(checks, true);
		probe_tcx(checks);
	}
	probe_af_packet(checks);
	probe_capabilities(checks);
	return checks;
}
