/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "capture/recorder/raw_header.h"

/* linux/landlock.h of the distribution may be older than these. */
struct landlock_rules {
	uint64_t handled_access_fs;
};

struct landlock_beneath {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

#define LANDLOCK_BENEATH    1
#define LANDLOCK_FS_ABI1    ((1ULL << 13) - 1)
#define LANDLOCK_REFER      (1ULL << 13) /* ABI 2 */
#define LANDLOCK_TRUNCATE   (1ULL << 14) /* ABI 3 */
#define LANDLOCK_EXECUTE    (1ULL << 0)
#define LANDLOCK_READ_FILE  (1ULL << 2)
/* Older headers lack them. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF     39
#endif

static int
confine_to(int ruleset, const char *path, uint64_t access, struct error *e)
{
	struct landlock_beneath rule = { .allowed_access = access };
	int status = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return error_set_errno(e, errno, "cannot open %s", path);
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_BENEATH, &rule,
		    0) < 0)
		status = error_set_errno(e, errno, "cannot enter Landlock");
	close(rule.parent_fd);
	return status;
}

int
privileges_confine(const char *directory, struct error *e)
{
	struct sandbox_support support = sandbox_probe();
	struct landlock_rules rules = { LANDLOCK_FS_ABI1 };
	int ruleset, status = sandbox_drop_privileges(e);

	if (status < 0 || support.landlock_abi == 0)
		return status;
	if (support.landlock_abi >= 2)
		rules.handled_access_fs |= LANDLOCK_REFER;
	if (support.landlock_abi >= 3)
		rules.handled_access_fs |= LANDLOCK_TRUNCATE;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules,
			       sizeof(rules), 0);
	if (ruleset < 0)
		return error_set_errno(e, errno,
				       "cannot create a Landlock ruleset");
	status = confine_to(ruleset, directory,
			    rules.handled_access_fs & ~LANDLOCK_EXECUTE, e);
	/* Whether bytes that were not committed are of this boot, and so are
	 * what the recorder wrote. */
	(void)confine_to(ruleset, RAW_BOOT_ID_PATH, LANDLOCK_READ_FILE, NULL);
	if (status == 0 &&
	    syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		status = error_set_errno(e, errno, "cannot enter Landlock");
	close(ruleset);
	return status;
}

/* In somebody's directories root's rights to files are theirs to abuse, by
 * links to where only root may write. */
static int
privileges_disown(cap_t held)
{
	static const cap_value_t files[] = { CAP_DAC_OVERRIDE, CAP_FOWNER,
					     CAP_CHOWN,	       CAP_FSETID,
					     CAP_SETUID,       CAP_SETGID };
	const int count = (int)(sizeof(files) / sizeof(files[0]));

	if (cap_set_flag(held, CAP_EFFECTIVE, count, files, CAP_CLEAR) < 0 ||
	    cap_set_flag(held, CAP_PERMITTED, count, files, CAP_CLEAR) < 0)
		return -1;
	return cap_set_flag(held, CAP_INHERITABLE, count, files, CAP_CLEAR);
}

int
privileges_become_owner(const char *home, struct error *e)
{
	struct stat info;
	cap_t held;
	int status = 0;

	if (geteuid() != 0 || stat(home, &info) < 0 || info.st_uid == 0)
		return 0;
	held = cap_get_proc();
	if (!held || prctl(PR_SET_KEEPCAPS, 1) < 0 ||
	    setgroups(0, NULL) < 0 || setgid(info.st_gid) < 0 ||
	    setuid(info.st_uid) < 0 || privileges_disown(held) < 0 ||
	    cap_set_proc(held) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0)
		status = error_set_errno(e, errno,
					 "cannot become the owner of %s",
					 home);
	cap_free(held);
	return status;
}

static bool
privileges_needed(const struct privileges_needs *needs, cap_value_t cap)
{
	bool watch = needs->identify || needs->keys;

	switch (cap) {
	case CAP_NET_ADMIN:
	case CAP_NET_RAW:
		return needs->attach;
	case CAP_BPF:
		return needs->counters || needs->attach || watch;
	case CAP_PERFMON:
		return needs->attach || watch;
	case CAP_SYS_PTRACE:
	case CAP_DAC_READ_SEARCH:
		return watch;
	case CAP_SYS_ADMIN: /* setns(2); PMU uprobes */
		return needs->attach || needs->keys;
	default:
		return false;
	}
}

/* Takes what is not needed out of the bounding set; notes the names of what
 * stays and sets it in `keep`. */
static int
privileges_sort(const struct privileges_needs *needs, cap_t held, cap_t keep,
		json_t *names)
{
	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		cap_flag_value_t has = CAP_CLEAR;
		char *name;

		if (!privileges_needed(needs, cap)) {
			/* Without CAP_SETPCAP there is nothing to drop with. */
			if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
				return -1;
			continue;
		}
		if (cap_get_flag(held, cap, CAP_PERMITTED, &has) < 0)
			return -1;
		if (has != CAP_SET)
			continue;
		if (cap_set_flag(keep, CAP_PERMITTED, 1, &cap, CAP_SET) < 0 ||
		    cap_set_flag(keep, CAP_EFFECTIVE, 1, &cap, CAP_SET) < 0)
			return -1;
		name = cap_to_name(cap);
		json_array_append_new(names, json_string(name ? name : "?"));
		cap_free(name);
	}
	return 0;
}

int
privileges_reduce(const struct privileges_needs *needs, json_t **kept,
		  struct error *e)
{
	cap_t held = cap_get_proc(), keep = cap_init();
	int status = 0;

	*kept = json_array();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!held || !keep || privileges_sort(needs, held, keep, *kept) < 0 ||
	    cap_set_proc(keep) < 0)
		status = error_set_errno(e, errno, "cannot drop capabilities");
	cap_free(held);
	cap_free(keep);
	if (status == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		status = error_set_errno(e, errno, "cannot set no_new_privs");
	return status;
}
