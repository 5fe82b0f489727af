/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order matters: limits and capabilities first (they need system calls
 * that go away), then Landlock, then seccomp, which takes the rest.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#define SANDBOX_DESCRIPTORS 64

/*
 * Landlock, see Documentation/userspace-api/landlock.rst.  Written out because
 * the distribution's <linux/landlock.h> may be older than the running kernel;
 * rights a kernel does not know must not be asked for.
 */
struct landlock_request {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;             /* ABI 6 */
};

#define LANDLOCK_QUERY_VERSION 1U
#define LANDLOCK_FS_ABI1       ((1ULL << 13) - 1) /* EXECUTE … MAKE_SYM */
#define LANDLOCK_FS_ABI2       (1ULL << 13)       /* REFER */
#define LANDLOCK_FS_ABI3       (1ULL << 14)       /* TRUNCATE */
#define LANDLOCK_FS_ABI5       (1ULL << 15)       /* IOCTL_DEV */
#define LANDLOCK_NET_ABI4      3ULL               /* BIND_TCP, CONNECT_TCP */
#define LANDLOCK_SCOPE_ABI6    3ULL               /* ABSTRACT_UNIX, SIGNAL */

static int
landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_QUERY_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static bool
seccomp_available(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

struct sandbox_support
sandbox_probe(void)
{
	return (struct sandbox_support){ landlock_abi(), seccomp_available() };
}

/* A ruleset that handles every right and grants none. */
static int
enter_landlock(struct error *e)
{
	int abi = landlock_abi();
	struct landlock_request request = { LANDLOCK_FS_ABI1, 0, 0 };
	long fd;
	int rc = 0;

	if (abi == 0)
		return 0;
	if (abi >= 2)
		request.handled_access_fs |= LANDLOCK_FS_ABI2;
	if (abi >= 3)
		request.handled_access_fs |= LANDLOCK_FS_ABI3;
	if (abi >= 4)
		request.handled_access_net = LANDLOCK_NET_ABI4;
	if (abi >= 5)
		request.handled_access_fs |= LANDLOCK_FS_ABI5;
	if (abi >= 6)
		request.scoped = LANDLOCK_SCOPE_ABI6;
	/* Trailing zeroes of a structure newer than the kernel are accepted. */
	fd = syscall(SYS_landlock_create_ruleset, &request, sizeof(request), 0);
	if (fd < 0)
		return error_set_errno(e, errno,
				       "cannot create a Landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, (int)fd, 0) < 0)
		rc = error_set_errno(e, errno, "cannot enter Landlock");
	close((int)fd);
	return rc;
}

#ifndef AFTERTAP_SANITIZED
/* Calls a parser may make with any arguments. */
static const int parser_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Calls allowed only with harmless arguments. */
static int
add_conditional_rules(scmp_filter_ctx filter)
{
	scmp_datum_t exec = PROT_EXEC, self = (scmp_datum_t)getpid();
	int rc = 0;

	/* No new code: memory is never executable. */
	rc |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
	rc |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
	/* How glibc spells fstat(2). */
	rc |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
			       SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH, 0));
	/* abort(3) may kill this process, and nothing may kill another. */
	rc |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			       SCMP_A0(SCMP_CMP_EQ, self, 0));
	return rc;
}

static int
fill_filter(scmp_filter_ctx filter)
{
	int rc = 0;

	rc |= seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
			       SCMP_ACT_KILL_PROCESS);
	rc |= seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; i < sizeof(parser_calls) / sizeof(parser_calls[0]);
	     i++)
		rc |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, parser_calls[i],
				       0);
	return rc | add_conditional_rules(filter);
}

static int
enter_seccomp(struct error *e)
{
	scmp_filter_ctx filter;
	int rc = 0;

	if (!seccomp_available())
		return 0;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter || fill_filter(filter) != 0)
		rc = error_set(e, ERR_INTERNAL,
			       "cannot build the seccomp filter");
	else if (seccomp_load(filter) < 0)
		rc = error_set(e, ERR_UNSUPPORTED,
			       "the kernel refused the seccomp filter");
	if (filter)
		seccomp_release(filter);
	return rc;
}
#endif

static int
set_limit(__rlimit_resource_t resource, rlim_t value, struct error *e)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return error_set_errno(e, errno, "cannot read a limit");
	/* A hard limit may already be lower; it stays. */
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < value)
		value = limit.rlim_max;
	limit.rlim_cur = limit.rlim_max = value;
	if (setrlimit(resource, &limit) < 0)
		return error_set_errno(e, errno, "cannot set a limit");
	return 0;
}

static int
enter_limits(const struct sandbox_limits *limits, struct error *e)
{
	int rc;

	/* A log on stderr may be a file: past FSIZE, fail, do not die. */
	signal(SIGXFSZ, SIG_IGN);
	rc = set_limit(RLIMIT_CORE, 0, e);
	if (rc == 0)
		rc = set_limit(RLIMIT_FSIZE, 0, e);
	if (rc == 0)
		rc = set_limit(RLIMIT_NPROC, 0, e);
	if (rc == 0)
		rc = set_limit(RLIMIT_NOFILE, SANDBOX_DESCRIPTORS, e);
	if (rc == 0 && limits && limits->cpu_seconds)
		rc = set_limit(RLIMIT_CPU, limits->cpu_seconds, e);
#ifndef AFTERTAP_SANITIZED /* shadow memory takes terabytes of addresses */
	if (rc == 0 && limits && limits->memory_bytes)
		rc = set_limit(RLIMIT_AS, limits->memory_bytes, e);
#endif
	return rc;
}

/* Empties the bounding set, so that not even execve(2) as root gives back. */
static int
drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		/* Without CAP_SETPCAP there is nothing to drop it with. */
		if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
			return -1;
	}
	return 0;
}

int
sandbox_drop_privileges(struct error *e)
{
	cap_t none = cap_init();
	int rc = 0;

	if (!none)
		return error_set_errno(e, errno, "cannot drop capabilities");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (drop_bounding_set() < 0 || cap_set_proc(none) < 0)
		rc = error_set_errno(e, errno, "cannot drop capabilities");
	else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = error_set_errno(e, errno, "cannot set no_new_privs");
	cap_free(none);
	return rc;
}

int
sandbox_enter(enum sandbox_profile profile, const struct sandbox_limits *limits,
	      struct error *e)
{
	int rc;

	if (profile != SANDBOX_PARSER)
		return error_set(e, ERR_INVALID, "unknown sandbox profile");
	rc = enter_limits(limits, e);
	if (rc == 0)
		rc = sandbox_drop_privileges(e);
	if (rc == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		rc = error_set_errno(e, errno, "cannot clear dumpable");
	if (rc == 0)
		rc = enter_landlock(e);
#ifndef AFTERTAP_SANITIZED
	if (rc == 0)
		rc = enter_seccomp(e);
#endif
	return rc;
}
