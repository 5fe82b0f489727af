/* SPDX-License-Identifier: Apache-2.0 */
/* What identity.c says of itself and of the machine. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/capability.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "capture/identity/cgroup_path.h"
#include "capture/identity/identity_state.h"

static const char *
existing_text(const struct identity *i)
{
	return i->existing == IDENTITY_MECHANISM_ITERATOR
		       ? "BPF iterator"
		       : "/proc and sock_diag";
}

static json_t *
describe_mechanisms(const struct identity *i)
{
	json_t *kubernetes = json_array();

	if (pod_names_has_logs(i->pods))
		json_array_append_new(kubernetes,
				      json_string("log directory"));
	if (pod_names_has_engine(i->pods))
		json_array_append_new(kubernetes,
				      json_string("container engine"));
	return json_pack("{s:s, s:s, s:s, s:o}", "sockets",
			 i->owners ? "BPF tracepoints"
				   : "/proc and sock_diag, once in a while",
			 "existing_sockets", existing_text(i), "processes",
			 i->owners ? "BPF tracepoints and /proc" : "/proc",
			 "kubernetes", kubernetes);
}

static json_t *
describe_counts(const struct identity *i)
{
	struct known_counts known;
	json_int_t lost = 0;

	known_counts(i->known, &known);
	if (i->owners)
		lost = (json_int_t)owner_source_lost(i->owners);
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"processes", (json_int_t)known.processes, "sockets",
		(json_int_t)known.sockets, "events", (json_int_t)i->events,
		"lost_events", lost, "written_entries",
		(json_int_t)known.written, "dropped_entries",
		(json_int_t)identity_log_dropped(i->log),
		"forgotten_processes", (json_int_t)known.forgotten_processes,
		"forgotten_sockets", (json_int_t)known.forgotten_sockets,
		"namespaces_scanned",
		(json_int_t)socket_scan_namespaces(i->scan), "proc_walks",
		(json_int_t)socket_scan_walks(i->scan), "pods_and_containers",
		(json_int_t)pod_names_count(i->pods));
}

json_t *
identity_describe(const struct identity *i)
{
	const char *limits = socket_scan_limits(i->scan);
	json_t *degraded = json_deep_copy(i->degraded);
	json_t *log = json_pack("{s:I}", "bytes",
				(json_int_t)identity_log_bytes(i->log));

	if (i->scan_problem)
		json_array_append_new(degraded,
				      json_pack("{s:s, s:s}", "feature",
						"sock_diag", "why",
						i->scan_problem));
	if (limits && i->existing == IDENTITY_MECHANISM_PROC)
		json_array_append_new(
			degraded,
			json_pack("{s:s, s:s}", "feature",
				  "sockets of other network namespaces", "why",
				  limits));
	if (i->problem)
		json_object_set_new(log, "error", json_string(i->problem));
	return json_pack("{s:o, s:o, s:o, s:o}", "mechanisms",
			 describe_mechanisms(i), "counts", describe_counts(i),
			 "degraded", degraded, "log", log);
}

static void
add_check(json_t *checks, const char *check, bool ok, const char *detail,
	  const char *fix)
{
	json_array_append_new(checks,
			      json_pack("{s:s, s:b, s:s, s:s}", "check", check,
					"ok", ok, "detail", detail, "fix",
					ok ? "" : fix));
}

static bool
has_capability(unsigned number)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return (data[number / 32].effective >> (number % 32) & 1) != 0;
}

/* The initial namespaces have fixed inodes (include/linux/proc_ns.h). */
static bool
in_initial_pid_namespace(void)
{
	struct stat info;

	return stat("/proc/self/ns/pid", &info) == 0 &&
	       info.st_ino == 0xeffffffcu;
}

json_t *
identity_probe(void)
{
	json_t *checks = json_array();
	int group = cgroup_path_open_root();
	bool trace = has_capability(CAP_SYS_PTRACE);
	bool search = has_capability(CAP_DAC_READ_SEARCH);
	bool admin = has_capability(CAP_SYS_ADMIN);

	owner_source_probe(checks);
	add_check(checks, "identity: cgroup2 is mounted", group >= 0,
		  group >= 0 ? "its ids can be looked up" : "no cgroup2 mount",
		  "mount cgroup2, for example at /sys/fs/cgroup");
	if (group >= 0)
		close(group);
	add_check(checks, "identity: /proc of other users", trace && search,
		  trace && search
			  ? "readable"
			  : "executables and network namespaces of other "
			    "users' processes stay unknown",
		  "run with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH");
	add_check(checks, "identity: sock_diag in other namespaces", admin,
		  admin ? "possible"
			: "without BPF only sockets of the recorder's own "
			  "network namespace have an owner",
		  "run with CAP_SYS_ADMIN, or with what BPF needs");
	add_check(checks, "identity: process numbers",
		  in_initial_pid_namespace(),
		  in_initial_pid_namespace()
			  ? "those of the node"
			  : "in a pid namespace of its own the recorder cannot "
			    "find the processes that BPF names",
		  "run in the node's pid namespace (hostPID: true)");
	return checks;
}
