/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/packet_program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <packet.skel.h>
#include <packet_classes.skel.h>

#include "base/alloc.h"
#include "capture/source/degraded.h"
#include "capture/source/kernel.h"
#include "capture/source/raw_record.h"

/* Places read from the map by one call. */
#define BATCH 256u

static struct bpf_object *
program_open(bool fixed_sizes, char *log)
{
	struct bpf_object_open_opts options;
	size_t size;
	const void *object = fixed_sizes ? packet_classes__elf_bytes(&size) :
					   packet__elf_bytes(&size);

	memset(&options, 0, sizeof options); /* padding too: libbpf looks */
	options.sz = sizeof options;
	options.object_name = "aftertap";
	options.kernel_log_buf = log;
	options.kernel_log_size = KERNEL_LOG_SIZE;
	return bpf_object__open_mem(object, size, &options);
}

/* Only the programs of one kind are loaded. */
static void
program_choose(struct bpf_object *object, bool interface)
{
	struct bpf_program *each;

	bpf_object__for_each_program(each, object) {
		const char *name = bpf_program__name(each);
		bool is_interface = strncmp(name, "iface_", 6) == 0;

		bpf_program__set_autoload(each, is_interface == interface);
	}
}

/* The n of the 2^n that `bytes` are. */
static uint8_t
program_shift(size_t bytes)
{
	uint8_t shift = 0;

	while (shift < 31 && bytes >> 1 >> shift)
		shift++;
	return shift;
}

static void
program_settings(const struct packet_program_options *options,
		 struct packet_settings *settings, json_t *degraded)
{
	enum bpf_prog_type type = options->interface ?
					  BPF_PROG_TYPE_SCHED_CLS :
					  BPF_PROG_TYPE_CGROUP_SKB;

	memset(settings, 0, sizeof *settings);
	settings->netns = options->netns;
	settings->tags = options->interface;
	settings->loopback_once = options->loopback_once;
	settings->near = options->near_bytes > 0;
	/* An eighth of the ring; half of the small one.  Behind that a quarter
	 * of it: at half the reader would always find more than half, which
	 * says that the small one would not do. */
	settings->wake_shift = program_shift(options->near_bytes
						     ? options->near_bytes / 4
						     : options->ring_bytes / 8);
	settings->near_wake_shift = program_shift(options->near_bytes / 2);
	settings->snaplen = RAW_PACKET_MAX;
	if (options->snaplen && options->snaplen < RAW_PACKET_MAX)
		settings->snaplen = options->snaplen;
	settings->ask_netns =
		options->netns == 0 &&
		kernel_has_helper(type, 0, BPF_FUNC_get_netns_cookie);
	settings->ask_cgroup =
		kernel_has_helper(type, 0, BPF_FUNC_skb_cgroup_id);
	settings->namespace_count = options->namespace_count;
	for (uint32_t i = 0; i < options->namespace_count; i++)
		settings->namespaces[i] = options->namespaces[i];
	if (!options->netns && !settings->ask_netns)
		degraded_add(degraded, "network namespaces",
			     "this kernel does not tell them to such programs: "
			     "interfaces with the same number in two "
			     "namespaces look like one");
	if (!settings->ask_cgroup)
		degraded_add(degraded, "cgroup ids",
			     "this kernel does not tell them to such programs");
}

static int
share(const struct packet_program *p, const char *map, int descriptor)
{
	return bpf_map__reuse_fd(bpf_object__find_map_by_name(p->object, map),
				 descriptor);
}

static int
program_share(const struct packet_program *p,
	      const struct packet_program *shared)
{
	if (share(p, "ring", shared->ring) ||
	    share(p, "places", shared->places) ||
	    share(p, "elsewhere", shared->elsewhere) ||
	    share(p, "totals", shared->totals))
		return ERR_INTERNAL;
	if (shared->near >= 0 && (share(p, "near", shared->near) ||
				  share(p, "choice", shared->choice)))
		return ERR_INTERNAL;
	return 0;
}

/* Records of fixed sizes know no small ring. */
static int
program_set_near(const struct packet_program *p,
		 const struct packet_program_options *options)
{
	struct bpf_map *near = bpf_object__find_map_by_name(p->object, "near");
	size_t bytes = options->near_bytes ? options->near_bytes :
					     (size_t)sysconf(_SC_PAGESIZE);

	if (near && bpf_map__set_max_entries(near, (uint32_t)bytes))
		return ERR_INTERNAL;
	return 0;
}

static int
program_configure(struct packet_program *p,
		  const struct packet_program_options *options,
		  const struct packet_program *shared, json_t *degraded)
{
	struct packet_settings settings;
	struct bpf_map *each, *ring;
	bool told = false;

	program_settings(options, &settings, degraded);
	p->netns_known = options->netns || settings.ask_netns;
	bpf_object__for_each_map(each, p->object) {
		if (strstr(bpf_map__name(each), ".rodata"))
			told = bpf_map__set_initial_value(
				       each, &settings, sizeof settings) == 0;
	}
	ring = bpf_object__find_map_by_name(p->object, "ring");
	if (!told ||
	    bpf_map__set_max_entries(ring, (uint32_t)options->ring_bytes))
		return ERR_INTERNAL;
	if (program_set_near(p, options) < 0)
		return ERR_INTERNAL;
	return shared ? program_share(p, shared) : 0;
}

static int
program_descriptor(const struct packet_program *p, const char *kind,
		   const char *direction)
{
	char name[32];

	snprintf(name, sizeof name, "%s_%s", kind, direction);
	return bpf_program__fd(
		bpf_object__find_program_by_name(p->object, name));
}

/* One attempt. */
static int
program_try(const struct packet_program_options *options,
	    const struct packet_program *shared, json_t *degraded,
	    struct packet_program *p, struct error *e)
{
	const char *kind = options->interface ? "iface" : "cgroup";
	char *log = alloc_zero(1, KERNEL_LOG_SIZE);
	int status = 0;

	p->object = program_open(p->fixed_sizes, log);
	if (!p->object)
		status = error_set(e, ERR_INTERNAL,
				   "the packet programs are damaged");
	else
		program_choose(p->object, options->interface);
	if (status == 0 &&
	    program_configure(p, options, shared, degraded) < 0)
		status = error_set(e, ERR_INTERNAL,
				   "the packet programs cannot be set up");
	if (status == 0) {
		int failed = bpf_object__load(p->object);

		if (failed)
			status = kernel_explain(e, -failed, log,
						"the packet programs");
	}
	free(log);
	if (status < 0)
		return status;
	p->ingress = program_descriptor(p, kind, "ingress");
	p->egress = program_descriptor(p, kind, "egress");
	p->ring = bpf_object__find_map_fd_by_name(p->object, "ring");
	p->places = bpf_object__find_map_fd_by_name(p->object, "places");
	p->elsewhere = bpf_object__find_map_fd_by_name(p->object, "elsewhere");
	p->totals = bpf_object__find_map_fd_by_name(p->object, "totals");
	p->near = p->choice = -1;
	if (options->near_bytes && !p->fixed_sizes) {
		p->near = bpf_object__find_map_fd_by_name(p->object, "near");
		p->choice = bpf_object__find_map_fd_by_name(p->object,
							    "choice");
	}
	return 0;
}

int
packet_program_load(const struct packet_program_options *options,
		    const struct packet_program *shared, json_t *degraded,
		    struct packet_program *p, struct error *e)
{
	json_t *lacking = json_array();
	struct error first;
	int status = ERR_UNSUPPORTED;

	libbpf_set_print(NULL); /* what it would print is in our sentences */
	memset(p, 0, sizeof *p);
	error_set(&first, ERR_UNSUPPORTED, "left out on request");
	if (!options->fixed_sizes)
		status = program_try(options, shared, lacking, p, &first);
	if (status < 0 && status != ERR_INTERNAL) {
		packet_program_close(p);
		json_array_clear(lacking);
		p->fixed_sizes = true;
		status = program_try(options, shared, lacking, p, e);
		if (status == 0)
			degraded_add(lacking, "records of exact size",
				     "%s; records have fixed sizes and fill "
				     "the ring sooner", first.text);
	} else if (status < 0 && e) {
		*e = first;
	}
	if (status == 0)
		json_array_extend(degraded, lacking);
	json_decref(lacking);
	return status;
}

void
packet_program_close(struct packet_program *p)
{
	bpf_object__close(p->object);
	memset(p, 0, sizeof *p);
}

static void
counts_add(struct packet_counts *sum, const struct packet_counts *each,
	   int cpus)
{
	for (int i = 0; i < cpus; i++) {
		sum->seen += each[i].seen;
		sum->seen_bytes += each[i].seen_bytes;
		sum->captured += each[i].captured;
		sum->cut += each[i].cut;
		sum->lost_ring += each[i].lost_ring;
		sum->lost_errors += each[i].lost_errors;
	}
}

static uint64_t
total_of(const struct packet_program *p, enum packet_total which, int cpus)
{
	uint64_t *each = alloc_zero((size_t)cpus, sizeof *each), sum = 0;
	uint32_t key = which;

	if (bpf_map_lookup_elem(p->totals, &key, each) == 0)
		for (int i = 0; i < cpus; i++)
			sum += each[i];
	free(each);
	return sum;
}

static void
counts_sum(struct source_counts *sum, const struct packet_counts *each)
{
	sum->seen_packets += each->seen;
	sum->seen_bytes += each->seen_bytes;
	sum->captured_packets += each->captured;
	sum->cut_packets += each->cut;
	sum->lost_ring += each->lost_ring;
	sum->lost_errors += each->lost_errors;
}

void
packet_program_counts(const struct packet_program *p,
		      struct source_counts *counts)
{
	int cpus = libbpf_num_possible_cpus();
	struct packet_place_counts *list;
	size_t count = packet_program_places(p, &list);
	uint64_t lost_call = total_of(p, PACKET_LOST_CALL, cpus);

	memset(counts, 0, sizeof *counts);
	counts_sum(counts, &p->forgotten);
	for (size_t i = 0; i < count; i++)
		counts_sum(counts, &list[i].counts);
	free(list);
	counts->seen_packets += lost_call;
	counts->lost_errors += lost_call;
	counts->filtered_packets = total_of(p, PACKET_FILTERED, cpus);
}

void
packet_program_forget(struct packet_program *p,
		      const struct packet_place *place)
{
	int cpus = libbpf_num_possible_cpus();
	struct packet_counts *each = alloc_zero((size_t)cpus, sizeof *each);
	/* In two steps before Linux 5.14. */
	bool gone = bpf_map_lookup_and_delete_elem(p->places, place, each) ==
			    0 ||
		    (bpf_map_lookup_elem(p->places, place, each) == 0 &&
		     bpf_map_delete_elem(p->places, place) == 0);

	if (gone)
		counts_add(&p->forgotten, each, cpus);
	free(each);
}

/* The places that found no room, when there were any. */
static size_t
places_elsewhere(const struct packet_program *p,
		 struct packet_place_counts *out, struct packet_counts *each,
		 int cpus)
{
	const uint32_t first = 0;

	memset(out, 0, sizeof *out);
	if (bpf_map_lookup_elem(p->elsewhere, &first, each) < 0)
		return 0;
	counts_add(&out->counts, each, cpus);
	return out->counts.seen ? 1 : 0;
}

size_t
packet_program_places(const struct packet_program *p,
		      struct packet_place_counts **list)
{
	int cpus = libbpf_num_possible_cpus();
	struct packet_place *keys = alloc_zero(BATCH, sizeof *keys);
	struct packet_counts *each =
		alloc_zero(BATCH * (size_t)cpus, sizeof *each);
	struct packet_place_counts *out = alloc_zero(BATCH + 1, sizeof *out);
	size_t used = 0;
	uint64_t position = 0; /* the kernel's, of at most this size */
	bool more = true;

	for (bool first = true; more && used < PACKET_PLACES_MAX;
	     first = false) {
		uint32_t got = BATCH;
		int status = bpf_map_lookup_batch(p->places,
						  first ? NULL : &position,
						  &position, keys, each, &got,
						  NULL);

		/* ENOENT: these were the last. */
		more = status == 0;
		if (status < 0 && errno != ENOENT)
			got = 0;
		out = alloc_resize(out, used + got + BATCH + 1, sizeof *out);
		for (uint32_t i = 0; i < got; i++, used++) {
			memset(&out[used], 0, sizeof *out);
			out[used].place = keys[i];
			counts_add(&out[used].counts, each + i * (size_t)cpus,
				   cpus);
		}
	}
	used += places_elsewhere(p, out + used, each, cpus);
	free(keys);
	free(each);
	*list = out;
	return used;
}
